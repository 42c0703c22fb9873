"""Which thresholds a period of a budget crosses, and how that is remembered. Laws 2 to 4 of budgets.py.

A mark falls only where a limit rises (relimiting.py): what the period no longer reaches can be crossed once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.periods import Period
from streams.burn.limits import UNMARKED, Marks, Plan, Step
from streams.burn.period_table import Crossed, PeriodKey, Periods, crossed_in, mark
from streams.burn.spent import Spent


@dataclass(frozen=True, slots=True)
class Crossing:
    """Thresholds that one batch (or an edit) made a period of a budget cross, ascending; the last one notifies.

    `steps` by cost, `estimated` only with what has no price. `plan` has the limit that the period has.
    """

    plan: Plan
    key: PeriodKey
    period: Period
    spent: Spent
    steps: tuple[Step, ...]
    estimated: tuple[Step, ...] = ()


def cross(
    table: Periods, slot: int, plan: Plan, spent: Spent, may_fire: Spent
) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The thresholds newly crossed are marked; those that fire, by cost and only with estimates."""
    before = crossed_in(table, slot)
    new: Sequence[Step] = [s for s in plan.steps if spent.priced >= s.need and not before.by_cost.hold(s)]
    by_cost = before.by_cost.past(new)
    supposed = before.supposed.past(new)
    more: Sequence[Step] = [s for s in plan.steps if spent.with_estimates >= s.need and not supposed.hold(s)]
    mark(table, slot, plan, Crossed(by_cost, supposed.past(more)))
    return (
        tuple(step for step in new if may_fire.priced >= step.need),
        tuple(step for step in more if may_fire.with_estimates >= step.need),
    )


def ease(table: Periods, slot: int, plan: Plan, spent: Spent, *, amounts: bool) -> None:
    """Thresholds are marked only as far as they are still reached: shares of the limit, with `amounts` those, too."""
    before = crossed_in(table, slot)

    def still(marks: Marks, amount: tuple[int, int]) -> Marks:
        held = UNMARKED.past(s for s in plan.steps if marks.hold(s) and amount >= s.need)
        return held if amounts else Marks(held.shares, marks.amounts)

    by_cost = still(before.by_cost, spent.priced)
    mark(table, slot, plan, Crossed(by_cost, still(before.supposed, spent.with_estimates)))
