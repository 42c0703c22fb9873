"""`burnline bench overspend`: what burn, thresholds alone and LiteLLM find of planted overspends, and what it costs.

How it is judged, alike for all three, by sums that none of them made:
1. An overspend is found by the first alert about its target after it began and before the budget is used up; in time
   if by then at most half is gone of what was left when it began. What was said before it began does not count.
2. An alert is false unless a planted overspend debits its entity and has begun (until the month ends: what is spent
   is spent), or the entity would use up its budget in the simulated days without any planted overspend. The latter
   are counted apart, as `by chance`.
3. Alerts are those that notify. A page is what is `critical`: of thresholds the whole budget, of LiteLLM all ("High").
   Of burn the rule `threshold` is left out, so that the first line is burn rates alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from deploy.bench.overspend_burn import START, alerts_of
from deploy.bench.overspend_company import Ints, company
from deploy.bench.overspend_planted import Books, Planted, books, planted, spent_micro
from deploy.bench.overspend_rivals import Said, litellm, thresholds_only
from deploy.bench.overspend_spending import PER_DAY, STEP_SEC, spending
from schemas.errors import InputError
from schemas.periods import micros
from schemas.signals import Alert

BURN, THRESHOLDS, LITELLM = "burn rates", "thresholds 50/80/100 %", "LiteLLM's rules"
MOST_DAYS = 30
LEAST_DAYS = 5
IN_TIME_RATIO = 0.5


@dataclass(frozen=True, slots=True)
class World:
    """A simulated month: who spends what with the overspends in it."""

    seed: int
    books: Books
    overspends: tuple[Planted, ...]
    spent: Ints


@dataclass(frozen=True, slots=True)
class Finding:
    """How much of what was left was gone when an overspend was found, and when it was paged; None: never before all.

    Shares of what was left of the target's budget when it began.
    """

    kind: str
    strength: float
    target: str
    limit_usd: float
    begins_day: float
    lasts_days: float
    gone_ratio: float | None
    gone_at_page_ratio: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """What one set of rules made of a month; rates are per week."""

    rules: str
    seed: int
    days: float
    findings: tuple[Finding, ...]
    false_pages: int
    false_alerts: int
    by_chance: int
    alerts: int

    def found(self) -> int:
        """How many overspends were found before their budget was used up."""
        return sum(one.gone_ratio is not None for one in self.findings)

    def in_time(self) -> int:
        """How many were found while at least half was left."""
        return sum(one.gone_ratio is not None and one.gone_ratio <= IN_TIME_RATIO for one in self.findings)

    def paged(self) -> int:
        """How many were paged before their budget was used up."""
        return sum(one.gone_at_page_ratio is not None for one in self.findings)

    def gone(self, quantile: float) -> float:
        """A quantile of the share that was gone when found; all of it where it was not."""
        shares = [1.0 if one.gone_ratio is None else one.gone_ratio for one in self.findings]
        return float(np.quantile(shares, quantile))


def simulated(*, seed: int, entities: int, days: int, overspends: int) -> World:
    """A month of a company; the same for the same seed.

    Raises: InputError: so many overspends have no room, or the days are not `LEAST_DAYS` to `MOST_DAYS`.
    """
    if not LEAST_DAYS <= days <= MOST_DAYS:
        raise InputError(f"{days} days cannot be simulated; {LEAST_DAYS} to {MOST_DAYS} can")
    dice = np.random.default_rng(seed)
    firm = company(dice, entities=entities)
    found = books(firm, spending(firm, dice, days=days))
    those = planted(found, dice, count=overspends)
    return World(seed, found, those, spent_micro(found, those))


def measured(world: World, *, on_progress: Callable[[int, int], None] | None = None) -> list[Line]:
    """A line for burn and for each of the others."""
    firm = world.books.company
    return [
        judged(world, BURN, of_burn(world, alerts_of(firm, world.spent, on_progress=on_progress))),
        judged(world, THRESHOLDS, thresholds_only(firm.limits_micro, world.spent)),
        judged(world, LITELLM, litellm(firm.limits_micro, world.spent)),
    ]


def of_burn(world: World, alerts: Sequence[Alert]) -> Said:
    """The alerts of burn that notify, thresholds left out."""
    firm = world.books.company
    places = {firm.name(entity): entity for entity in range(len(firm.kinds))}
    told = [one for one in alerts if one.status == "firing" and one.notify and one.rule != "threshold"]
    return Said(
        np.array([places[one.member or ""] for one in told], np.int64),
        np.array([(micros(one.at) - micros(START)) // (STEP_SEC * 1_000_000) - 1 for one in told], np.int64),
        np.array([one.severity == "critical" for one in told], np.bool_),
    )


def judged(world: World, rules: str, said: Said) -> Line:
    """The alerts of one set of rules against the truth."""
    firm = world.books.company
    explained = np.zeros(world.spent.shape, np.bool_)
    for one in world.overspends:
        explained[one.entities(), one.begins :] = True
    anyway = world.books.by_entity.sum(axis=1, dtype=np.float64) * 1e6 > firm.limits_micro
    groundless = ~explained[said.entity, said.step]
    false = groundless & ~anyway[said.entity]
    return Line(
        rules=rules,
        seed=world.seed,
        days=world.books.days(),
        findings=tuple(_finding(world, one, said) for one in world.overspends),
        false_pages=int((false & said.page).sum()),
        false_alerts=int(false.sum()),
        by_chance=int((groundless & ~false).sum()),
        alerts=len(said.entity),
    )


def _finding(world: World, one: Planted, said: Said) -> Finding:
    firm = world.books.company
    mine = (said.entity == one.target) & (said.step >= one.begins) & (said.step < one.stops - 1)
    limit = int(firm.limits_micro[one.target])
    sums = np.cumsum(world.spent[one.target])
    before = int(sums[one.begins - 1])

    def gone(steps: Ints) -> float | None:
        return float(sums[steps.min()] - before) / (limit - before) if len(steps) else None

    return Finding(
        kind=one.kind.name,
        strength=round(one.strength, 2),
        target=firm.name(one.target),
        limit_usd=limit / 1e6,
        begins_day=round(one.begins / PER_DAY, 2),
        lasts_days=round((one.stops - one.begins) / PER_DAY, 2),
        gone_ratio=gone(said.step[mine]),
        gone_at_page_ratio=gone(said.step[mine & said.page]),
    )


def as_json(lines: Sequence[Line]) -> list[Mapping[str, Any]]:
    """The lines as plain values."""
    return [{**asdict(line), "found": line.found(), "in_time": line.in_time(), "paged": line.paged()} for line in lines]
