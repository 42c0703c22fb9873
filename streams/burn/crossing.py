"""Which thresholds a period of a budget crosses, and how that is remembered. Laws 2 to 4 of budgets.py.

A mark falls only where a budget is edited or its limit moves (relimiting.py): what the period no longer reaches, and
what nothing that is open says any more, can be crossed once more.
"""

from collections.abc import Collection, Sequence
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


def as_said(
    table: Periods, slot: int, plan: Plan, *, by_cost: Collection[str], with_estimates: Collection[str]
) -> None:
    """Shares of the limit are marked up to the highest threshold that an open alert of that basis says, by its level.

    A threshold below an open one stays quiet; one above was never said (of a limit of zero the highest alone is), or
    its alert has ended.
    """
    before = crossed_in(table, slot)

    def said(marks: Marks, levels: Collection[str]) -> Marks:
        top = max((step.need for step in plan.steps if step.share is not None and step.level in levels), default=(0, 0))
        held = UNMARKED.past(step for step in plan.steps if marks.hold(step) and step.need <= top)
        return Marks(held.shares, marks.amounts)

    mark(table, slot, plan, Crossed(said(before.by_cost, by_cost), said(before.supposed, with_estimates)))
