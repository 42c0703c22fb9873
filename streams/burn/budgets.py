"""What each budget (or member of it) has spent in each of its periods, exactly, and which thresholds that crosses.

Laws
1. An amount is the exact sum of all rows of its period, live and backfill, in any order.
2. A threshold is crossed once per period: `crossed` never falls, whatever the amount or the limit does.
3. In a period that is still open whatever crosses a threshold fires; in a closed one only live rows do, judged before
   the backfill of the same batch; what backfill alone crosses there is marked and never said.
4. A budget that is not open yet counts and crosses nothing; rejudging.py has what it crosses when it opens.
5. A period is kept until nothing live can fall into it any more (`KEEP_US` after its end).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.internal import BUCKET_US
from streams.burn.deltas import Deltas
from streams.burn.limits import BudgetKey, InForceHere, Pair, Plan, Step
from streams.burn.periods import Period, period_of
from streams.burn.table import Column, Table

PeriodKey = tuple[str, str, str, int]
"""org, budget id, member ('' where there is none), start of the period."""
Ints = npt.NDArray[np.int64]

KEEP_US = 49 * 3_600_000_000
"""Live means at most 48 h old when appended; an hour to spare."""
_QUARTER_BUCKETS = 90  # every period begins on a quarter of an hour of UTC
_MICRO = 1_000_000
_UNITS = ("usd", "tokens", "requests")

COLUMNS = {
    "end_us": Column("int64"),
    "high": Column("int64"),
    "low": Column("int64"),
    "requests": Column("int64"),
    "unpriced": Column("int64"),
    "crossed": Column("int64"),  # millionths of the limit: the highest threshold said or passed over in silence
    "need_high": Column("int64"),  # the amount that crosses the next one
    "need_low": Column("int64"),
    "unsaid": Column("uint8"),  # 1 = its state changed since it was last published
    "said_us": Column("int64"),
    "closed": Column("uint8"),  # 1 = its end was published
    "waited": Column("uint8"),  # 1 = a live row came before the budget was opened
}
Periods = Table[PeriodKey]


def new_table() -> Periods:
    """No budget has spent anything."""
    return Table(COLUMNS, page_rows=512)


@dataclass(frozen=True, slots=True)
class Crossing:
    """Thresholds that one batch (or an edit) made a period of a budget cross, ascending; the last one notifies."""

    plan: Plan
    key: PeriodKey
    period: Period
    spent: Pair
    steps: tuple[Step, ...]


def period_at(plan: Plan, at_us: int) -> Period:
    """The period of the budget that holds the instant."""
    return period_of(at_us, plan.budget.period, plan.budget.timezone)


@dataclass(frozen=True, slots=True)
class Under:
    """What a batch is judged under: the policies now, the policy offset that rated it, up to where periods are over.

    `opened`: budgets whose `matched_since` is up to here are judged.
    """

    policies: InForceHere
    rated_under: int
    closed_us: int
    opened: int


@dataclass(slots=True)
class Groups:
    """The budget periods that a batch touches, and which of them each of its rows belongs to."""

    rows: Ints
    group: Ints
    keys: list[PeriodKey]
    plans: list[Plan]
    periods: list[Period]

    def summed(self, values: Ints) -> Ints:
        """The sum of one value per row, per group."""
        total = np.zeros(len(self.keys), np.int64)
        np.add.at(total, self.group, values)
        return total


def count(table: Periods, deltas: Deltas, rows: Ints, under: Under) -> list[Crossing]:
    """The budget rows are in their periods; what they crossed, sorted by key.

    Rows of a budget that is not in force, or that were rated before it matched what it matches now, are left out:
    they belong to another budget.
    """
    groups = grouped(deltas, rows, under)
    if not groups.keys:
        return []
    of_group = zip(groups.keys, groups.plans, groups.periods, strict=True)
    slots = np.array([_slot(table, key, plan, period) for key, plan, period in of_group], np.int64)
    table.will_change(slots)
    column = table.columns
    live = deltas.live[groups.rows]
    high, low = amounts(deltas, groups)
    before_high, before_low = column["high"][slots], column["low"][slots]
    live_high, live_low = carried(
        before_high + groups.summed(np.where(live, high, 0)), before_low + groups.summed(np.where(live, low, 0))
    )
    after_high, after_low = carried(before_high + groups.summed(high), before_low + groups.summed(low))
    has_live = groups.summed(live.astype(np.int64)) > 0
    column["high"][slots], column["low"][slots] = after_high, after_low
    column["requests"][slots] += groups.summed(deltas.requests[groups.rows])
    column["unpriced"][slots] += groups.summed(deltas.unpriced[groups.rows])
    column["unsaid"][slots] = 1
    judged = np.array([plan.matched_since <= under.opened for plan in groups.plans])
    column["waited"][slots] |= has_live & ~judged
    needs_high, needs_low = column["need_high"][slots], column["need_low"][slots]
    found = []
    reached = (after_high > needs_high) | ((after_high == needs_high) & (after_low >= needs_low))
    for index in np.flatnonzero(judged & reached).tolist():
        spent = may_fire = (int(after_high[index]), int(after_low[index]))
        if groups.periods[index].end_us <= under.closed_us:
            may_fire = (int(live_high[index]), int(live_low[index])) if has_live[index] else (-1, 0)
        steps = cross(table, int(slots[index]), groups.plans[index], spent, may_fire)
        if steps:
            found.append(Crossing(groups.plans[index], groups.keys[index], groups.periods[index], spent, steps))
    return sorted(found, key=lambda crossing: crossing.key)


def grouped(deltas: Deltas, rows: Ints, under: Under) -> Groups:
    """The budget periods that these rows belong to; rows of none are left out."""
    groups: dict[PeriodKey, int] = {}
    plans: list[Plan] = []
    periods: list[Period] = []
    places, inverse = np.unique(
        (deltas.key_of_row[rows] << 32) + deltas.bucket[rows] // _QUARTER_BUCKETS, return_inverse=True
    )
    group_of_place = np.full(len(places), -1, np.int64)
    for index, place in enumerate(places.tolist()):
        org, _, budget_id, member = deltas.keys[place >> 32]
        plan = under.policies.plans.get((org, budget_id))
        if plan is None or under.rated_under < plan.matched_since:
            continue
        period = period_at(plan, (place & 0xFFFFFFFF) * _QUARTER_BUCKETS * BUCKET_US)
        if period.end_us <= under.closed_us - KEEP_US:
            continue
        group = groups.setdefault((org, budget_id, member, period.start_us), len(groups))
        if group == len(plans):
            plans.append(plan)
            periods.append(period)
        group_of_place[index] = group
    group_of_row = group_of_place[inverse]
    kept = group_of_row >= 0
    return Groups(rows[kept], group_of_row[kept], list(groups), plans, periods)


def forget(table: Periods, gone: Iterable[BudgetKey]) -> None:
    """Nothing is known of these budgets any more."""
    wanted = set(gone)
    table.remove([slot for key, slot in sorted(table.slots.items()) if key[:2] in wanted])


def forget_old(table: Periods, *, floor_us: int) -> None:
    """Periods into which nothing live can fall any more are gone."""
    ends = table.column("end_us")
    table.remove(np.flatnonzero((ends > 0) & (ends <= floor_us - KEEP_US)).tolist())


def _slot(table: Periods, key: PeriodKey, plan: Plan, period: Period) -> int:
    known = table.slots.get(key)
    if known is not None:
        return known
    slot = table.slot(key)
    need = plan.next_need(0)
    table.columns["end_us"][slot] = period.end_us
    table.columns["need_high"][slot], table.columns["need_low"][slot] = need
    return slot


def cross(table: Periods, slot: int, plan: Plan, amount: Pair, may_fire: Pair) -> tuple[Step, ...]:
    """The thresholds newly crossed are marked; those that fire."""
    crossed = int(table.columns["crossed"][slot])
    new: Sequence[Step] = [s for s in plan.steps if s.share_millionths > crossed and amount >= s.need]
    if new:
        crossed = new[-1].share_millionths
        table.columns["crossed"][slot] = crossed
    table.columns["need_high"][slot], table.columns["need_low"][slot] = plan.next_need(crossed)
    return tuple(step for step in new if may_fire >= step.need)


def amounts(deltas: Deltas, groups: Groups) -> tuple[Ints, Ints]:
    """What each row adds, in the unit of its budget."""
    units = np.array([_UNITS.index(plan.budget.unit) for plan in groups.plans])[groups.group]
    rows = groups.rows
    high = np.where(units == 0, deltas.micro[rows], np.where(units == 1, deltas.tokens[rows], deltas.requests[rows]))
    return high, np.where(units == 0, deltas.pico[rows], 0)


def carried(high: Ints, low: Ints) -> tuple[Ints, Ints]:
    """Sums of pairs as pairs."""
    return high + low // _MICRO, low % _MICRO
