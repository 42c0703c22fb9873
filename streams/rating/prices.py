"""List prices: what genai-prices knows of a model at a time, as flat rates per leaf.

Laws
1. A leaf is priced by the most specific rate that the model has for it (`RATE_KEYS`), as genai-prices itself does: a
   cache read without a rate of its own costs the input rate, reasoning without one costs the output rate.
2. A long context is a cliff: above a tier's start, *all* tokens of the call cost the tier's rate.
3. What is not known is None, never zero, and never guessed from a similar name.
Traps (measured): `azure/` and `gemini/` before a model's name hide it; DeepSeek's cheap hours begin at half past, so
prices are looked up per quarter of an hour, not per hour; an unknown service tier silently costs the standard price.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property

from genai_prices import __version__ as genai_prices_version
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

from schemas.usage import INPUT_LEAVES, LEAVES

PRICE_BOOK_VERSION = f"genai-prices/{genai_prices_version}"
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
    """

    starts: tuple[int, ...]
    tiers: tuple[tuple[Decimal | None, ...], ...]

    def for_input(self, input_tokens: int) -> tuple[Decimal | None, ...]:
        """The rates of a call with so many input tokens in all."""
        return self.tiers[sum(input_tokens > start for start in self.starts)]


@dataclass(frozen=True)
class Ceiling:
    """The highest rates known, USD per million tokens: what an unpriced call may have cost at most."""

    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal


class PriceBook:
    """genai-prices behind a bounded cache. It answers the same for the same question, always."""

    def __init__(self, *, cached_names: int = 20_000) -> None:
        self._cached_names = cached_names
        self._providers: list[Provider] = get_snapshot().providers
        self._snapshot = DataSnapshot(self._providers, from_auto_update=False)
        self._models: dict[tuple[str, str], tuple[Provider, ModelInfo] | None] = {}
        self._rates: dict[tuple[str, str, str | None, int], ModelRates | None] = {}
        self._ceilings: dict[str, Ceiling] = {}

    def rates(self, provider: str, model: str, tier: str | None, slot: int) -> ModelRates | None:
        """What the model costs in a slot (event time over `SLOT_US`); None where nobody knows it."""
        found = self._find(provider, model)
        if found is None:
            return None
        owner, info = found
        key = (provider, model, tier, slot if _depends_on_time(info) else -1)
        if key not in self._rates:
            if len(self._rates) >= self._cached_names:
                self._rates.clear()
            at = _EPOCH + timedelta(microseconds=min(slot, _LAST_SLOT) * SLOT_US)
            # As genai-prices does: a model borrowed from another provider has no variants here.
            own = any(info is model for model in owner.models)
            context = _CONTEXTS.get(tier.lower()) if tier is not None and own else None
            self._rates[key] = model_rates(info.get_prices(at, context))
        return self._rates[key]

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

    @cached_property
    def _highest_of_all(self) -> Ceiling:
        return _ceiling(self._providers)

    def _find(self, provider: str, model: str) -> tuple[Provider, ModelInfo] | None:
        key = (provider, model)
        if key not in self._models:
            if len(self._models) >= self._cached_names:
                self._models.clear()
                # The snapshot caches every name it was ever asked for.
                self._snapshot = DataSnapshot(self._providers, from_auto_update=False)
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


def model_rates(price: ModelPrice) -> ModelRates:
    """The flat rates of a model's price (laws 1 and 2)."""
    chosen: list[Decimal | TieredPrices | None] = [
        next((rate for key in RATE_KEYS[leaf] if (rate := getattr(price, key)) is not None), None) for leaf in LEAVES
    ]
    chosen.append(price.requests_kcount)
    starts = sorted({tier.start for rate in chosen if isinstance(rate, TieredPrices) for tier in rate.tiers})
    tiers = tuple(tuple(_rate_above(rate, start) for rate in chosen) for start in (-1, *starts))
    return ModelRates(tuple(starts), tiers)


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


def _depends_on_time(info: ModelInfo) -> bool:
    variants = info.price_variants or ()
    return not isinstance(info.prices, ModelPrice) or any(variant.constraint is not None for variant in variants)


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
