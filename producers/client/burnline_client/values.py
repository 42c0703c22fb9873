"""Names, amounts and times out of foreign JSON, or None where they are none. Pure.

Says again what the client needs of `producers/dialects/values.py`; the same contract test holds both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,99}")
_NAME = re.compile(r"[^\x00-\x1f]{1,256}")
_MAX_USD = Decimal(10**6)


def within(holder: Any, *path: str) -> Any:  # noqa: ANN401  foreign JSON
    """What stands at the path; None where something on the way is missing or no object."""
    for key in path:
        if not isinstance(holder, dict):
            return None
        holder = holder.get(key)
    return holder


def nested(value: object) -> dict[str, Any]:
    """The object itself; empty for anything else."""
    return value if isinstance(value, dict) else {}


def name(value: object) -> str | None:
    """The value as a name of the contract; None where it is none: empty, too long, not plain text."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def label(value: object) -> str | None:
    """A value of any scalar type as a name; None for objects, lists, null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return name(str(value)) if isinstance(value, (int, float)) else name(value)


def key_id(value: object) -> str | None:
    """The value as the identifier of a key; None where it looks like the secret itself."""
    text = name(value)
    return None if text is not None and text.startswith(("sk-", "sk_", "Bearer ", "AIza")) else text


def amount(value: object) -> float | None:
    """The value as an amount of billed units; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 10**15:
        return None
    return float(value)


def usd_text(value: object) -> str | None:
    """An amount in USD as the contract writes it, to the pico-USD; None where it is none, negative or too large."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = Decimal(str(value))
        if not (found.is_finite() and 0 <= found < _MAX_USD):
            return None
        text = f"{found.quantize(Decimal('1e-12')):f}"
    except InvalidOperation:
        return None
    return text.rstrip("0").rstrip(".") if "." in text else text


def moment_of(epoch_sec: object) -> datetime | None:
    """The time that seconds since 1970 say; None where they say none."""
    if isinstance(epoch_sec, bool) or not isinstance(epoch_sec, (int, float)) or not 0 < epoch_sec < 10**11:
        return None
    return datetime.fromtimestamp(epoch_sec, tz=timezone.utc)


def unknown_keys(holder: Mapping[str, Any], known: frozenset[str], prefix: str) -> str | None:
    """The names of fields that nobody here knows and that hold something, as one tag; None if none do."""
    found = [
        f"{prefix}{key}" for key, value in holder.items() if key not in known and value not in (None, 0, "", [], {})
    ]
    return ",".join(sorted(key if _KEY.fullmatch(key) else f"{prefix}?" for key in found))[:1024] or None


def known_fields(**fields: object) -> dict[str, Any]:
    """The fields that are known: those that are not None."""
    return {field: value for field, value in fields.items() if value is not None}
