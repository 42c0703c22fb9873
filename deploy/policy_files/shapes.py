"""What a key of a policy may hold in TOML, and its value as the policy model takes it."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_DECIMAL_TEXT = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_DURATION = re.compile(r"([0-9]{1,9})\s*(s|m|h|d)")
_UNIT_SEC = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class WrongShapeError(ValueError):
    """A value of another kind than its key takes; the message says what to write."""


def shown(value: object) -> str:
    """A value as it stands in a TOML file, at most 60 characters of it."""
    text = _toml(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _toml(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() and abs(value.adjusted()) < 40 else str(value)
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_toml(held)}' for key, held in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return value.isoformat() if isinstance(value, date) else json.dumps(value, ensure_ascii=True, default=str)


def duration_sec(value: object) -> int:
    """Seconds of a text like "90s", "15m", "48h" or "2d". Raises: WrongShapeError: it is none."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise WrongShapeError('write a whole number and s, m, h or d in quotes, like "48h"')
    return int(match[1]) * _UNIT_SEC[match[2]]


def duration(seconds: int) -> str:
    """A length of time as `duration_sec` reads it, in the largest unit up to hours that holds it."""
    unit = next(unit for unit in ("h", "m", "s") if seconds % _UNIT_SEC[unit] == 0)
    return f"{seconds // _UNIT_SEC[unit]}{unit}"


def shaped(value: object, annotation: Any) -> object:  # noqa: ANN401  a type is a value here
    """The value as the field of this annotation takes it. Raises: WrongShapeError: it is of another kind."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return shaped(value, arguments[0])
    if origin in {Union, UnionType}:
        return shaped(value, next(kind for kind in arguments if kind is not NoneType))
    if origin is Literal:
        return _text(value)
    if origin is tuple:
        if not isinstance(value, list):
            raise WrongShapeError("write a list in square brackets")
        return tuple(shaped(item, arguments[0]) for item in value)
    if origin is dict:
        example = {Decimal: "{ input = 2.5 }", int: "{ low = 2 }"}.get(_plain_type(arguments[1]), '{ team = "code" }')
        if not isinstance(value, Mapping):
            raise WrongShapeError(f"write a table, like {example}")
        return {key: shaped(item, arguments[1]) for key, item in value.items()}
    return _PLAIN[annotation](value)


def _plain_type(annotation: Any) -> Any:  # noqa: ANN401  a type is a value here
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise WrongShapeError("write text in quotes")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise WrongShapeError("write true or false, without quotes")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongShapeError("write a whole number, without quotes")
    return value


def _decimal(value: object) -> Decimal:
    if isinstance(value, str) and _DECIMAL_TEXT.fullmatch(value):
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise WrongShapeError("write a number like 1000 or 10.50")
    number = Decimal(value)
    if not number.is_finite():
        raise WrongShapeError("write a number like 1000 or 10.50; it must be finite")
    return number


def _moment(value: object) -> datetime:
    """A time as TOML writes it, or in quotes; a date is its midnight UTC."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise WrongShapeError("write a date like 2026-01-01, or a time with its offset like 2026-01-01T09:00:00+01:00")
    return value


def _day(value: object) -> date:
    """A date as TOML writes it, or in quotes."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, date) or isinstance(value, datetime):
        raise WrongShapeError("write a date like 2026-01-01")
    return value


def _ratio(value: object) -> float:
    return float(_decimal(value))


_PLAIN: dict[Any, Callable[[object], object]] = {
    str: _text,
    bool: _truth,
    int: _whole,
    float: _ratio,
    Decimal: _decimal,
    datetime: _moment,
    date: _day,
}
