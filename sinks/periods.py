"""Where the budget periods begin that an opening covers. Pure.

Laws
1. No interval between two starts holds instants of two periods of the budget: what is summed over one belongs to one.
2. All periods are covered that a live event can still fall into (49 h), and two whole ones before the open one.
"""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

Kind = Literal["hour", "day", "week", "month", "quarter", "year"]
KEPT_US = 49 * 3_600_000_000
"""Live means at most 48 h old when appended; an hour to spare."""
_QUARTER_US = 900_000_000
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=1024)
def period_starts(kind: Kind, zone: str, *, floor_us: int, lead_us: int) -> tuple[int, ...]:
    """Ascending starts, microseconds since 1970, when the log's clock stands between `floor_us` and `lead_us`.

    They are those of local hours (in quarters: every change of a clock is at a quarter of an hour of UTC), days, ISO
    weeks, months, quarters or years in the zone; the last one lies after `lead_us`.
    """
    if kind == "hour":
        first = (floor_us - KEPT_US) // _QUARTER_US
        return tuple(number * _QUARTER_US for number in range(first, lead_us // _QUARTER_US + 6))
    where = ZoneInfo(zone)
    open_day = _first(kind, _local(floor_us, where))
    kept_day = _first(kind, _local(floor_us - KEPT_US, where))
    day = min(kept_day, _before(kind, _before(kind, open_day)))
    starts = [_midnight_us(day, where)]
    while starts[-1] <= lead_us:
        day = _after(kind, day)
        starts.append(_midnight_us(day, where))
    return tuple(starts)


def start_of(starts: tuple[int, ...], at_us: int) -> int:
    """The start of the interval that holds the instant; the first one for what lies before all."""
    return starts[max(0, bisect_right(starts, at_us) - 1)]


def _local(at_us: int, where: ZoneInfo) -> date:
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(where).date()


def _first(kind: Kind, day: date) -> date:
    if kind == "week":
        return day - timedelta(days=day.weekday())
    months = _MONTHS.get(kind)
    return day.replace(month=(day.month - 1) // months * months + 1, day=1) if months else day


def _before(kind: Kind, first: date) -> date:
    return _first(kind, first - timedelta(days=1))


def _after(kind: Kind, first: date) -> date:
    days = {"day": 1, "week": 7}.get(kind, 31 * _MONTHS.get(kind, 1) + 1)
    return _first(kind, first + timedelta(days=days))


def _midnight_us(day: date, where: ZoneInfo) -> int:
    """The first instant of a local date; fold 0 is the first of two midnights and the end of a skipped one."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=where).astimezone(UTC)
    return (midnight - _EPOCH) // timedelta(microseconds=1)
