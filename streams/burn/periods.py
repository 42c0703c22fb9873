"""Budget periods in a time zone: hours, days, ISO weeks, months, quarters, years; every instant in exactly one.

Laws
1. Periods of a kind follow each other without gap or overlap, through every change of the clocks.
2. A day begins at its first local midnight, or where that is skipped, at the change that skips it.
3. An hour ends at a change of the clocks by less than an hour, so that it never holds an instant twice.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from schemas.internal import BUCKET_US

Kind = Literal["hour", "day", "week", "month", "quarter", "year"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_HOUR_SEC = 3600
_DAY_SEC = 86_400


@dataclass(frozen=True, slots=True)
class Period:
    """[start, end) in microseconds since 1970; `nominal_sec` counts whole days of 24 h, whatever the clocks did."""

    start_us: int
    end_us: int
    nominal_sec: int


def instant(at_us: int) -> datetime:
    """The aware UTC time of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at_us)


@lru_cache(maxsize=16_384)
def period_of(at_us: int, kind: Kind, zone: str) -> Period:
    """The period that holds the instant."""
    where = ZoneInfo(zone)
    local = instant(at_us).astimezone(where)
    if kind == "hour":
        return _hour(at_us, local, where)
    day = local.date()
    if kind == "day":
        first, last, days = day, day + timedelta(days=1), 1
    elif kind == "week":
        first = day - timedelta(days=day.weekday())
        last, days = first + timedelta(days=7), 7
    else:
        months = _MONTHS[kind]
        first = day.replace(month=(day.month - 1) // months * months + 1, day=1)
        last = (first + timedelta(days=31 * months)).replace(day=1)
        days = (last - first).days
    return Period(_midnight_us(first, where), _midnight_us(last, where), days * _DAY_SEC)


def _midnight_us(day: date, where: ZoneInfo) -> int:
    """The first instant of a local date; fold 0 is the first of two midnights and the end of a skipped one."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=where).astimezone(UTC)
    return _us(midnight)


def _hour(at_us: int, local: datetime, where: ZoneInfo) -> Period:
    into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    start_us = at_us - into // timedelta(microseconds=1)
    end_us = start_us + _HOUR_SEC * 1_000_000
    offset = local.utcoffset()
    if _offset_at(start_us, where) != offset:
        start_us = max(start_us, _change_us(start_us, at_us, where))
    if _offset_at(end_us - 1, where) != offset:
        end_us = min(end_us, _change_us(at_us, end_us, where))
    return Period(start_us, end_us, _HOUR_SEC)


def _offset_at(at_us: int, where: ZoneInfo) -> timedelta | None:
    return instant(at_us).astimezone(where).utcoffset()


def _change_us(low_us: int, high_us: int, where: ZoneInfo) -> int:
    """The first instant, on the grid of 10 s, after which the offset is that at the end; by halving."""
    low, high = low_us // BUCKET_US, -(-high_us // BUCKET_US)
    before = _offset_at(low_us, where)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_at(middle * BUCKET_US, where) == before:
            low = middle
        else:
            high = middle
    return high * BUCKET_US


def _us(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
