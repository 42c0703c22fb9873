"""Instants as microseconds since 1970, and the budget periods that hold them, computed apart from the product. Pure."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE_US = 60_000_000


def instant(at_us: int) -> datetime:
    """The aware UTC time."""
    return _EPOCH + timedelta(microseconds=at_us)


def micros(at: datetime) -> int:
    """The microseconds since 1970 of an aware time."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def rfc3339(at_us: int) -> str:
    """The time as our JSON writes it."""
    return instant(at_us).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def period_of(at_us: int, kind: str, zone: str) -> tuple[int, int]:
    """[start, end) of the hour, day, ISO week or month of a time zone without changes of its clocks."""
    local = instant(at_us).astimezone(ZoneInfo(zone))
    start = local.replace(minute=0, second=0, microsecond=0)
    if kind == "hour":
        return micros(start), micros(start + timedelta(hours=1))
    start = start.replace(hour=0)
    if kind == "day":
        end = start + timedelta(days=1)
    elif kind == "week":
        start -= timedelta(days=start.weekday())
        end = start + timedelta(days=7)
    else:
        start = start.replace(day=1)
        end = (start + timedelta(days=32)).replace(day=1)
    return micros(start), micros(end)
