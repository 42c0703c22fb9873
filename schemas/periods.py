"""Budget periods in a time zone: hours, days, weeks, months, quarters, years, from an anchor; and terms of one's own.

Laws
1. Periods of a kind follow each other without gap or overlap, through every change of the clocks.
2. A day begins at its first local midnight, or where that is skipped, at the change that skips it.
3. An hour ends at a change of the clocks by less than an hour, so that it never holds an instant twice.
4. An anchor moves where weeks, months, quarters and years begin. A day that a month does not have is its last one.
5. A rolling period has no end: its days are counted by whoever asks.
6. Of a budget that begins or ends within a period only what lies between its two days is a period.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

BUCKET_US = 10_000_000
"""Deltas are summed in buckets of 10 s of event time; every budget period of every time zone begins on one."""

Kind = Literal["hour", "day", "week", "month", "quarter", "year", "once", "rolling"]
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_HOUR_SEC = 3600
FOREVER_US = 2**61
"""The end of what has none."""
_DAY_SEC = 86_400


@dataclass(frozen=True, slots=True)
class Period:
    """[start, end) in microseconds since 1970; `nominal_sec` counts whole days of 24 h, whatever the clocks did.

    `whole_sec` is the same of the period that this one would be if no budget began or ended within it.
    """

    start_us: int
    end_us: int
    nominal_sec: int
    whole_sec: int


class Calendar(NamedTuple):
    """How the periods of a budget follow each other. `starts`: its first day; `ends`: the day after its last."""

    kind: Kind
    zone: str
    anchor: str | None = None
    starts: date | None = None
    ends: date | None = None
    days: int | None = None  # of rolling ones: how many days, today among them

    def endless(self) -> "Calendar":
        """The same periods without a first and a last one."""
        return self._replace(starts=None, ends=None)


def instant(at_us: int) -> datetime:
    """The aware UTC time of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at_us)


def micros(at: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def period_of(at_us: int, kind: Kind, zone: str, anchor: str | None = None) -> Period:
    """The period that holds the instant, of a budget without a first or last day."""
    found = period_in(Calendar(kind, zone, anchor), at_us)
    if found is None:
        raise ValueError(f"a period of kind {kind} has no first day")
    return found


@lru_cache(maxsize=16_384)
def period_in(calendar: Calendar, at_us: int) -> Period | None:
    """The period that holds the instant; None before the first and after the last one."""
    where = ZoneInfo(calendar.zone)
    local = instant(at_us).astimezone(where)
    day = local.date()
    if (calendar.starts and day < calendar.starts) or (calendar.ends and day >= calendar.ends):
        return None
    if calendar.kind == "rolling":
        nominal_sec = (calendar.days or 1) * _DAY_SEC
        return Period(0, FOREVER_US, nominal_sec, nominal_sec)
    if calendar.kind == "hour":
        return _hour(at_us, local, where)
    first, last = _days(calendar, day)
    begins, ends = max(first, calendar.starts or first), min(last, calendar.ends or last)
    days, whole = (ends - begins).days, (last - first).days
    return Period(
        midnight_us(begins, calendar.zone), midnight_us(ends, calendar.zone), days * _DAY_SEC, whole * _DAY_SEC
    )


def day_in(zone: str, at_us: int) -> Period:
    """The local day that holds the instant."""
    return period_of(at_us, "day", zone)


def days_before_us(zone: str, at_us: int, days: int) -> int:
    """When the local day began that lies so many days before the one that holds the instant."""
    return midnight_us(instant(at_us).astimezone(ZoneInfo(zone)).date() - timedelta(days=days), zone)


def midnight_us(day: date, zone: str) -> int:
    """The first instant of a local date; fold 0 is the first of two midnights and the end of a skipped one."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return micros(midnight)


def _days(calendar: Calendar, day: date) -> tuple[date, date]:
    """The first day of the period that holds a day, and the first one after it."""
    kind, anchor = calendar.kind, calendar.anchor
    if kind == "once":
        return calendar.starts or day, calendar.ends or day + timedelta(days=1)
    if kind == "day":
        return day, day + timedelta(days=1)
    if kind == "week":
        first = day - timedelta(days=(day.weekday() - (WEEKDAYS.index(anchor) if anchor else 0)) % 7)
        return first, first + timedelta(days=7)
    months = _MONTHS[kind]
    month, of_month = anchored(kind, anchor)
    number = (day.year * 12 + day.month - month) // months
    if day < _first_day(number * months + month - 1, of_month):
        number -= 1
    first, last = (_first_day(at * months + month - 1, of_month) for at in (number, number + 1))
    return first, last


def anchored(kind: Kind, anchor: str | None) -> tuple[int, int]:
    """The month (1 to 12; 1 for months) and day at which periods of months begin. Raises: ValueError: no such day."""
    if anchor is None:
        return 1, 1
    written, _, day = anchor.rpartition("-")
    month, of_month = int(written or 1), int(day)
    longest = monthrange(2024, month)[1] if 1 <= month <= 12 else 0  # of a leap year
    if bool(written) == (kind == "month") or not 1 <= of_month <= longest:
        raise ValueError(f"{anchor!r} is no day of a {kind}")
    return month, of_month


def _first_day(months_since_0: int, of_month: int) -> date:
    year, month = divmod(months_since_0, 12)
    return date(year, month + 1, min(of_month, monthrange(year, month + 1)[1]))


def _hour(at_us: int, local: datetime, where: ZoneInfo) -> Period:
    into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    start_us = at_us - into // timedelta(microseconds=1)
    end_us = start_us + _HOUR_SEC * 1_000_000
    offset = local.utcoffset()
    if _offset_at(start_us, where) != offset:
        start_us = max(start_us, _change_us(start_us, at_us, where))
    if _offset_at(end_us - 1, where) != offset:
        end_us = min(end_us, _change_us(at_us, end_us, where))
    return Period(start_us, end_us, _HOUR_SEC, _HOUR_SEC)


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
