"""Budgets over the last N days: what each member has spent by local day, and the window that ends with today.

Laws
1. Today is the local day of the clock of increases: the floor, which waits for all lanes. A window is today and the
   N - 1 days before it; what lies ahead of today waits in its day, what lies before the window is left out.
2. The row of such a budget among the periods holds its window, so that thresholds, limits and states are as always;
   it has no end.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from schemas.internal import BUCKET_US
from schemas.periods import Calendar, day_in, days_before_us
from streams.burn.deltas import Deltas
from streams.burn.in_force import InForceHere
from streams.burn.limits import Plan
from streams.burn.period_table import AMOUNTS, PeriodKey
from streams.burn.spent import Amounts, amounts, carried, unit_number
from streams.burn.table import Column, Table
from streams.burn.under import Under

Ints = npt.NDArray[np.int64]
Days = Table[PeriodKey]
"""By org, budget id, member and the start of the day."""
COUNTS = ("requests", "unpriced")
_QUARTER_BUCKETS = 90
_QUARTER_US = _QUARTER_BUCKETS * BUCKET_US


def new_days() -> Days:
    """Nothing was spent on any day."""
    return Table({name: Column("int64") for name in (*AMOUNTS, *COUNTS)}, page_rows=512)


def window_of(plan: Plan, now_us: int) -> tuple[int, int]:
    """[start, end) of the window that ends with today."""
    return _window(plan.calendar, now_us // _QUARTER_US * _QUARTER_US)


@lru_cache(maxsize=4096)
def _window(calendar: Calendar, now_us: int) -> tuple[int, int]:
    today = day_in(calendar.zone, now_us)
    return days_before_us(calendar.zone, today.start_us, (calendar.days or 1) - 1), today.end_us


def count_days(days: Days, deltas: Deltas, rows: Ints, under: Under) -> None:
    """The rows of rolling budgets are in their days, as far as those are in the window or ahead of it."""
    if not under.policies.rolling:
        return
    groups: dict[PeriodKey, int] = {}
    group_of = np.full(len(rows), -1, np.int64)
    units: list[int] = []
    for index, row in enumerate(rows.tolist()):
        org, _, budget_id, member = deltas.keys[int(deltas.key_of_row[row])]
        plan = under.policies.rolling.get((org, budget_id))
        at_us = int(deltas.bucket[row]) * BUCKET_US
        if plan is None or under.rated_under < plan.matched_since or at_us < window_of(plan, under.now_us)[0]:
            continue
        day = day_in(plan.budget.timezone, at_us // _QUARTER_US * _QUARTER_US)
        number = groups.setdefault((org, budget_id, member, day.start_us), len(groups))
        if number == len(units):
            units.append(unit_number(plan.budget.unit))
        group_of[index] = number
    if not groups:
        return
    kept = group_of >= 0
    chosen, group = rows[kept], group_of[kept]
    slots = np.array([days.slot(key) for key in groups], np.int64)
    days.will_change(slots)
    added = amounts(deltas, chosen, np.array(units, np.int64)[group])
    before = Amounts(*(days.columns[name][slots] for name in AMOUNTS))
    after = before + Amounts(*(_summed(column, group, len(slots)) for column in added.columns()))
    for name, values in zip(AMOUNTS, after.columns(), strict=True):
        days.columns[name][slots] = values
    for name, counted in zip(COUNTS, (deltas.requests, deltas.unpriced), strict=True):
        days.columns[name][slots] += _summed(counted[chosen], group, len(slots))


def _summed(values: Ints, group: Ints, groups: int) -> Ints:
    total = np.zeros(groups, np.int64)
    np.add.at(total, group, values)
    return total


def windows(days: Days, plan: Plan, *, now_us: int) -> dict[PeriodKey, dict[str, int]]:
    """What the window of each member of a rolling budget holds now, by column; only members with a day in it."""
    first_us, end_us = window_of(plan, now_us)
    key = (plan.budget.org, plan.budget.id)
    slots: dict[PeriodKey, list[int]] = {}
    for (org, budget_id, member, day_us), slot in sorted(days.slots.items()):
        if (org, budget_id) == key and first_us <= day_us < end_us:
            slots.setdefault((org, budget_id, member, 0), []).append(slot)
    return {of: _held(days, np.array(some, np.int64)) for of, some in slots.items()}


def _held(days: Days, slots: Ints) -> dict[str, int]:
    held = {name: int(days.columns[name][slots].sum()) for name in (*AMOUNTS, *COUNTS)}
    for high, low in (("high", "low"), ("estimated_high", "estimated_low")):
        pair = carried(np.array([held[high]]), np.array([held[low]]))
        held[high], held[low] = int(pair[0][0]), int(pair[1][0])
    return held


def forget_days(days: Days, policies: InForceHere, *, now_us: int) -> None:
    """Days that lie before their window, and those of budgets that are no more, are gone."""
    gone = []
    for key, slot in days.slots.items():
        plan = policies.rolling.get(key[:2])
        if plan is None or key[3] < window_of(plan, now_us)[0]:
            gone.append(slot)
    days.remove(sorted(gone))
