"""What each budget (or member of it) has spent in each of its periods, exactly, and which thresholds that crosses.

Laws
1. An amount is the exact sum of all rows of its period, live and backfill, in any order.
2. A threshold is crossed once per period: `crossed` never falls, whatever the amount or the limit does.
3. In a period that is still open whatever crosses a threshold fires; in a closed one only live rows do, judged before
   the backfill of the same batch; what backfill alone crosses there is marked and never said.
4. What has no price counts at its ceiling, kept apart. A threshold that is reached only with that is crossed as
   estimated, once per period, unless it was crossed by cost before; when cost alone reaches it, it is crossed again.
5. A budget that is not open yet counts and crosses nothing; rejudging.py has what it crosses when it opens.
6. A period is kept until nothing live can fall into it any more (`KEEP_US` after its end).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.internal import BUCKET_US
from streams.burn.deltas import Deltas
from streams.burn.limits import BudgetKey, InForceHere, Plan, Step
from streams.burn.periods import Period, period_of
from streams.burn.spent import NOTHING, Amounts, Spent, amounts, unit_number
from streams.burn.table import Column, Table

PeriodKey = tuple[str, str, str, int]
"""org, budget id, member ('' where there is none), start of the period."""
Ints = npt.NDArray[np.int64]

KEEP_US = 49 * 3_600_000_000
"""Live means at most 48 h old when appended; an hour to spare."""
_QUARTER_BUCKETS = 90  # every period begins on a quarter of an hour of UTC

AMOUNTS = ("high", "low", "estimated_high", "estimated_low")
COLUMNS = {
    "end_us": Column("int64"),
    "high": Column("int64"),
    "low": Column("int64"),
    "estimated_high": Column("int64"),  # what has no price, at its ceiling
    "estimated_low": Column("int64"),
    "requests": Column("int64"),
    "unpriced": Column("int64"),
    "crossed": Column("int64"),  # millionths of the limit: the highest threshold said or passed over in silence
    "need_high": Column("int64"),  # the amount that crosses the next one
    "need_low": Column("int64"),
    "crossed_estimated": Column("int64"),  # the same of cost and estimates together; less than `crossed` is `crossed`
    "need_estimated_high": Column("int64"),
    "need_estimated_low": Column("int64"),
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
    """Thresholds that one batch (or an edit) made a period of a budget cross, ascending; the last one notifies.

    `steps` by cost, `estimated` only with what has no price.
    """

    plan: Plan
    key: PeriodKey
    period: Period
    spent: Spent
    steps: tuple[Step, ...]
    estimated: tuple[Step, ...] = ()


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

    def amounts(self, deltas: Deltas) -> Amounts:
        """What each row adds, in the unit of its budget."""
        units = np.array([unit_number(plan.budget.unit) for plan in self.plans], np.int64)
        return amounts(deltas, self.rows, units[self.group])

    def summed_amounts(self, added: Amounts) -> Amounts:
        """The sums of amounts per row, per group; pairs that are not normalised."""
        return Amounts(*(self.summed(column) for column in added.columns()))


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
        crossing = Crossing(
            groups.plans[index], groups.keys[index], groups.periods[index], spent,
            *cross(table, int(slots[index]), groups.plans[index], spent, may_fire),
        )  # fmt: skip
        if crossing.steps or crossing.estimated:
            found.append(crossing)
    return sorted(found, key=lambda crossing: crossing.key)


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
    for name in ("need", "need_estimated"):
        table.columns[f"{name}_high"][slot], table.columns[f"{name}_low"][slot] = need
    return slot


def spent_in(table: Periods, slot: int) -> Spent:
    """What stands in a row."""
    one = np.array([slot])
    return Amounts(*(table.columns[name][one] for name in AMOUNTS)).at(0)


def cross(
    table: Periods, slot: int, plan: Plan, spent: Spent, may_fire: Spent
) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The thresholds newly crossed are marked; those that fire, by cost and only with estimates."""
    column = table.columns
    crossed = int(column["crossed"][slot])
    new: Sequence[Step] = [s for s in plan.steps if s.share_millionths > crossed and spent.priced >= s.need]
    crossed = new[-1].share_millionths if new else crossed
    supposed = max(crossed, int(column["crossed_estimated"][slot]))
    more: Sequence[Step] = [s for s in plan.steps if s.share_millionths > supposed and spent.with_estimates >= s.need]
    supposed = more[-1].share_millionths if more else supposed
    column["crossed"][slot], column["crossed_estimated"][slot] = crossed, supposed
    column["need_high"][slot], column["need_low"][slot] = plan.next_need(crossed)
    column["need_estimated_high"][slot], column["need_estimated_low"][slot] = plan.next_need(supposed)
    return (
        tuple(step for step in new if may_fire.priced >= step.need),
        tuple(step for step in more if may_fire.with_estimates >= step.need),
    )
