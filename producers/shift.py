"""By how much a replay moves time, as text: `--shift 94608000s`. Pure."""

import re
from datetime import datetime, timedelta

from schemas.errors import InputError

_UNIT_SEC = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHIFT = re.compile(r"([+-]?)([0-9]{1,12})(?:\.([0-9]{1,6}))?([smhd])")


def parse_shift(text: str) -> timedelta:
    """The shift that a text like `94608000s`, `-1.5h` or `30d` says, to the microsecond.

    Raises: InputError: it is no such text.
    """
    match = _SHIFT.fullmatch(text.strip())
    if match is None:
        raise InputError(f"--shift {text!r}: write a number and a unit, s, m, h or d, like 94608000s or -2h")
    sign, whole, fraction, unit = match.groups()
    micros = int(whole + (fraction or "").ljust(6, "0")) * _UNIT_SEC[unit]
    try:
        return timedelta(microseconds=-micros if sign == "-" else micros)
    except OverflowError:
        raise InputError(f"--shift {text!r}: too far") from None


def shift_text(shift: timedelta) -> str:
    """The text that `parse_shift` reads back as this shift."""
    micros = shift // timedelta(microseconds=1)
    seconds, rest = divmod(abs(micros), 1_000_000)
    fraction = f".{rest:06}".rstrip("0") if rest else ""
    return f"{'-' if micros < 0 else ''}{seconds}{fraction}s"


def shift_to_now(last: datetime, *, now: datetime) -> timedelta:
    """The whole seconds that move `last` to `now`, or to less than a second before it."""
    return timedelta(seconds=(now - last) // timedelta(seconds=1))
