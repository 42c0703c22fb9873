"""A made-up company: who spends through which key for which team, how much in a month, and under which budgets. Pure.

Laws
1. Of the entities 2.5 % are teams (five at least), 8.5 % agents, 20 % credentials, the rest users; each has one budget.
2. Each agent has a key of its own; the users of a team share the team's other keys.
3. Budgets are given out as people do it: what is expected in a month with some room on top, rounded up to a step of
   1, 1.5, 2.5, 4, 6, 10, ... USD. Nothing here knows what will be spent.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.errors import InputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Dice = np.random.Generator

KINDS = ("team", "user", "agent", "credential")
TEAM, USER, AGENT, CREDENTIAL = range(4)
HABITS = ("office", "service", "batch", "ci", "weekly")
OFFICE, SERVICE, BATCH, CI, WEEKLY = range(5)
"""How a spender spends: people in office hours, agents all day, at night, on demand, once a week."""
LEAST_ENTITIES = 60

_STEPS = np.array([1, 1.5, 2.5, 4, 6])
_LEAST_LIMIT_USD = 10.0
_ROOM = {TEAM: (1.1, 1.5), USER: (1.1, 2.2), AGENT: (1.15, 2.2), CREDENTIAL: (1.1, 1.8)}
_SITES_HOURS = (2, -4, 5.5)  # Berlin, New York, Bangalore in April


@dataclass(frozen=True, slots=True)
class Company:
    """Entities with kind and limit in micro-USD; spenders with whom each debits, habit, and usual month in USD.

    `debits` has a row per spender: its own entity, its team, its key. `utc_hours` is what its clock is ahead of UTC.
    """

    kinds: Ints
    limits_micro: Ints
    debits: Ints
    habits: Ints
    usual_usd: Floats
    utc_hours: Floats

    def name(self, entity: int) -> str:
        """What the entity is called: `user-17`."""
        return f"{KINDS[self.kinds[entity]]}-{entity}"

    def spenders_of(self, entity: int) -> Ints:
        """The spenders that debit the entity."""
        return np.flatnonzero((self.debits == entity).any(axis=1))


def company(dice: Dice, *, entities: int) -> Company:
    """A company of so many entities.

    Raises: InputError: fewer than `LEAST_ENTITIES`.
    """
    if entities < LEAST_ENTITIES:
        raise InputError(f"a company of {entities} entities is too small; at least {LEAST_ENTITIES}")
    teams = max(5, round(0.025 * entities))
    agents, keys = round(0.085 * entities), round(0.2 * entities)
    users = entities - teams - agents - keys
    kinds = np.repeat([TEAM, USER, AGENT, CREDENTIAL], [teams, users, agents, keys])
    size = dice.lognormal(0, 0.6, teams)
    team = dice.choice(teams, users + agents, p=size / size.sum())
    debits = np.stack([teams + np.arange(users + agents), team, _keys(dice, team, teams, users, agents, keys)], axis=1)
    habits = np.concatenate(
        [np.full(users, OFFICE), dice.choice([SERVICE, BATCH, CI, WEEKLY], agents, p=[0.45, 0.25, 0.27, 0.03])]
    )
    usual = np.concatenate([dice.lognormal(np.log(40), 1.1, users), dice.lognormal(np.log(250), 1.2, agents)])
    expected = np.zeros(entities)
    np.add.at(expected, debits.ravel(), np.repeat(usual, 3))
    return Company(
        kinds=kinds,
        limits_micro=_limits(dice, kinds, expected),
        debits=debits,
        habits=habits,
        usual_usd=usual,
        utc_hours=dice.choice(_SITES_HOURS, teams, p=[0.5, 0.3, 0.2])[team],
    )


def _keys(dice: Dice, team: Ints, teams: int, users: int, agents: int, keys: int) -> Ints:  # noqa: PLR0913, PLR0917  counts of one company
    """The key of each spender; keys follow teams, users and agents among the entities."""
    first = teams + users + agents
    shared = keys - agents  # the key agents + n belongs to team n modulo teams
    of_team = shared // teams + (np.arange(teams) < shared % teams)
    chosen = (dice.random(users) * of_team[team[:users]]).astype(np.int64)
    return np.concatenate([first + agents + team[:users] + teams * chosen, first + np.arange(agents)])


def _limits(dice: Dice, kinds: Ints, expected_usd: Floats) -> Ints:
    low, high = (np.array([_ROOM[kind][side] for kind in range(4)])[kinds] for side in (0, 1))
    wanted = np.maximum(expected_usd * dice.uniform(low, high), _LEAST_LIMIT_USD)
    decade = 10.0 ** np.floor(np.log10(wanted))
    place = np.searchsorted(_STEPS, wanted / decade - 1e-9)
    steps = np.append(_STEPS, 10.0)[place]
    return np.rint(steps * decade * 1_000_000).astype(np.int64)
