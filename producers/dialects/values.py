"""Values out of foreign JSON: counts, names, times and amounts, or the verdict that they are none. Pure.

Laws
1. What is missing or null is None, never zero.
2. A count that is no count ends the reading of its body (InvalidMessage); a label that is none is left out.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.errors import InvalidMessage, Reason
from schemas.usage import MAX_TOKENS

Json = Mapping[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ((10**11, 1_000_000), (10**14, 1_000))
"""Numbers below the first are seconds, below the second milliseconds; then come micro- and nanoseconds."""
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,99}")
_NAME = re.compile(r"[^\x00-\x1f]{1,256}")
NAME_LENGTH = 256
"""A name of the contract has at most so many characters."""
_MAX_USD = Decimal(10**6)


def within(holder: Any, *path: str) -> Any:  # noqa: ANN401  foreign JSON
    """What stands at the path; None where something on the way is missing or no object."""
    for name in path:
        if not isinstance(holder, dict):
            return None
        holder = holder.get(name)
    return holder


def count(holder: Json, *path: str) -> int | None:
    """The count at the path, None where it or what holds it is missing or null.

    Raises: InvalidMessage: what stands there is no count of tokens.
    """
    if len(path) == 1:
        held = holder.get(path[0])
        if held is None or (type(held) is int and 0 <= held <= MAX_TOKENS):  # nearly always
            return held
        return as_count(held, path[0])
    value: Any = holder
    for name in path:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise InvalidMessage(Reason.WRONG_TYPE, ".".join(path), f"what holds {'.'.join(path)} is no object")
        value = value.get(name)
    return as_count(value, ".".join(path))


def as_count(value: object, path: str) -> int | None:
    """The value as a count; whole floats and None pass.

    Raises: InvalidMessage: it is no count from 0 to 10**12.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or (isinstance(value, float) and value % 1 != 0):
        raise InvalidMessage(Reason.WRONG_TYPE, path, f"{path} is no count")
    if not 0 <= value <= MAX_TOKENS:
        raise InvalidMessage(Reason.OUT_OF_RANGE, path, f"{path} is not from 0 to {MAX_TOKENS}")
    return int(value)


def amount(value: object) -> float | None:
    """The value as an amount of billed units; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 10**15:
        return None
    return float(value)


def name(value: object) -> str | None:
    """The value as a name of the contract; None where it is none: empty, too long, not plain text."""
    if not isinstance(value, str):
        return None
    if value.isprintable():  # nearly every name; it has no control character then
        return value if 0 < len(value) <= NAME_LENGTH else None
    return value if _NAME.fullmatch(value) else None


def label(value: object) -> str | None:
    """A value of any scalar type as a name; None for objects, lists, null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return name(str(value)) if isinstance(value, int | float) else name(value)


def key_id(value: object) -> str | None:
    """The value as the identifier of a key; None where it looks like the secret itself."""
    text = name(value)
    return None if text is not None and text.startswith(("sk-", "sk_", "Bearer ", "AIza")) else text


def moment(value: object) -> datetime | None:
    """The time that a number since 1970 or an ISO text says; without an offset it is UTC. None where it says none."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if "T" in text or not (text.isascii() and text.replace(".", "", 1).isdigit()):
            return _iso(text)
        value = int(text) if text.isdigit() and len(text) < 20 else float(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**20:
        return None
    micros = next((value * factor for below, factor in _UNITS if value < below), None)
    if micros is None:
        micros = value if value < 10**17 else value // 1000
    try:
        return _EPOCH + timedelta(microseconds=round(micros))
    except OverflowError:
        return None


def _iso(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is UTC:
            return at
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def first_moment(holder: Json, names: Iterable[str]) -> datetime | None:
    """The first time that one of these fields says."""
    return next((at for field in names if (at := moment(holder.get(field))) is not None), None)


def as_millis(value: object) -> int | None:
    """The value as a duration in milliseconds; None where it is none."""
    known = amount(value)
    return None if known is None or known >= 2**31 else int(known)


def millis(start: datetime | None, end: datetime | None) -> int | None:
    """Whole milliseconds from start to end; None where one is unknown, or they are not in order."""
    if start is None or end is None or end < start:
        return None
    found = (end - start) // timedelta(milliseconds=1)
    return found if found < 2**31 else None


def usd_text(value: object) -> str | None:
    """An amount in USD as the contract writes it, to the pico-USD; None where it is none, negative or too large."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        amount = Decimal(str(value))
        if not (amount.is_finite() and 0 <= amount < _MAX_USD):
            return None
        text = f"{amount.quantize(Decimal('1e-12')):f}"
    except InvalidOperation:
        return None
    return text.rstrip("0").rstrip(".") if "." in text else text


def unknown_keys(holder: Json, known: frozenset[str], prefix: str = "") -> str | None:
    """The names of fields that this dialect does not know and that hold something, as one tag; None if none do."""
    found = [
        f"{prefix}{key}" for key, value in holder.items() if key not in known and value not in (None, 0, "", [], {})
    ]
    return ",".join(sorted(key if _KEY.fullmatch(key) else f"{prefix}?" for key in found))[:1024] or None


def known_fields(**fields: object) -> dict[str, Any]:
    """The fields that are known: those that are not None."""
    return {field: value for field, value in fields.items() if value is not None}
