"""Points in time as people write them on a command line: a date, a time, or how long ago."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from schemas.errors import InputError

_AGO = re.compile(r"([0-9]{1,6})(s|m|h|d|w)")
_UNIT_SEC = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def moment(text: str, *, now: datetime, zone: ZoneInfo | None = None, flag: str = "--since") -> datetime:
    """The moment in UTC of `24h` (that long before `now`), `2026-11-22` (midnight in `zone`) or an RFC 3339 time.

    Raises: InputError: it is none of them; the message names the flag.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now - timedelta(seconds=int(ago[1]) * _UNIT_SEC[ago[2]])
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{flag} {text}: write 24h, 7d, a date like 2026-11-22, or 2026-11-22T09:00:00Z") from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=zone or UTC)).astimezone(UTC)


def in_utc(at: datetime) -> datetime:
    """The time in UTC; a plain one is UTC already: so ClickHouse's driver gives columns of UTC."""
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
