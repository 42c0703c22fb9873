"""List prices: what genai-prices knows of a model at a time, as flat rates per leaf.

Laws
1. A leaf is priced by the most specific rate that the model has for it (`RATE_KEYS`), as genai-prices itself does: a
   cache read without a rate of its own costs the input rate, reasoning without one costs the output rate.
2. A long context is a cliff: above a tier's start, *all* tokens of the call cost the tier's rate.
3. What is not known is None, never zero, and never guessed from a similar name.
4. A tier that the model has no price for costs the standard price, and says so: `estimated`.
5. A book is its content: `version` is a hash of every rate and rule in it.
Traps (measured): `azure/` and `gemini/` before a model's name hide it; DeepSeek's cheap hours begin at half past, so
prices are looked up per quarter of an hour, not per hour; an unknown service tier silently costs the standard price.
This file is long because finding a model, its price at a time and its flat rates is one thought.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import cache, cached_property

from genai_prices import data
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint, TieredPrices

from schemas.usage import INPUT_LEAVES, LEAVES
from streams.rating.price_content import book_version
from streams.rating.price_corrections import Correction, corrected, corrections_of
from streams.rating.price_regions import UPLIFTS, Uplift, uplift_of
from streams.rating.price_units import minimum_audio_sec, scaled_rate, unit_rates

SLOT_US = 900_000_000
"""Prices may change at every quarter of an hour UTC, never between."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SLOT = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=SLOT_US)
"""Later times, which an offset may carry beyond what a datetime holds, are priced as this; they are of the future."""

RATE_KEYS: dict[str, tuple[str, ...]] = {
    "input_uncached_tokens": ("input_text_mtok", "input_mtok"),
    "input_cache_read_tokens": ("cache_read_mtok", "input_mtok"),
    "input_cache_write_5m_tokens": ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    "input_cache_write_30m_tokens": ("cache_write_mtok", "input_mtok"),
    "input_cache_write_1h_tokens": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "input_cache_write_12h_tokens": ("cache_write_mtok", "input_mtok"),
    "input_cache_write_other_tokens": ("cache_write_mtok", "input_mtok"),
    "input_audio_tokens": ("input_audio_mtok", "input_mtok"),
    "input_image_tokens": ("input_image_mtok", "input_mtok"),
    "output_text_tokens": ("output_text_mtok", "output_mtok"),
    "output_reasoning_tokens": ("output_reasoning_mtok", "output_mtok"),
    "output_audio_tokens": ("output_audio_mtok", "output_mtok"),
    "output_image_tokens": ("output_image_mtok", "output_mtok"),
}
"""For each leaf, the rates that may price it, the most specific first. Source: genai_prices.data_units."""

PARTS = (*LEAVES, "requests")
"""What a call is charged for: each leaf, and for some models the call itself."""

_ALIASES = {
    "azure.ai.openai": "azure", "azure.ai.inference": "azure", "azure_ai": "azure", "azure_openai": "azure",
    "x_ai": "x-ai", "fireworks_ai": "fireworks", "github_copilot": "github-copilot",
}  # fmt: skip
_PREFIXES = (
    "azure/", "azure_ai/", "gemini/", "vertex_ai/", "bedrock/", "openai/", "anthropic/", "mistral/", "groq/",
    "deepseek/", "xai/",
)  # fmt: skip
STANDARD_TIERS = frozenset({"", "default", "standard", "standard_only", "auto", "on_demand", "on-demand", "normal"})
"""Names of the tier that everybody gets, by provider: the standard price is its price."""
_CONTEXTS: dict[str, dict[str, str]] = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}


@dataclass(frozen=True)
class ModelRates:
    """What a model costs at one time, USD per million tokens and USD per thousand calls, in the order of `PARTS`.

    `tiers[i]` holds where the input tokens exceed `starts[i - 1]` and not `starts[i]`; `tiers[0]` up to `starts[0]`.
    `units` are USD per million of what is billed beside tokens. `estimated`: the tier has no price of its own (law 4).
    """

    starts: tuple[int, ...]
    tiers: tuple[tuple[Decimal | None, ...], ...]
    units: Mapping[str, Decimal] = field(default_factory=dict)
    estimated: bool = False
    minimum_audio_sec: int = 0

    def for_input(self, input_tokens: int) -> tuple[Decimal | None, ...]:
        """The rates of a call with so many input tokens in all."""
        return self.tiers[sum(input_tokens > start for start in self.starts)]


_CACHED_NAMES = 131_072
"""Some 35 MiB if all are used. To look up a name costs 70 us, as much as seven events."""


@dataclass(frozen=True)
class Ceiling:
    """The highest rates known, USD per million tokens: what an unpriced call may have cost at most."""

    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal


@dataclass(frozen=True)
class Priced:
    """A model's price in genai-prices at a time, as a call in this tier and place is charged."""

    owner: Provider
    info: ModelInfo
    at: datetime
    context: Mapping[str, str] | None
    corrections: tuple[Correction, ...]
    uplift: Uplift | None
    is_estimated: bool

    @property
    def price(self) -> ModelPrice:
        """genai-prices' own price, corrected; without what the place adds."""
        return corrected(self.info.get_prices(self.at, self.context), self.corrections, self.at)


class PriceBook:
    """genai-prices behind a bounded cache. It answers the same for the same question, always."""

    def __init__(self, *, cached_names: int = _CACHED_NAMES, providers: list[Provider] | None = None) -> None:
        self._cached_names = cached_names
        self.providers: list[Provider] = get_snapshot().providers if providers is None else providers
        self._snapshot = DataSnapshot(self.providers, from_auto_update=False)
        self._models: dict[tuple[str, str], tuple[Provider, ModelInfo] | None] = {}
        self._rates: dict[tuple[int, int, str | None, str | None, str | None, int], ModelRates | None] = {}
        self._starts: dict[int, list[int] | None] = {}
        self._ceilings: dict[str, Ceiling] = {}

    @cached_property
    def version(self) -> str:
        """The name of this book: where it is from and a hash of what it says (law 5)."""
        return _shipped_version() if self.providers is data.providers else book_version(self.providers)

    def rates(  # noqa: PLR0913  what a price depends on
        self,
        provider: str,
        model: str,
        tier: str | None,
        slot: int,
        *,
        inference_region: str | None = None,
        region: str | None = None,
    ) -> ModelRates | None:
        """What the model costs in a slot (event time over `SLOT_US`); None where nobody knows it."""
        found = self.find(provider, model)
        if found is None:
            return None
        # By the model that was found, not by its names: a hundred thousand misspellings of one have one price.
        owner, info = found
        key = (id(owner), id(info), tier, inference_region, region, self._period(owner, info, slot))
        if key not in self._rates:
            if len(self._rates) >= self._cached_names:
                self._rates.clear()
            priced = self.priced(provider, model, tier, slot, inference_region=inference_region, region=region)
            self._rates[key] = None if priced is None else _charged(priced)
        return self._rates[key]

    def priced(  # noqa: PLR0913  what a price depends on
        self,
        provider: str,
        model: str,
        tier: str | None,
        slot: int,
        *,
        inference_region: str | None = None,
        region: str | None = None,
    ) -> Priced | None:
        """Where the price of a call comes from; None where nobody knows the model."""
        found = self.find(provider, model)
        if found is None:
            return None
        owner, info = found
        at = _EPOCH + timedelta(microseconds=min(slot, _LAST_SLOT) * SLOT_US)
        named = (tier or "").lower()
        # As genai-prices does: a model borrowed from another provider has no variants here.
        own = any(info is model for model in owner.models)
        context = _CONTEXTS.get(named) if own else None
        uplift = uplift_of(owner.id, info.id, inference_region=inference_region, region=region)
        return Priced(
            owner=owner,
            info=info,
            at=at,
            context=context,
            corrections=corrections_of(owner.id, info.id),
            uplift=uplift if uplift is not None and uplift.since <= at.date() else None,
            is_estimated=named not in STANDARD_TIERS and not _has_variant(info, at, context),
        )

    def ceiling(self, provider: str) -> Ceiling:
        """The highest rates of a provider; of all providers where it is not known or has no rates for tokens."""
        if provider not in self._ceilings:
            if len(self._ceilings) >= self._cached_names:
                self._ceilings.clear()
            try:
                owner = self._snapshot.find_provider(None, _alias(provider), None)
                ceiling = _ceiling([owner])
            except LookupError:
                ceiling = self._highest_of_all
            known = ceiling.input_usd_per_mtok and ceiling.output_usd_per_mtok
            self._ceilings[provider] = ceiling if known else self._highest_of_all
        return self._ceilings[provider]

    def _period(self, owner: Provider, info: ModelInfo, slot: int) -> int:
        """A number that is equal for all slots between two changes of a model's price."""
        known = id(info)  # models live as long as the book
        if known not in self._starts:
            self._starts[known] = _starts(owner, info)
        starts = self._starts[known]
        return slot if starts is None else -1 - bisect_right(starts, slot)

    @cached_property
    def highest_unit_rates(self) -> dict[str, Decimal]:
        """For each unit that is billed beside tokens, the highest rate of any model, USD per million units."""
        highest: dict[str, Decimal] = {}
        for owner in self.providers:
            for price in (price for info in owner.models for price in _all_prices(info)):
                for unit, rate in unit_rates(owner.id, price).items():
                    highest[unit] = max(rate, highest.get(unit, Decimal(0)))
        return highest

    @cached_property
    def _highest_of_all(self) -> Ceiling:
        return _ceiling(self.providers)

    def find(self, provider: str, model: str) -> tuple[Provider, ModelInfo] | None:
        """Who is paid for the model, and which model of genai-prices it is; None where nobody knows it."""
        key = (provider, model)
        if key not in self._models:
            if len(self._models) >= self._cached_names:
                self._models.clear()
                # The snapshot caches every name it was ever asked for.
                self._snapshot = DataSnapshot(self.providers, from_auto_update=False)
            self._models[key] = self._look_up(_alias(provider), model)
        return self._models[key]

    def _look_up(self, provider: str, model: str) -> tuple[Provider, ModelInfo] | None:
        for name in _spellings(provider, model.lower()):
            try:
                found: tuple[Provider, ModelInfo] = self._snapshot.find_provider_model(name, None, provider, None)
            except LookupError:
                continue
            return found
        return None


@cache
def _shipped_version() -> str:
    """The version of the book that genai-prices ships, hashed once per process."""
    return book_version(data.providers)


def model_rates(price: ModelPrice) -> ModelRates:
    """The flat rates of a model's price (laws 1 and 2)."""
    stated = vars(price)  # as an attribute, a rate that the model does not have is looked up at length
    chosen: list[Decimal | TieredPrices | None] = [
        next((rate for key in RATE_KEYS[leaf] if (rate := stated.get(key)) is not None), None) for leaf in LEAVES
    ]
    chosen.append(stated.get("requests_kcount"))
    starts = sorted({tier.start for rate in chosen if isinstance(rate, TieredPrices) for tier in rate.tiers})
    tiers = tuple(tuple(_rate_above(rate, start) for rate in chosen) for start in (-1, *starts))
    return ModelRates(tuple(starts), tiers)


def _charged(priced: Priced) -> ModelRates:
    """The flat rates of a call, with what its place adds to tokens."""
    price = priced.price
    rates = model_rates(price)
    tiers = rates.tiers
    if priced.uplift is not None:
        factor, tokens = priced.uplift.factor, len(LEAVES)
        tiers = tuple(
            tuple(
                rate if rate is None or part >= tokens else scaled_rate(rate, factor) for part, rate in enumerate(tier)
            )
            for tier in tiers
        )
    return replace(
        rates,
        tiers=tiers,
        units=unit_rates(priced.owner.id, price),
        estimated=priced.is_estimated,
        minimum_audio_sec=minimum_audio_sec(priced.owner.id, priced.info.id),
    )


def _has_variant(info: ModelInfo, at: datetime, context: Mapping[str, str] | None) -> bool:
    """Whether the model has a price of its own for the context."""
    return context is not None and any(
        (variant.constraint is None or variant.constraint.active(at))
        and all(context.get(key) == value for key, value in variant.when.items())
        for variant in info.price_variants or ()
    )


def _rate_above(rate: Decimal | TieredPrices | None, start: int) -> Decimal | None:
    """The rate for calls whose input tokens exceed `start`, and no later start."""
    if not isinstance(rate, TieredPrices):
        return rate
    reached = [tier.price for tier in rate.tiers if tier.start <= start]
    price: Decimal = reached[-1] if reached else rate.base
    return price


def _alias(provider: str) -> str:
    return _ALIASES.get(provider.lower(), provider)


def _spellings(provider: str, model: str) -> Iterator[str]:
    yield model
    for prefix in (*_PREFIXES, f"{provider.lower()}/"):
        if model.startswith(prefix):
            yield model.removeprefix(prefix)


def _starts(owner: Provider, info: ModelInfo) -> list[int] | None:
    """The slots from which on a model may have another price, ascending; None where the hour of the day decides."""
    dated = [*(info.prices if isinstance(info.prices, list) else ()), *(info.price_variants or ())]
    constraints = [some.constraint for some in dated if some.constraint is not None]
    if not all(isinstance(some, StartDateConstraint) for some in constraints):
        return None
    days = {some.start_date for some in constraints if isinstance(some, StartDateConstraint)}
    days |= {some.since for some in corrections_of(owner.id, info.id)} | {some.since for some in UPLIFTS}
    return sorted((datetime.combine(day, time(), UTC) - _EPOCH) // timedelta(microseconds=SLOT_US) for day in days)


def _ceiling(providers: list[Provider]) -> Ceiling:
    """The highest rates for tokens of any model, tier, variant and time."""
    highest = {True: Decimal(0), False: Decimal(0)}
    for price in (price for owner in providers for info in owner.models for price in _all_prices(info)):
        rates = model_rates(price)
        for tier in rates.tiers:
            for leaf, rate in zip(LEAVES, tier, strict=False):
                side = leaf in INPUT_LEAVES
                highest[side] = max(highest[side], rate or Decimal(0))
    return Ceiling(highest[True], highest[False])


def _all_prices(info: ModelInfo) -> Iterator[ModelPrice]:
    if isinstance(info.prices, ModelPrice):
        yield info.prices
    else:
        yield from (conditional.prices for conditional in info.prices)
    yield from (variant.prices for variant in info.price_variants or ())
