"""The content of a price book as bytes: what its version is a hash of, and what is kept so that it can be read again.

Laws
1. Two books that answer differently to any question have different bytes; comments and names are no part of them.
2. `providers_of(content_of(providers))` answers as `providers` does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, time
from decimal import Decimal
from functools import cache
from hashlib import blake2b
from typing import Any

import msgspec
from genai_prices import __version__ as genai_prices_version
from genai_prices import types
from genai_prices.types import ModelPrice, Provider

from schemas.errors import CorruptStateError
from streams.rating.price_corrections import CORRECTIONS
from streams.rating.price_regions import UPLIFTS
from streams.rating.price_units import FREE_UNITS

_NO_PRICES = frozenset(
    {"description", "price_comments", "extractors", "context_window", "deprecated", "name", "pricing_urls"}
)
_TYPES: dict[str, Callable[..., Any]] = {
    kind.__name__: kind
    for kind in (
        types.Provider, types.ModelInfo, types.ConditionalPrice, types.PriceVariant, types.StartDateConstraint,
        types.TimeOfDateConstraint, types.TieredPrices, types.Tier, types.ClauseStartsWith, types.ClauseEndsWith,
        types.ClauseContains, types.ClauseRegex, types.ClauseEquals, types.ClauseOr, types.ClauseAnd,
    )
}  # fmt: skip
_DATES: dict[str, Callable[[str], Any]] = {
    "start_date": date.fromisoformat,
    "start_time": time.fromisoformat,
    "end_time": time.fromisoformat,
}


def content_of(providers: Sequence[Provider]) -> bytes:
    """The prices of a book as JSON (law 1)."""
    return msgspec.json.encode(_plain(providers))


def providers_of(content: bytes) -> list[Provider]:
    """The providers that `content_of` wrote down. Raises: CorruptStateError: it wrote down no such thing."""
    try:
        found: list[Provider] = _built(msgspec.json.decode(content))
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptStateError(f"this is no price book: {error}") from error
    return found


def book_version(providers: Sequence[Provider]) -> str:
    """The name of a book: genai-prices' version for people, a hash of content and our own rules for machines."""
    digest = blake2b(content_of(providers), digest_size=6, key=_own_rules())
    return f"genai-prices/{genai_prices_version}:{digest.hexdigest()}"


@cache
def _own_rules() -> bytes:
    """16 bytes that stand for what we add to genai-prices: corrections, factors of places, free units."""
    uplifts = [
        (some.provider, some.models.pattern, some.field, some.places, some.factor, some.since) for some in UPLIFTS
    ]
    corrections = [(some.provider, some.models, some.rates, some.since) for some in CORRECTIONS]
    said = _plain([uplifts, corrections, sorted(FREE_UNITS)])
    return blake2b(msgspec.json.encode(said), digest_size=16).digest()


@cache
def _names_of(kind: Any) -> tuple[str, ...]:  # noqa: ANN401  any part of a book
    return tuple(some.name for some in fields(kind) if some.name not in _NO_PRICES)


def _plain(value: Any) -> Any:  # noqa: ANN401  any part of a book
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, ModelPrice):
        return {"_": "ModelPrice"} | {
            key: _plain(rate) for key, rate in sorted(value.__dict__.items()) if rate is not None
        }
    if is_dataclass(value) and not isinstance(value, type):
        said = {"_": type(value).__name__}
        for name in _names_of(type(value)):
            if (held := getattr(value, name)) is not None:
                said[name] = _plain(held)
        return said
    if isinstance(value, Mapping):
        return {"_": "dict"} | {key: _plain(held) for key, held in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [_plain(held) for held in value]
    if isinstance(value, Decimal):
        return {"_": "Decimal", "is": str(value)}
    return value.isoformat() if isinstance(value, date | time) else value


def _built(value: Any) -> Any:  # noqa: ANN401  any part of a book
    if isinstance(value, list):
        return [_built(held) for held in value]
    if not isinstance(value, dict):
        return value
    kind = value.pop("_")
    if kind == "Decimal":
        return Decimal(value["is"])
    held = {name: _DATES[name](part) if name in _DATES else _built(part) for name, part in value.items()}
    if kind == "dict":
        return held
    if kind == "ModelPrice":
        return ModelPrice(**held)
    if kind == "Provider":
        held |= {"name": held["id"]}
    return _TYPES[kind](**held)
