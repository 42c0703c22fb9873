"""Where each rate of a call comes from, and how long it holds: what `burnline price` explains. Pure.

The rates themselves are those that rating charges (`price_rules.Prices`); this module only says why they are so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time

from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from schemas.money import plain
from schemas.prices import OVERRIDE_LEAVES, DatedPriceRule, Discount, PriceOverride
from streams.rating.price_rules import Prices, Question, Quote
from streams.rating.price_units import FREE_UNITS, UNIT_RATE_KEYS
from streams.rating.prices import PARTS, RATE_KEYS, Priced


@dataclass(frozen=True)
class Source:
    """Who says what something costs; `valid_from` and `valid_until` (exclusive) are None where nobody named an end."""

    says: str
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    url: str | None = None


_UNKNOWN = Source("nobody that we know of has a price for this")


def sources_of(prices: Prices, asked: Question, *, input_tokens: int, units: Iterator[str]) -> dict[str, Source]:
    """For each part of a call (leaves, `requests`, and these units), the source of its rate."""
    quote = prices.quote(asked)
    priced = _priced(prices, asked)
    listed = {} if priced is None else _listed(priced, input_tokens)
    found = {part: _ruled(quote, part, listed.get(part, _UNKNOWN)) for part in PARTS}
    for unit in units:
        source = _UNKNOWN if priced is None else _of_unit(priced, unit)
        found[unit] = _ruled(quote, unit, source)
    return found


def notes_of(prices: Prices, asked: Question) -> list[str]:
    """What else a person should know of the price of a call."""
    quote = prices.quote(asked)
    notes = []
    if quote.effective is not None and quote.effective.estimated:
        notes.append(f"tier {asked.tier!r} has no price of its own here: the standard price is an assumption")
    priced = _priced(prices, asked)
    if priced is None:
        notes.append(f"no list price for {asked.provider} {asked.model}; say one with [[price_override]]")
    elif priced.uplift is not None:
        notes.append(f"{priced.uplift.field} costs {plain(priced.uplift.factor)} times as much: {priced.uplift.source}")
    return notes


def _priced(prices: Prices, asked: Question) -> Priced | None:
    return prices.book.priced(
        asked.provider,
        asked.model,
        asked.tier,
        asked.slot,
        inference_region=asked.inference_region,
        region=asked.region,
    )


def _ruled(quote: Quote, part: str, listed: Source) -> Source:
    """The source under the rule that the organisation has for the call."""
    rule = quote.rule
    if not isinstance(rule, DatedPriceRule):
        return listed
    named = f"{rule.kind} {rule.id} of {rule.org}"
    if isinstance(rule, PriceOverride):
        own = _names(rule, part)
        return Source(f"{named} ({own})", rule.valid_from, rule.valid_until) if own else listed
    if isinstance(rule, Discount) and listed is not _UNKNOWN:
        said = f"{named}: {plain(rule.percent)} % off {listed.says}"
        since = max((at for at in (rule.valid_from, listed.valid_from) if at is not None), default=None)
        until = min((at for at in (rule.valid_until, listed.valid_until) if at is not None), default=None)
        return Source(said, since, until, listed.url)
    return listed


def _names(rule: PriceOverride, part: str) -> str | None:
    """By which of its names an override prices a part; None where it does not."""
    if part == "requests":
        return "usd_per_request" if rule.usd_per_request is not None else None
    if part in rule.usd_per_unit:
        return f"usd_per_unit.{part}"
    names = [name for name, leaves in OVERRIDE_LEAVES.items() if part in leaves and name in rule.usd_per_mtok]
    return f"usd_per_mtok.{names[-1]}" if names else None


def _listed(priced: Priced, input_tokens: int) -> dict[str, Source]:
    price = priced.price
    keys = RATE_KEYS | {"requests": ("requests_kcount",)}
    found = {}
    for part, candidates in keys.items():
        key = next((key for key in candidates if getattr(price, key) is not None), None)
        if key is not None:
            found[part] = _source(priced, price, key, input_tokens, is_token=part != "requests")
    return found


def _of_unit(priced: Priced, unit: str) -> Source:
    price = priced.price
    for key, _ in UNIT_RATE_KEYS.get(unit, ()):
        if getattr(price, key) is not None:
            return _source(priced, price, key, 0, is_token=False)
    url = FREE_UNITS.get((priced.owner.id, unit))
    return _UNKNOWN if url is None else Source("costs nothing beside its tokens", url=url)


def _source(priced: Priced, price: ModelPrice, key: str, input_tokens: int, *, is_token: bool) -> Source:
    said = [f"genai-prices {priced.owner.id}/{priced.info.id} {key}"]
    rate = getattr(price, key)
    since, until = _validity(priced.info, priced.at)
    url = next(iter(priced.owner.pricing_urls or ()), None)
    for some in priced.corrections:
        if key in dict(some.rates) and getattr(priced.info.get_prices(priced.at, priced.context), key) is None:
            said, url = [f"correction {priced.owner.id}/{priced.info.id} {key}: {some.why}"], some.source
            since, until = datetime.combine(some.since, time(), UTC), None
    if priced.context is not None and rate != getattr(priced.info.get_prices(priced.at), key):
        said.append(" ".join(sorted(set(priced.context.values()))))
    said.extend(_hours(priced))
    if isinstance(rate, TieredPrices):
        reached = [tier.start for tier in rate.tiers if input_tokens > tier.start]
        said.append(f"above {reached[-1]:,} input tokens" if reached else f"up to {rate.tiers[0].start:,} input tokens")
    if priced.uplift is not None and is_token:
        said.append(f"times {plain(priced.uplift.factor)} for its {priced.uplift.field}")
    return Source(", ".join(said), since, until, url)


def _hours(priced: Priced) -> Iterator[str]:
    """The hours of the day that a price is for, where it is for some."""
    if isinstance(priced.info.prices, ModelPrice):
        return
    daily = [some.constraint for some in priced.info.prices if isinstance(some.constraint, TimeOfDateConstraint)]
    active = [hours for hours in daily if hours.active(priced.at)]
    for hours in active or daily:
        yield f"{'from' if active else 'not from'} {hours.start_time:%H:%M} to {hours.end_time:%H:%M} UTC"


def _validity(info: ModelInfo, at: datetime) -> tuple[datetime | None, datetime | None]:
    """Since when and until when a list price holds, as far as genai-prices dates it."""
    if isinstance(info.prices, ModelPrice):
        return None, None
    starts = sorted(_starts(info.prices))
    return (
        max((start for start in starts if start <= at), default=None),
        min((start for start in starts if start > at), default=None),
    )


def _starts(prices: list[ConditionalPrice]) -> Iterator[datetime]:
    for some in prices:
        if isinstance(some.constraint, StartDateConstraint):
            yield datetime.combine(some.constraint.start_date, time(), UTC)
