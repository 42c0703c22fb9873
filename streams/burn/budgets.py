"""What each budget (or member of it) has spent in each of its periods, exactly, and which thresholds that crosses.

Laws
1. An amount is the exact sum of all rows of its period, live and backfill, in any order.
2. A threshold is crossed once per period, whatever the amount does. Only a limit that rises takes back what is no
   longer reached (relimiting.py).
3. In a period that is still open whatever crosses a threshold fires; in a closed one only live rows do, judged before
   the backfill of the same batch; what backfill alone crosses there is marked and never said.
4. What has no price counts at its ceiling, kept apart. A threshold that is reached only with that is crossed as
   estimated, once per period, unless it was crossed by cost before; when cost alone reaches it, it is crossed again.
5. A budget that is not open yet counts and crosses nothing; rejudging.py has what it crosses when it opens.
6. A period is kept until nothing live can fall into it any more (`KEEP_US` after its end), and as long as what is left
   of it counts in the next one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.internal import BUCKET_US
from schemas.periods import Period, period_in
from streams.burn.allowances import plan_in
from streams.burn.crossing import Crossing, cross
from streams.burn.days import window_of
from streams.burn.deltas import Deltas
from streams.burn.limits import UNMARKED, Plan
from streams.burn.period_table import AMOUNTS, KEEP_US, Crossed, PeriodKey, Periods, mark
from streams.burn.spent import NOTHING, Amounts, amounts, unit_number
from streams.burn.under import Under

Ints = npt.NDArray[np.int64]
_QUARTER_BUCKETS = 90  # every period begins on a quarter of an hour of UTC


def period_at(plan: Plan, at_us: int) -> Period | None:
    """The period of the budget that holds the instant; None before its first and after its last day."""
    return period_in(plan.calendar, at_us)


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

    def amounts(self, deltas: Deltas) -> Amounts:
        """What each row adds, in the unit of its budget."""
        units = np.array([unit_number(plan.budget.unit) for plan in self.plans], np.int64)
        return amounts(deltas, self.rows, units[self.group])

    def summed_amounts(self, added: Amounts) -> Amounts:
        """The sums of amounts per row, per group; pairs that are not normalised."""
        return Amounts(*(self.summed(column) for column in added.columns()))


def count(table: Periods, deltas: Deltas, rows: Ints, under: Under) -> tuple[list[Crossing], list[PeriodKey]]:
    """The budget rows are in their periods; what they crossed, and the periods that carry something else over, by key.

    Rows of a budget that is not in force, or that were rated before it matched what it matches now, are left out:
    they belong to another budget.
    """
    groups = grouped(deltas, rows, under)
    if not groups.keys:
        return [], []
    of_group = zip(groups.keys, groups.plans, groups.periods, strict=True)
    slots = np.array(
        [slot_of(table, key, plan, period, now_us=under.now_us) for key, plan, period in of_group], np.int64
    )
    table.will_change(slots)
    column = table.columns
    live = deltas.live[groups.rows]
    added = groups.amounts(deltas)
    before = Amounts(*(column[name][slots] for name in AMOUNTS))
    with_live = before + groups.summed_amounts(added.where(live))
    after = before + groups.summed_amounts(added)
    has_live = groups.summed(live.astype(np.int64)) > 0
    for name, values in zip(AMOUNTS, after.columns(), strict=True):
        column[name][slots] = values
    column["requests"][slots] += groups.summed(deltas.requests[groups.rows])
    column["unpriced"][slots] += groups.summed(deltas.unpriced[groups.rows])
    column["unsaid"][slots] = 1
    judged = np.array([plan.matched_since <= under.opened for plan in groups.plans])
    column["waited"][slots] |= has_live & ~judged
    found = []
    for index in np.flatnonzero(judged & _reached(table, slots, after)).tolist():
        spent = may_fire = after.at(index)
        if groups.periods[index].end_us <= under.closed_us:
            may_fire = with_live.at(index) if has_live[index] else NOTHING
        key, period = groups.keys[index], groups.periods[index]
        plan = plan_in(table, groups.plans[index], key, now_us=under.now_us)
        crossing = Crossing(plan, key, period, spent, *cross(table, int(slots[index]), plan, spent, may_fire))
        if crossing.steps or crossing.estimated:
            found.append(crossing)
    return sorted(found, key=lambda crossing: crossing.key), _carrying(groups)


def _carrying(groups: Groups) -> list[PeriodKey]:
    """The periods whose limit rests on the sum of one of these."""
    of_group = zip(groups.keys, groups.plans, groups.periods, strict=True)
    return sorted((*key[:3], period.end_us) for key, plan, period in of_group if plan.rolls_over)


def _reached(table: Periods, slots: Ints, after: Amounts) -> npt.NDArray[np.bool_]:
    """Where an amount reaches what it needs next; `cross` says which thresholds that are."""
    column = table.columns

    def at_least(high: Ints, low: Ints, need: str) -> npt.NDArray[np.bool_]:
        need_high, need_low = column[f"{need}_high"][slots], column[f"{need}_low"][slots]
        reached: npt.NDArray[np.bool_] = (high > need_high) | ((high == need_high) & (low >= need_low))
        return reached

    return at_least(after.high, after.low, "need") | at_least(*after.with_estimates(), "need_estimated")


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
        if period is None or kept_until(plan, period) <= under.closed_us:
            continue
        if plan.is_rolling and not _in_window(plan, place, now_us=under.now_us):
            continue
        group = groups.setdefault((org, budget_id, member, period.start_us), len(groups))
        if group == len(plans):
            plans.append(plan)
            periods.append(period)
        group_of_place[index] = group
    group_of_row = group_of_place[inverse]
    kept = group_of_row >= 0
    return Groups(rows[kept], group_of_row[kept], list(groups), plans, periods)


def _in_window(plan: Plan, place: int, *, now_us: int) -> bool:
    first_us, end_us = window_of(plan, now_us)
    return first_us <= (place & 0xFFFFFFFF) * _QUARTER_BUCKETS * BUCKET_US < end_us


def kept_until(plan: Plan, period: Period) -> int:
    """Until when a period matters: nothing live falls into it any more, nor into the one that it carries over to."""
    after = period_at(plan, period.end_us) if plan.rolls_over else None
    return (period if after is None else after).end_us + KEEP_US


def slot_of(table: Periods, key: PeriodKey, plan: Plan, period: Period, *, now_us: int) -> int:
    """The row of a period; a fresh one needs what its plan says first."""
    known = table.slots.get(key)
    if known is not None:
        return known
    slot = table.slot(key)
    table.columns["end_us"][slot] = period.end_us
    table.columns["kept_us"][slot] = kept_until(plan, period)
    mark(table, slot, plan_in(table, plan, key, now_us=now_us), Crossed(UNMARKED, UNMARKED))
    return slot
