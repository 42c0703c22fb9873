"""Periods of budgets judged anew: where a limit was edited, and where a budget was opened from the ledger.

Laws
1. A threshold that was crossed is not said again, whatever is judged anew (budgets.py, law 2).
2. An edit fires what an open period has crossed, and nothing of a closed one.
3. An opening leads to what would have been said if it had come before every row that the budget counted: an open
   period fires whatever it has crossed; a closed one only what lies above its opening sum, and only if a live row came.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from streams.burn.budgets import Crossing, PeriodKey, Periods, Under, cross, grouped, period_at, spent_in
from streams.burn.deltas import Deltas
from streams.burn.limits import BudgetKey, InForceHere
from streams.burn.spent import NOTHING, Amounts, Spent
from streams.burn.table import Slots


def edited(table: Periods, changed: Iterable[BudgetKey], *, policies: InForceHere, closed_us: int) -> list[Crossing]:
    """Periods of budgets whose limit or thresholds changed are judged anew."""
    found = []
    for key, slot in _slots(table, changed):
        plan = policies.plans[key[:2]]
        period = period_at(plan, key[3])
        table.will_change(np.array([slot]))
        spent = spent_in(table, slot)
        steps, estimated = cross(table, slot, plan, spent, spent if period.end_us > closed_us else NOTHING)
        table.columns["unsaid"][slot] = 1
        if steps or estimated:
            found.append(Crossing(plan, key, period, spent, steps, estimated))
    return found


def opened(
    table: Periods,
    keys: Iterable[BudgetKey],
    brought: Mapping[PeriodKey, Spent],
    *,
    policies: InForceHere,
    closed_us: int,
) -> list[Crossing]:
    """Periods of budgets that are open from now on are judged; `brought` are the opening sums, counted already."""
    found = []
    for key, slot in _slots(table, keys):
        plan = policies.plans[key[:2]]
        period = period_at(plan, key[3])
        table.will_change(np.array([slot]))
        spent = may_fire = spent_in(table, slot)
        if period.end_us <= closed_us:
            cross(table, slot, plan, brought.get(key, NOTHING), NOTHING)
            may_fire = spent if table.columns["waited"][slot] else NOTHING
        steps, estimated = cross(table, slot, plan, spent, may_fire)
        table.columns["waited"][slot] = 0
        table.columns["unsaid"][slot] = 1
        if steps or estimated:
            found.append(Crossing(plan, key, period, spent, steps, estimated))
    return found


def brought_by(deltas: Deltas, rows: Slots, under: Under) -> dict[PeriodKey, Spent]:
    """What the rows of an opening add to each period."""
    groups = grouped(deltas, rows, under)
    none = np.zeros(len(groups.keys), np.int64)
    total = Amounts(none, none, none, none) + groups.summed_amounts(groups.amounts(deltas))
    return {key: total.at(row) for row, key in enumerate(groups.keys)}


def _slots(table: Periods, budgets: Iterable[BudgetKey]) -> list[tuple[PeriodKey, int]]:
    wanted = set(budgets)
    return [(key, slot) for key, slot in sorted(table.slots.items()) if key[:2] in wanted]
