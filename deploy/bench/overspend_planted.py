"""Overspends that are planted into a company's spending, each of another kind, and what they really cost. Pure.

Laws
1. A planted overspend would use up its target's budget before the simulation ends, on top of what the target spends
   anyway; else another target and start are drawn. Without it the target stays within its budget.
2. It goes on until the target's budget is used up: then somebody stops it.
3. Targets are of different teams, so what one overspend costs is never taken for another.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from deploy.bench.overspend_company import AGENT, BATCH, CI, OFFICE, SERVICE, Company, Dice, Floats, Ints
from deploy.bench.overspend_kinds import KINDS, MONTH_STEPS, Kind, Place, Who, times
from deploy.bench.overspend_spending import PER_DAY, STEP_SEC, Series, clock
from schemas.errors import InputError

_TRIES = 400
_LEAST_LIMIT_MICRO = 40_000_000
_HOUR_STEPS = 3600 // STEP_SEC


_HABIT_OF: dict[Who, int] = {"service": SERVICE, "batch": BATCH, "ci": CI, "user": OFFICE}


@dataclass(frozen=True, slots=True)
class Planted:
    """A planted overspend: when it begins and stops (steps), whom it debits with how much; USD per step."""

    kind: Kind
    strength: float
    target: int
    begins: int
    stops: int
    debits: tuple[tuple[Ints, Floats], ...]

    def entities(self) -> Ints:
        """Every entity that it debits."""
        return np.unique(np.concatenate([some for some, added in self.debits if added.sum() > 0]))


@dataclass(frozen=True, slots=True)
class Books:
    """Who spends what before anything is planted: per spender and per entity, USD per step."""

    company: Company
    by_spender: Series
    by_entity: Series

    def days(self) -> float:
        """How long it is."""
        return float(self.by_entity.shape[1]) / PER_DAY


def books(company: Company, by_spender: Series) -> Books:
    """The spending, summed for every entity."""
    found = np.zeros((len(company.kinds), by_spender.shape[1]), np.float32)
    for spender, entities in enumerate(company.debits.tolist()):
        for entity in entities:
            found[entity] += by_spender[spender]
    return Books(company, by_spender, found)


def planted(found: Books, dice: Dice, *, count: int) -> tuple[Planted, ...]:
    """So many overspends, kinds in the order of `KINDS`, again from the first where there are more; by start.

    Raises: InputError: the company is too small for so many.
    """
    teams: set[int] = set()
    made: list[Planted] = []
    for kind in _in_turn(count):
        if len(made) == count:
            break
        one = next((one for _ in range(_TRIES) if (one := _try(found, dice, kind, teams)) is not None), None)
        if one is not None:
            made.append(one)
            teams |= set(_teams_of(found.company, one.target))
    if len(made) < count:
        raise InputError(f"only {len(made)} of {count} overspends have room here; more entities, or more days")
    return tuple(sorted(made, key=lambda one: one.begins))


def _in_turn(count: int) -> Iterator[Kind]:
    for _ in range(2 + count // len(KINDS)):
        yield from KINDS


def _teams_of(company: Company, entity: int) -> list[int]:
    of_team: list[int] = np.unique(company.debits[company.spenders_of(entity), 1]).tolist()
    return of_team


def _try(found: Books, dice: Dice, kind: Kind, taken: set[int]) -> Planted | None:
    """One draw of target, start and strength; None where it would not use up the budget, or the target does anyway."""
    company, steps = found.company, found.by_entity.shape[1]
    candidates = _candidates(company, kind)
    if len(candidates) == 0:
        return None
    target = int(dice.choice(candidates))
    begins = int(dice.uniform(0.1, 0.7) * steps)
    if kind.on_friday_evening:
        begins = _friday_evening(begins)
    strength = float(dice.uniform(kind.low, kind.high))
    limit = company.limits_micro[target] / 1_000_000
    own = found.by_entity[target].astype(np.float64)
    teams = _teams_of(company, target)
    if begins >= steps or limit * 1e6 < _LEAST_LIMIT_MICRO or taken & set(teams) or len(teams) != 1:
        return None
    if own.sum() >= limit or own[:begins].sum() <= 0:
        return None
    debits = _debits(found, dice, kind, target, begins, strength)
    added = sum((more for entities, more in debits if target in entities), np.zeros(steps))
    over = np.flatnonzero(np.cumsum(own + added) >= limit)
    if len(over) == 0:
        return None
    stops = int(over[0]) + 1
    for _, more in debits:
        more[stops:] = 0
    return Planted(kind, strength, target, begins, stops, debits)


def _candidates(company: Company, kind: Kind) -> Ints:
    if kind.who == "team":
        return np.unique(company.debits[:, 1])
    if kind.who == "key":
        mine = company.debits[:, 2]
        others: Ints = np.setdiff1d(mine, mine[np.flatnonzero(company.kinds[company.debits[:, 0]] == AGENT)])
        return others
    mine_alone: Ints = company.debits[company.habits == _HABIT_OF[kind.who], 0]
    return mine_alone


def _friday_evening(step: int) -> int:
    """Friday 18:00 UTC of the week of the step: the third day, for a month that begins on a Wednesday."""
    return (step // (7 * PER_DAY) * 7 + 2) * PER_DAY + 18 * _HOUR_STEPS


def _debits(  # noqa: PLR0913, PLR0917  one draw
    found: Books, dice: Dice, kind: Kind, target: int, begins: int, strength: float
) -> tuple[tuple[Ints, Floats], ...]:
    company = found.company
    spenders = company.spenders_of(target)
    if kind.who == "key":  # whoever it is has the key, and no name
        return ((company.debits[spenders[0], 1:], _added(found, dice, kind, target, begins, strength)),)
    if kind.who == "team" and kind.shape is times:
        return tuple(
            (company.debits[spender], _grown(found.by_spender[spender], begins, strength))
            for spender in spenders.tolist()
        )
    if kind.who == "team":
        return ((np.array([target]), _added(found, dice, kind, target, begins, strength)),)
    return ((company.debits[spenders[0]], _added(found, dice, kind, target, begins, strength)),)


def _grown(own: Series, begins: int, strength: float) -> Floats:
    found = own.astype(np.float64) * (strength - 1)
    found[:begins] = 0
    return found


def _added(  # noqa: PLR0913, PLR0917  one draw
    found: Books, dice: Dice, kind: Kind, target: int, begins: int, strength: float
) -> Floats:
    company, steps = found.company, found.by_entity.shape[1]
    spenders = company.spenders_of(target)
    when = clock(company.utc_hours[spenders[:1]], steps=steps)
    after = np.arange(begins, steps)
    place = Place(
        base=found.by_entity[target, begins:].astype(np.float64),
        mean=float(company.usual_usd[spenders].sum()) / MONTH_STEPS,
        limit=float(company.limits_micro[target]) / 1_000_000,
        hour=when.hour[0, begins:],
        days=(after - begins) / PER_DAY,
        works=when.works[0, begins:],
    )
    added = np.zeros(steps)
    added[begins:] = kind.shape(place, strength, dice)
    return added


def spent_micro(found: Books, overspends: tuple[Planted, ...]) -> Ints:
    """What every entity spends per step with the overspends, whole micro-USD."""
    whole = found.by_entity.astype(np.float64)
    for one in overspends:
        for entities, added in one.debits:
            whole[entities] += added
    return np.rint(whole * 1_000_000).astype(np.int64)
