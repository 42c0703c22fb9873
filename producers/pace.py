"""How fast a replay goes: as fast as it can, or a multiple of the pace of its own events. Pure."""

import re
from datetime import datetime

from schemas.errors import InputError

_SPEED = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)x")


def parse_speed(text: str) -> float | None:
    """The factor of `60x`; None for `max`.

    Raises: InputError: it is neither, or zero.
    """
    match = _SPEED.fullmatch(text)
    if text == "max":
        return None
    if match is None or float(match.group(1)) == 0:
        raise InputError(f"--speed {text!r}: write max, 1x, or another multiple like 60x")
    return float(match.group(1))


def due_sec(at: datetime, *, first: datetime, speed: float | None) -> float:
    """How many seconds after the first event an event of time `at` is sent; never negative."""
    return 0.0 if speed is None else max(0.0, (at - first).total_seconds() / speed)
