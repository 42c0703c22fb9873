"""What budgets that have alerts by forecast (or members of them) spent in each of the last 35 days' hours.

Laws
1. A row adds to the hour of its own event time, live, late, backfill or correction alike; nothing depends on the order.
2. Hours before the oldest row are not known; every hour after it is, and without a row it is zero.
3. Charges are no part of it, nor what has no price; nor what a budget's opening brings, which says no hours.
4. USD in whole micro-USD: the pico remainder of a row (below a millionth of a dollar) is left out.
A budget's row takes 6.8 KB, whatever it spends.
"""

from zlib import crc32

import numpy as np
import numpy.typing as npt

from schemas.internal import BUCKET_US
from schemas.money import PICO_PER_MICRO, PICO_PER_USD
from schemas.periods import instant
from streams.burn.deltas import Deltas
from streams.burn.limits import Plan
from streams.burn.spent import unit_number
from streams.burn.table import Column, Table
from streams.burn.under import Under
from streams.forecast import History

Ints = npt.NDArray[np.int64]
Hours = Table[tuple[str, str, str]]
"""By org, budget id and member."""
HOURS = 840
HOUR_SEC = 3600
HOUR_US = HOUR_SEC * 1_000_000
_HOUR_BUCKETS = HOUR_US // BUCKET_US
_NEVER = 2**40
_MICRO_PER_USD = PICO_PER_USD // PICO_PER_MICRO


def new_hours() -> Hours:
    """Nothing is known of any hour."""
    spec = {
        "newest": Column("int64"),  # the newest hour with a row, counted from 1970; 0 = none yet
        "oldest": Column("int64"),  # the oldest one, which may lie before the ring
        "due_us": Column("int64"),  # when it is judged next
        "likely": Column("uint8"),  # how many judgements in a row have found that it will be used up
        "unlikely": Column("uint8"),  # the same of a commitment that will not be used
        "likely_end": Column("int64"),  # P50 of the end of a period as it was judged last, in the same units
        "of_period_us": Column("int64"),  # when that period began; 0 = not judged yet
        "amount": Column("int64", HOURS),  # micro-USD, tokens or requests; hour h at place h % HOURS
    }
    return Table(spec, page_rows=64)


def count_hours(hours: Hours, deltas: Deltas, rows: Ints, under: Under) -> None:
    """The rows of budgets with alerts by forecast are in their hours."""
    if not under.policies.forecast:
        return
    slot_of, unit_of = _places(hours, deltas, rows, under)
    slots = slot_of[deltas.key_of_row[rows]]
    rows, slots = rows[slots >= 0], slots[slots >= 0]
    if len(rows) == 0:
        return
    touched = np.unique(slots)
    hours.will_change(touched)
    hour = deltas.bucket[rows] // _HOUR_BUCKETS
    np.minimum.at(hours.columns["oldest"], slots, hour)
    before = hours.columns["newest"][touched]
    np.maximum.at(hours.columns["newest"], slots, hour)
    amount = hours.columns["amount"]
    for slot, since, upto in zip(
        touched.tolist(), before.tolist(), hours.columns["newest"][touched].tolist(), strict=True
    ):
        amount[slot, np.arange(max(since, upto - HOURS) + 1, upto + 1) % HOURS] = 0
    kept = hour > hours.columns["newest"][slots] - HOURS
    unit = unit_of[deltas.key_of_row[rows]]
    values = np.where(unit == 0, deltas.micro[rows], np.where(unit == 1, deltas.tokens[rows], deltas.requests[rows]))
    np.add.at(amount, (slots[kept], hour[kept] % HOURS), values[kept])


def _places(hours: Hours, deltas: Deltas, rows: Ints, under: Under) -> tuple[Ints, Ints]:
    """By key of the batch: the row of a budget with alerts by forecast (-1: none), and the number of its unit."""
    slots, units = np.full(len(deltas.keys), -1, np.int64), np.zeros(len(deltas.keys), np.int64)
    for place in np.unique(deltas.key_of_row[rows]).tolist():
        org, _, budget_id, member = deltas.keys[place]
        plan = under.policies.forecast.get((org, budget_id))
        if plan is not None and under.rated_under >= plan.matched_since:
            slots[place] = _slot(hours, (org, budget_id, member), now_us=under.closed_us)
            units[place] = unit_number(plan.budget.unit)
    return slots, units


def _slot(hours: Hours, key: tuple[str, str, str], *, now_us: int) -> int:
    known = hours.slots.get(key)
    if known is not None:
        return known
    slot = hours.slot(key)
    hours.columns["oldest"][slot] = _NEVER
    hours.columns["due_us"][slot] = next_due(key, now_us)
    return slot


def next_due(key: tuple[str, str, str], now_us: int) -> int:
    """The next moment after `now_us` at which this row is judged: once an hour, each at a second of its own."""
    own_us = crc32("\0".join(key).encode()) % HOUR_SEC * 1_000_000
    return (now_us - own_us) // HOUR_US * HOUR_US + HOUR_US + own_us


def history_of(hours: Hours, slot: int, plan: Plan, *, now_us: int) -> History | None:
    """What the row holds of the whole hours before `now_us`, in the budget's unit; None where that is no hour."""
    newest, last = int(hours.columns["newest"][slot]), now_us // HOUR_US
    first = max(int(hours.columns["oldest"][slot]), max(newest, last) - HOURS + 1)
    if first >= last:
        return None
    hour = np.arange(first, last)
    held = np.where(hour <= newest, hours.columns["amount"][slot, hour % HOURS], 0).astype(np.float64)
    amounts = held / _MICRO_PER_USD if plan.budget.unit == "usd" else held
    return History(start=instant(first * HOUR_US), bucket_sec=HOUR_SEC, amounts=amounts)


def forget_hours(hours: Hours, wanted: set[tuple[str, str]], *, floor_us: int) -> None:
    """Rows of budgets without alerts by forecast, and those without use in all of their hours, are gone."""
    oldest = floor_us // HOUR_US - HOURS
    newest = hours.column("newest")
    gone = [slot for key, slot in hours.slots.items() if key[:2] not in wanted or newest[slot] <= oldest]
    hours.remove(sorted(gone))
