"""Anthropic's usage report for messages and its cost report: one bucket's results as figures.

Laws
1. Input is a sum: uncached, cache reads and cache writes stand beside each other.
2. Money is in cents, as decimal text. Priority tier is never in the cost report.
3. What a result does not say (null or absent) is None, never zero.
Source: https://platform.claude.com/docs/en/api/admin (usage_report/messages, cost_report).
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from producers.provider_reports.values import amount, count, model_of, wrong
from schemas.provider_usage import COST, Figure

_CENTS_PER_USD = Decimal(100)
_LIFETIMES = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


def bounds(bucket: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """[start, end) of a bucket. Raises: InputError: it has none."""
    found = [bucket.get(name) for name in ("starting_at", "ending_at")]
    try:
        start, end = (datetime.fromisoformat(str(one)) for one in found)
    except ValueError:
        raise wrong("starting_at and ending_at are RFC 3339 times", found) from None
    if start.tzinfo is None or end.tzinfo is None:
        raise wrong("starting_at and ending_at have an offset", found)
    try:
        return start.astimezone(UTC), end.astimezone(UTC)
    except OverflowError:
        raise wrong("starting_at and ending_at are times of our calendar", found) from None


def report_of(result: Mapping[str, Any]) -> str:
    """Which report a result is of."""
    if "amount" in result:
        return COST
    return "messages" if "uncached_input_tokens" in result or "output_tokens" in result else "of another kind"


def comparable(result: Mapping[str, Any]) -> bool:
    """Whether a result measures tokens or money."""
    return report_of(result) in {"messages", COST}


def figures(day: date, result: Mapping[str, Any]) -> Iterator[Figure]:
    """What one result says. Raises: InputError: an amount is none."""
    if report_of(result) == COST:
        yield _cost(day, result)
        return
    model = model_of(result)
    uncached, read = count(result, "uncached_input_tokens"), count(result, "cache_read_input_tokens")
    written = _written(result)
    yield Figure(day, model, "input_tokens", _sum([uncached, read, written]))
    yield Figure(day, model, "input_uncached_tokens", uncached)
    yield Figure(day, model, "input_cache_read_tokens", read)
    yield Figure(day, model, "input_cache_write_tokens", written)
    yield Figure(day, model, "output_tokens", count(result, "output_tokens"))


def _written(result: Mapping[str, Any]) -> Decimal | None:
    """Cache writes of every lifetime together; None where one of them is not said."""
    creation = result.get("cache_creation")
    if not isinstance(creation, dict):
        return count(result, "cache_creation_input_tokens")
    return _sum([count(creation, name) for name in sorted({*_LIFETIMES, *creation})])


def _sum(parts: list[Decimal | None]) -> Decimal | None:
    """The sum; None where a part is not said."""
    known = [one for one in parts if one is not None]
    return sum(known, Decimal(0)) if len(known) == len(parts) else None


def _cost(day: date, result: Mapping[str, Any]) -> Figure:
    if str(result.get("currency", "USD")).upper() != "USD":
        raise wrong("amounts are in USD", result.get("currency"))
    cents = amount(result.get("amount"), "amount")
    other = result.get("cost_type") not in (None, "tokens")
    item = result.get("description") or result.get("cost_type")
    model = str(item) if other else model_of(result)
    return Figure(day, model, "cost_usd", None if cents is None else cents / _CENTS_PER_USD)
