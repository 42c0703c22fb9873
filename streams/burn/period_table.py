"""The rows of budget periods: what each has spent, which thresholds it has crossed, and under which limit.

Law: amounts are pairs (high, low), as limits.py has them; a column that a checkpoint of before it lacks is zero.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.burn.limits import BudgetKey, Marks, Pair, Plan
from streams.burn.spent import Spent, spent_of
from streams.burn.table import Column, Table

PeriodKey = tuple[str, str, str, int]
"""org, budget id, member ('' where there is none), start of the period."""
Ints = npt.NDArray[np.int64]

KEEP_US = 49 * 3_600_000_000
"""Live means at most 48 h old when appended; an hour to spare."""
AMOUNTS = ("high", "low", "estimated_high", "estimated_low")
VARYING = (
    "limit_high",
    "limit_low",
    "passed_high",
    "passed_low",
    "passed_estimated_high",
    "passed_estimated_low",
    "kept_us",
)
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
    "limit_high": Column("int64"),  # the whole limit under which it was judged last
    "limit_low": Column("int64"),
    "passed_high": Column("int64"),  # what the highest crossed threshold needs of those that are amounts
    "passed_low": Column("int64"),
    "passed_estimated_high": Column("int64"),
    "passed_estimated_low": Column("int64"),
    "kept_us": Column("int64"),  # until when it matters; 0 = until `KEEP_US` after its end
}
Periods = Table[PeriodKey]


class Crossed(NamedTuple):
    """Up to where a period has crossed thresholds: by cost, and with estimates; the latter is at least the former."""

    by_cost: Marks
    supposed: Marks


def new_table() -> Periods:
    """No budget has spent anything."""
    return Table(COLUMNS, page_rows=512)


def spent_in(table: Periods, slot: int) -> Spent:
    """What stands in a row."""
    return spent_of(*(int(table.columns[name][slot]) for name in AMOUNTS))


def crossed_in(table: Periods, slot: int) -> Crossed:
    """The marks of a row."""
    column = table.columns
    shares, more = int(column["crossed"][slot]), int(column["crossed_estimated"][slot])
    amounts = (int(column["passed_high"][slot]), int(column["passed_low"][slot]))
    supposed = (int(column["passed_estimated_high"][slot]), int(column["passed_estimated_low"][slot]))
    return Crossed(Marks(shares, amounts), Marks(max(shares, more), max(amounts, supposed)))


def mark(table: Periods, slot: int, plan: Plan, marks: Crossed) -> None:
    """The row has crossed up to there, and needs what the plan says next; its limit is the plan's."""
    column = table.columns
    column["crossed"][slot], column["crossed_estimated"][slot] = marks.by_cost.shares, marks.supposed.shares
    pairs = {
        "passed": marks.by_cost.amounts,
        "passed_estimated": marks.supposed.amounts,
        "need": plan.next_need(marks.by_cost),
        "need_estimated": plan.next_need(marks.supposed),
        "limit": plan.limit,
    }
    for name, (high, low) in pairs.items():
        column[f"{name}_high"][slot], column[f"{name}_low"][slot] = high, low


def limit_in(table: Periods, slot: int) -> Pair:
    """The whole limit under which a row was judged last; (0, 0) in rows of before that was kept."""
    return int(table.columns["limit_high"][slot]), int(table.columns["limit_low"][slot])


def slots_of(table: Periods, budgets: Iterable[BudgetKey]) -> list[tuple[PeriodKey, int]]:
    """The rows of these budgets, in order of key."""
    wanted = set(budgets)
    return [(key, slot) for key, slot in sorted(table.slots.items()) if key[:2] in wanted] if wanted else []


def forget(table: Periods, gone: Iterable[BudgetKey]) -> None:
    """Nothing is known of these budgets any more."""
    table.remove([slot for _, slot in slots_of(table, gone)])


def forget_old(table: Periods, *, floor_us: int) -> None:
    """Periods into which nothing live can fall any more, and on whose sum no other one rests, are gone."""
    ends, kept = table.column("end_us"), table.column("kept_us")
    until = np.where(kept > 0, kept, ends + KEEP_US)
    table.remove(np.flatnonzero((ends > 0) & (until <= floor_us)).tolist())
