"""OpenAI's organization usage and costs: one bucket's results as figures.

Laws
1. `input_tokens` has everything in it; cached and cache-write tokens are parts of it.
2. What a result does not say (null or absent) is None, never zero: then the uncached part is not known either.
Source: https://platform.openai.com/docs/api-reference/usage, and the response types of the `openai` Python package.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from producers.provider_reports.values import amount, count, model_of, wrong
from schemas.provider_usage import COST, Figure

_TOKENS = frozenset(f"organization.usage.{name}.result" for name in ("completions", "embeddings", "moderations"))
_COSTS = "organization.costs.result"


def bounds(bucket: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """[start, end) of a bucket. Raises: InputError: it has none."""
    found = [bucket.get(name) for name in ("start_time", "end_time")]
    if not all(isinstance(one, int) and not isinstance(one, bool) for one in found):
        raise wrong("start_time and end_time are seconds since 1970", found)
    try:
        start, end = (datetime.fromtimestamp(int(str(one)), UTC) for one in found)
    except (ValueError, OverflowError, OSError):
        raise wrong("start_time and end_time are seconds of our calendar", found) from None
    return start, end


def report_of(result: Mapping[str, Any]) -> str:
    """Which report a result is of; each kind of usage has its own."""
    kind = result.get("object")
    return COST if kind == _COSTS else str(kind)


def comparable(result: Mapping[str, Any]) -> bool:
    """Whether a result measures tokens or money, and not images, characters or seconds."""
    return report_of(result) in {*_TOKENS, COST}


def figures(day: date, result: Mapping[str, Any]) -> Iterator[Figure]:
    """What one result says. Raises: InputError: an amount is none."""
    if report_of(result) == COST:
        yield _cost(day, result)
        return
    model = model_of(result)
    total, read = count(result, "input_tokens"), count(result, "input_cached_tokens")
    written, uncached = count(result, "input_cache_write_tokens"), count(result, "input_uncached_tokens")
    if uncached is None and total is not None and read is not None and written is not None:
        uncached = total - read - written
    completions = result.get("object") == "organization.usage.completions.result"
    yield Figure(day, model, "input_tokens", total)
    if completions:
        yield Figure(day, model, "input_uncached_tokens", uncached)
        yield Figure(day, model, "input_cache_read_tokens", read)
        yield Figure(day, model, "input_cache_write_tokens", written)
        yield Figure(day, model, "output_tokens", count(result, "output_tokens"))
    yield Figure(day, model, "requests", count(result, "num_model_requests"))


def _cost(day: date, result: Mapping[str, Any]) -> Figure:
    """Money of a line item like "gpt-4o-2024-08-06, input" counts for its model; of any other, for the item itself."""
    money = result.get("amount")
    if money is None:
        return Figure(day, _model(result), "cost_usd", None)
    if not isinstance(money, dict) or str(money.get("currency", "usd")).lower() != "usd":
        raise wrong("amounts are in usd", money)
    value: Decimal | None = amount(money.get("value"), "amount.value")
    return Figure(day, _model(result), "cost_usd", value)


def _model(result: Mapping[str, Any]) -> str | None:
    item = result.get("line_item")
    return None if item is None else str(item).rpartition(", ")[0] or str(item)
