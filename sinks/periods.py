"""Where the budget periods begin that an opening covers. Pure.

Laws
1. No interval between two starts holds instants of two periods of the budget: what is summed over one belongs to one.
2. All periods are covered that a live event can still fall into (49 h), and two whole ones before the open one.
"""

from bisect import bisect_right
from functools import lru_cache

from schemas.periods import Calendar, days_before_us, midnight_us, period_in

KEPT_US = 49 * 3_600_000_000
"""Live means at most 48 h old when appended; an hour to spare."""
_QUARTER_US = 900_000_000


@lru_cache(maxsize=1024)
def period_starts(calendar: Calendar, *, floor_us: int, lead_us: int) -> tuple[int, ...]:
    """Ascending starts, microseconds since 1970, when the log's clock stands between `floor_us` and `lead_us`.

    They are those of the budget's periods (of rolling ones the days, of hours in quarters: every change of a clock is
    at a quarter of an hour of UTC), and its own first and last day; the last one lies after `lead_us`.
    """
    bounds = {midnight_us(day, calendar.zone) for day in (calendar.starts, calendar.ends) if day is not None}
    if calendar.kind == "once":
        return tuple(sorted({*bounds, max(*bounds, lead_us + _QUARTER_US)}))
    starts = _endless(calendar.endless(), floor_us=floor_us, lead_us=lead_us)
    return tuple(sorted({*starts, *(bound for bound in bounds if starts[0] < bound < starts[-1])}))


def _endless(calendar: Calendar, *, floor_us: int, lead_us: int) -> list[int]:
    if calendar.kind == "rolling":
        days = _endless(Calendar("day", calendar.zone), floor_us=floor_us, lead_us=lead_us)
        first_us = days_before_us(calendar.zone, days[0], calendar.days or 1)
        return [*_between(Calendar("day", calendar.zone), first_us, days[0]), *days]
    if calendar.kind == "hour":
        first = (floor_us - KEPT_US) // _QUARTER_US
        return [number * _QUARTER_US for number in range(first, lead_us // _QUARTER_US + 6)]
    two_before = _start(calendar, _start(calendar, _start(calendar, floor_us) - 1) - 1)
    starts = [min(_start(calendar, floor_us - KEPT_US), two_before)]
    while starts[-1] <= lead_us:
        starts.append(_end(calendar, starts[-1]))
    return starts


def _between(calendar: Calendar, first_us: int, end_us: int) -> list[int]:
    starts = []
    while first_us < end_us:
        starts.append(first_us)
        first_us = _end(calendar, first_us)
    return starts


def start_of(starts: tuple[int, ...], at_us: int) -> int:
    """The start of the interval that holds the instant; the first one for what lies before all."""
    return starts[max(0, bisect_right(starts, at_us) - 1)]


def _start(calendar: Calendar, at_us: int) -> int:
    period = period_in(calendar, at_us)
    return at_us if period is None else period.start_us


def _end(calendar: Calendar, at_us: int) -> int:
    period = period_in(calendar, at_us)
    return at_us + _QUARTER_US if period is None else period.end_us
