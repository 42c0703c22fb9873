"""What prompt caches returned in a time, from the ledger and the prices of then; ready for JSON."""

from collections.abc import Mapping
from typing import Any

from deploy.bridging import PricesThen
from deploy.moments import in_utc
from deploy.store_client import streamed
from schemas.connection import ClickHouseSettings
from schemas.money import usd
from sinks.bridge_questions import Span, sums_between
from streams.bridge.caches import CacheReturn, CacheReturns

Json = dict[str, Any]


def cache_returns(
    settings: ClickHouseSettings, span: Span, filters: Mapping[str, str], prices: PricesThen
) -> list[Json]:
    """A line per provider and model, the greatest return first. Raises: StoreUnavailableError, QueryError."""
    found = CacheReturns(prices.steps, prices)
    asked = sums_between(span, filters, steps=prices.steps)
    with streamed(settings, asked.sql, asked.parameters) as rows:
        for row in rows:
            found.add(row | {"slot": in_utc(row["slot"])})
    return [{"provider": provider, "model": model, **told(line)} for (provider, model), line in found.lines().items()]


def told(line: CacheReturn) -> Json:
    """Its figures in USD, each rounded once; `return_to_paid_ratio` is null where writing cost nothing more."""
    paid = line.paid_pico_usd
    return {
        "read_tokens": line.read_tokens,
        "written_tokens": line.written_tokens,
        "unknown_tokens": line.unknown_tokens,
        "saved_usd": usd(round(line.saved_pico_usd)),
        "paid_usd": usd(round(paid)),
        "return_usd": usd(round(line.return_pico_usd)),
        "return_to_paid_ratio": round(float(line.return_pico_usd / paid), 4) if paid > 0 else None,
    }
