"""The ledger as FOCUS rows: per hour, dimensions and token class one row. Pure.

Laws
1. The sums of BilledCost, EffectiveCost and ContractedCost are those of `cost_usd`, and of ListCost that of
   `list_cost_usd`, exactly; the sums of ConsumedQuantity are those of the token columns.
2. Each class has the price that it was charged at (x_CostAllocation Leaf Prices), or, where the prices known now do
   not add up to what the ledger says, its share in proportion (Proportional).
3. A row's unit price is one: calls of one hour at two prices are two rows.
4. Amounts of units and unit prices have at most 12 places, whatever a float holds; a unit price that fits no column is
   empty.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, NamedTuple

from schemas.money import pico_usd, plain, usd
from schemas.usage import LEAVES
from sinks.focus_columns import NAMES
from sinks.focus_split import shares, weights_of
from sinks.queries import Query

_PER_MILLION = Decimal(1_000_000)
_SCALE = Decimal("1E-12")
_EXACT = Context(prec=400, rounding=ROUND_HALF_EVEN)
_MOST = Decimal(10) ** 26
"""A unit price from here on fits no decimal(38, 12)."""
DIMENSIONS = (
    "org", "business_unit", "cost_center", "team", "project", "use_case", "environment", "user", "agent", "credential",
    "provider", "model", "service_tier", "region", "pricing_status", "price_book_version",
)  # fmt: skip
TAGS = ("business_unit", "cost_center", "project", "use_case", "environment")
PRICED_BY = ("ts", "inference_region", "gateway_cache_hit", "units", *LEAVES)
REQUESTS = "requests"
_METERS: Mapping[str, tuple[str, str, str | None]] = {
    "input_uncached_tokens": ("Input Tokens", "Input", "Uncached"),
    "input_cache_read_tokens": ("Cache Read Input Tokens", "Input", "Read"),
    **{
        f"input_cache_write_{lifetime}_tokens": ("Cache Write Input Tokens", "Input", "Write")
        for lifetime in ("5m", "30m", "1h", "12h", "other")
    },
    "input_audio_tokens": ("Audio Input Tokens", "Input", "Uncached"),
    "input_image_tokens": ("Image Input Tokens", "Input", "Uncached"),
    "output_text_tokens": ("Output Tokens", "Output", None),
    "output_reasoning_tokens": ("Reasoning Output Tokens", "Output", None),
    "output_audio_tokens": ("Audio Output Tokens", "Output", None),
    "output_image_tokens": ("Image Output Tokens", "Output", None),
}
"""Of each leaf: SkuMeter, and the drafts' TokenDirection and TokenCacheAction."""


class Priced(NamedTuple):
    """What the prices known now say of an event: by part its list rate (USD per million) and its cost in pico-USD."""

    rates: Mapping[str, Decimal | None]
    costs: Mapping[str, int | None]


class _Key(NamedTuple):
    hour: datetime
    dimensions: tuple[str, ...]
    part: str
    rate: Decimal | None
    by_leaf: bool


@dataclass(slots=True)
class _Sums:
    quantity: Decimal = Decimal(0)
    cost_pico_usd: int = 0
    list_pico_usd: int = 0


def hours_between(*, since: datetime, until: datetime) -> Query:
    """The hours of [since, until) in which there was anything, in order: `t`."""
    sql = (
        "SELECT DISTINCT toStartOfHour(v.t) AS t FROM usage_15m AS v"
        " WHERE v.t >= toStartOfHour({since:DateTime64(6, 'UTC')}) AND v.t < {until:DateTime64(6, 'UTC')} ORDER BY t"
    )
    return Query(sql, {"since": since, "until": until})


def events_between(*, since: datetime, until: datetime) -> Query:
    """The events of [since, until) with what their FOCUS rows are made of, in no order."""
    columns = ", ".join(f"v.{name}" for name in (*DIMENSIONS, *PRICED_BY, "cost_usd", "list_cost_usd"))
    sql = (
        f"SELECT {columns} FROM usage_events AS v"  # noqa: S608  names of this file
        " WHERE v.ts >= {since:DateTime64(6, 'UTC')} AND v.ts < {until:DateTime64(6, 'UTC')}"
    )
    return Query(sql, {"since": since, "until": until})


class FocusRows:
    """The rows of the events added so far; one for each hour, combination of dimensions, part and unit price."""

    def __init__(self) -> None:
        self.events = 0
        self.unpriced = 0
        self._sums: dict[_Key, _Sums] = {}

    def add(self, event: Mapping[str, Any], priced: Priced) -> None:
        """The event is part of the rows. `ts` is aware; '' is a missing name, None a missing number."""
        self.events += 1
        self.unpriced += event["cost_usd"] is None
        counts = _counts(event) | ({REQUESTS: Decimal(1)} if priced.costs.get(REQUESTS) else {})
        if not counts and not event["cost_usd"] and not event["list_cost_usd"]:
            return
        parts = counts or {REQUESTS: Decimal(1)}
        wholes = {name: int(count * _PER_MILLION) for name, count in parts.items()}
        weights, are_prices = weights_of(priced.costs, wholes)
        cost, listed = (_pico(event[name]) for name in ("cost_usd", "list_cost_usd"))
        known = are_prices and sum(weights) == listed
        costs, lists = shares(cost, weights), shares(listed, weights)
        hour = event["ts"].astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        dimensions = tuple(str(event[name] or "") for name in DIMENSIONS)
        for (part, count), cost_share, list_share in zip(parts.items(), costs, lists, strict=True):
            key = _Key(hour, dimensions, part, priced.rates.get(part) if known else None, known and cost == listed)
            sums = self._sums.setdefault(key, _Sums())
            sums.quantity = _EXACT.add(sums.quantity, count)
            sums.cost_pico_usd += cost_share
            sums.list_pico_usd += list_share

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows in a stable order, by the names of `focus_columns.COLUMNS`."""
        for key in sorted(self._sums, key=lambda key: (key.hour, key.dimensions, key.part, key.rate or 0, key.by_leaf)):
            yield _row(key, self._sums[key])


def _counts(event: Mapping[str, Any]) -> dict[str, Decimal]:
    """What was used of each part: tokens by leaf, then units."""
    leaves = {name: Decimal(event[name]) for name in LEAVES if event[name]}
    units = {str(name): Decimal(str(count)) for name, count in dict(event["units"] or {}).items() if count}
    return leaves | units


def _pico(amount: Decimal | None) -> int:
    return 0 if amount is None else pico_usd(amount)


def _row(key: _Key, sums: _Sums) -> dict[str, Any]:
    said = dict(zip(DIMENSIONS, key.dimensions, strict=True))
    meter, direction, action = _METERS.get(key.part, ("Requests" if key.part == REQUESTS else key.part, None, None))
    tokens, tier = key.part in _METERS, said["service_tier"] or "standard"
    quantity = sums.quantity / _PER_MILLION if tokens else sums.quantity
    consumed = sums.quantity.quantize(_SCALE, context=_EXACT)
    cost, listed = usd(sums.cost_pico_usd), usd(sums.list_pico_usd)
    has_price = not said["pricing_status"].startswith("unpriced")
    has_list = has_price and (listed > 0 or cost == 0)
    list_price = _unit_price(listed, quantity, key.rate if tokens else None) if has_list else None
    paid_price = list_price if cost == listed else _unit_price(cost, quantity, None) if has_price else None
    sku = f"{said['provider']}/{said['model']}/{key.part}"
    details = {
        "x_TokenDirection": direction,
        "x_TokenCacheAction": action,
        "x_ModelId": said["model"],
        "x_ServiceTier": tier,
    }
    unit = "Tokens" if tokens else meter
    start = key.hour.replace(day=1, hour=0)
    found: dict[str, Any] = dict.fromkeys(NAMES)
    found |= {
        "BilledCost": cost, "ContractedCost": cost, "EffectiveCost": cost, "ListCost": listed,
        "BillingAccountId": said["org"], "BillingAccountName": said["org"], "BillingAccountType": "Organization",
        "BillingCurrency": "USD", "BillingPeriodStart": start, "BillingPeriodEnd": _next_month(start),
        "ChargeCategory": "Usage", "ChargeDescription": f"{said['model']}: {meter}", "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": key.hour, "ChargePeriodEnd": key.hour + timedelta(hours=1),
        "ConsumedQuantity": consumed, "ConsumedUnit": unit,
        "PricingQuantity": quantity if tokens else consumed, "PricingUnit": "1000000 Tokens" if tokens else unit,
        "PricingCategory": "Standard",
        "ListUnitPrice": list_price, "ContractedUnitPrice": paid_price, "PricingCurrency": "USD",
        "PricingCurrencyListUnitPrice": list_price, "PricingCurrencyContractedUnitPrice": paid_price,
        "PricingCurrencyEffectiveCost": cost,
        "InvoiceIssuerName": said["provider"], "ProviderName": said["provider"], "PublisherName": said["provider"],
        "RegionId": said["region"] or None, "RegionName": said["region"] or None,
        "ServiceCategory": "AI and Machine Learning", "ServiceSubcategory": "Generative AI",
        "ServiceName": said["provider"], "SkuId": sku, "SkuMeter": meter, "SkuPriceId": f"{sku}/{tier}",
        "SkuPriceDetails": _json({name: value for name, value in details.items() if value}),
        "SubAccountId": said["team"] or None, "SubAccountName": said["team"] or None,
        "SubAccountType": "Team" if said["team"] else None,
        "Tags": _json({name: said[name] for name in TAGS if said[name]}),
        "x_ConsumerId": said["user"] or None, "x_CredentialId": said["credential"] or None,
        "x_PrincipalId": said["agent"] or None, "x_PricingStatus": said["pricing_status"],
        "x_PriceBookVersion": said["price_book_version"],
        "x_CostAllocation": "Leaf Prices" if key.by_leaf else "Proportional",
    }  # fmt: skip
    return found


def _unit_price(cost: Decimal, quantity: Decimal, rate: Decimal | None) -> Decimal | None:
    """What one pricing unit cost: the rate where it is known, else what follows from cost and quantity."""
    price = rate if rate is not None else _EXACT.divide(cost, quantity) if quantity else None
    return None if price is None or price >= _MOST else price.quantize(_SCALE, context=_EXACT)


def _next_month(first: datetime) -> datetime:
    return (first + timedelta(days=32)).replace(day=1)


def _json(value: Mapping[str, str]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def cell(value: object) -> str | None:
    """A value as FOCUS writes it: times with a `Z` and whole seconds, decimals without exponent; None stays."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return plain(value) if isinstance(value, Decimal) else None if value is None else str(value)


def totals(rows: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
    """The sums of what adds up in rows: costs and consumed tokens."""
    sums = dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "Tokens"), Decimal(0))
    for row in rows:
        for name in ("BilledCost", "EffectiveCost", "ListCost"):
            sums[name] += row[name]
        sums["Tokens"] += row["ConsumedQuantity"] if row["ConsumedUnit"] == "Tokens" else 0
    return sums
