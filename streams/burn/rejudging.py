"""Periods of budgets judged for the first time, when the budget is opened from the ledger.

Law: an opening leads to what would have been said if it had come before every row that the budget counted: an open
period fires whatever it has crossed; a closed one only what lies above its opening sum, and only if a live row came.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from streams.burn.allowances import plan_in
from streams.burn.budgets import grouped, period_at
from streams.burn.crossing import Crossing, cross
from streams.burn.deltas import Deltas
from streams.burn.limits import BudgetKey
from streams.burn.period_table import PeriodKey, Periods, slots_of, spent_in
from streams.burn.spent import NOTHING, Amounts, Spent
from streams.burn.table import Slots
from streams.burn.under import Under


def opened(
    table: Periods,
    keys: Iterable[BudgetKey],
    brought: Mapping[PeriodKey, Spent],
    *,
    under: Under,
) -> list[Crossing]:
    """Periods of budgets that are open from now on are judged; `brought` are the opening sums, counted already."""
    found = []
    for key, slot in slots_of(table, keys):
        plan = plan_in(table, under.policies.plans[key[:2]], key, now_us=under.now_us)
        period = period_at(plan, key[3])
        if period is None:
            continue
        table.will_change(np.array([slot]))
        spent = may_fire = spent_in(table, slot)
        if period.end_us <= under.closed_us:
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
