"""The price law: our rates are those of genai-prices' own `calc_price`, for every model, leaf, tier, step and date.

How all of it is compared in seconds: each (model, time, tier) is looked up in both; equal prices of genai-prices that
led to equal rates of ours are compared leaf by leaf once. Where we differ stands in `price_corrections.py`, with its
source, and is held to differ here, so that no correction outlives its reason.
Long because the law and the way to hold all of it to seconds are one thought.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from genai_prices import Usage, calc_price
from genai_prices.data_units import unit_data
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from schemas.money import leaf_cost_pico_usd, usd
from schemas.usage import INPUT_LEAVES, LEAVES
from streams.rating.price_corrections import CORRECTIONS
from streams.rating.price_units import UNIT_RATE_KEYS
from streams.rating.prices import PARTS, RATE_KEYS, SLOT_US, ModelRates
from tests.laws.rating_events import BOOK

TIERS: dict[str | None, dict[str, str] | None] = {
    None: None,
    "default": None,
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}
TIMES = tuple(
    datetime.fromisoformat(text)
    for text in (
        "2024-06-01T00:00:00Z", "2025-03-15T16:15:00Z", "2025-03-15T16:30:00Z", "2025-10-01T12:00:00Z",
        "2026-06-01T00:15:00Z", "2026-11-22T09:00:00Z",
    )
)  # fmt: skip
LEAF_UNITS: dict[str, tuple[str, ...]] = {
    "input_uncached_tokens": (),
    "input_cache_read_tokens": ("cache_read_tokens",),
    "input_cache_write_5m_tokens": ("cache_write_tokens", "cache_write_5m_tokens"),
    "input_cache_write_30m_tokens": ("cache_write_tokens",),
    "input_cache_write_1h_tokens": ("cache_write_tokens", "cache_write_1h_tokens"),
    "input_cache_write_12h_tokens": ("cache_write_tokens",),
    "input_cache_write_other_tokens": ("cache_write_tokens",),
    "input_audio_tokens": ("input_audio_tokens",),
    "input_image_tokens": ("input_image_tokens",),
    "output_text_tokens": (),
    "output_reasoning_tokens": ("output_reasoning_tokens",),
    "output_audio_tokens": ("output_audio_tokens",),
    "output_image_tokens": ("output_image_tokens",),
}
"""What genai-prices calls the tokens of each leaf, beside the total of their side."""
CORRECTED = {
    (some.provider, model, key.removesuffix("_mtok") + "_tokens")
    for some in CORRECTIONS
    for model in some.models
    for key, _ in some.rates
}
NAMED_TIERS = tuple(tier for tier, context in TIERS.items() if context is not None)
RELATIVE = Decimal("1e-9")


def times_of(info: ModelInfo) -> Iterator[datetime]:
    """The fixed times, and each moment at which a price of the model begins, with the quarter of an hour before."""
    yield from TIMES
    dated = [*(info.prices if isinstance(info.prices, list) else ()), *(info.price_variants or ())]
    for constraint in (some.constraint for some in dated):
        if isinstance(constraint, StartDateConstraint):
            start = datetime.combine(constraint.start_date, datetime.min.time(), UTC)
            yield from (start, start - timedelta(minutes=15))
        elif isinstance(constraint, TimeOfDateConstraint):
            yield datetime.combine(TIMES[-1].date(), constraint.start_time)
            yield datetime.combine(TIMES[-1].date(), constraint.end_time)


def tiers_of(number: int, info: ModelInfo, at: datetime) -> Iterator[str | None]:
    """The tiers that are asked for: all where the model has prices of its own for some, else one of them in turn."""
    for tier, context in TIERS.items():
        turn = at == TIMES[-1] and tier == NAMED_TIERS[number % len(NAMED_TIERS)]
        if context is None or info.price_variants or turn:
            yield tier


def ours(provider: Provider, name: str, at: datetime, tier: str | None) -> ModelRates | None:
    """Our rates at that time."""
    slot = int(at.timestamp()) * 1_000_000 // SLOT_US
    return BOOK.rates(provider.id, name, tier, slot)


def names_of(info: ModelInfo) -> list[str]:
    """The model's own id, and the names in the rule that finds it: some models are not found by their id."""
    waiting: list[Any] = [info.match]
    names = [info.id]
    while waiting:
        clause = waiting.pop()
        for value in vars(clause).values():
            waiting.extend(value if isinstance(value, list) else [])
            names.extend([value] if isinstance(value, str) else [])
    return names


@cache
def found() -> dict[tuple[str, str], tuple[Provider, str, ModelInfo]]:
    """Every model that a name finds, by provider and id: the provider, that name, and the model found."""
    models: dict[tuple[str, str], tuple[Provider, str, ModelInfo]] = {}
    for provider in BOOK.providers:
        for own, name in ((model, name) for model in provider.models for name in names_of(model)):
            if (provider.id, own.id) in models:
                continue
            info = provider.find_model(name, all_providers=BOOK.providers)
            if info is not None:
                models.setdefault((provider.id, info.id), (provider, name, info))
    return models


@cache
def compared() -> dict[tuple[str, str], tuple[Provider, ModelInfo, ModelPrice, ModelRates]]:
    """One example of each different pair of their price and our rates, over all models, times and tiers."""
    pairs: dict[tuple[str, str], tuple[Provider, ModelInfo, ModelPrice, ModelRates]] = {}
    for number, (provider, name, info) in enumerate(found().values()):
        borrowed = all(info is not model for model in provider.models)  # then `calc_price` knows no variants of it
        corrected = "".join(key for *who, key in sorted(CORRECTED) if who == [provider.id, info.id])
        special = provider.id if "whisper" in info.id else ""
        seen: dict[tuple[int, int], tuple[ModelPrice, ModelRates]] = {}  # by identity: most are the same objects
        for at in times_of(info):
            for tier in tiers_of(number, info, at):
                price, rates = info.get_prices(at, None if borrowed else TIERS[tier]), ours(provider, name, at, tier)
                assert rates is not None, (provider.id, name)
                seen.setdefault((id(price), id(rates)), (price, rates))
        for price, found_rates in seen.values():
            rates = replace(found_rates, estimated=False)
            pairs.setdefault((f"{special}{corrected}{price!r}", repr(rates)), (provider, info, price, rates))
    return pairs


def test_nearly_every_model_is_found() -> None:
    """All models but those that another one's rule hides in genai-prices itself, or that only a pattern finds."""
    every = {(provider.id, info.id) for provider in BOOK.providers for info in provider.models}
    assert len(every & found().keys()) > 0.98 * len(every)


@cache
def usage_of(leaf: str, count: int) -> Usage:
    """So many tokens of one leaf and nothing else, in genai-prices' terms."""
    total = "input_tokens" if leaf in INPUT_LEAVES else "output_tokens"
    return Usage(**dict.fromkeys((total, *LEAF_UNITS[leaf]), count))


def can_price(price: ModelPrice, unit: str) -> bool:
    """Whether a rate of the price covers tokens (or units) of this kind: one whose dimensions they all have."""
    return any(price.__dict__.get(key) is not None for key in covering(unit))


@cache
def covering(unit: str) -> tuple[str, ...]:
    """The rates that cover a kind of tokens or units."""
    dimensions = unit_data[unit]["dimensions"].items()
    return tuple(some["price_key"] for some in unit_data.values() if some["dimensions"].items() <= dimensions)


def counts_of(price: ModelPrice) -> list[int]:
    """A small call, and calls at and just above each step of the price."""
    starts = {tier.start for rate in price.__dict__.values() if isinstance(rate, TieredPrices) for tier in rate.tiers}
    return [1003, *(count for start in sorted(starts) for count in (start, start + 1))]


def charged(rates: ModelRates, leaf: str, count: int) -> Decimal | None:
    """What we charge for so many tokens of one leaf, the call itself included."""
    flat = rates.for_input(count if leaf in INPUT_LEAVES else 0)
    rate, call = flat[PARTS.index(leaf)], flat[-1] or Decimal(0)
    return None if rate is None else usd(leaf_cost_pico_usd(count, rate) + leaf_cost_pico_usd(1, call * 1000))


def test_every_leaf_of_every_model_costs_what_calc_price_says() -> None:
    """To 1e-9 relative, where genai-prices can price it; where it cannot, the leaf has no price, and is not zero."""
    checked = 0
    for provider, info, price, rates in compared().values():
        for leaf in LEAVES:
            most_specific = (leaf.split("_")[0] + "_tokens", *LEAF_UNITS[leaf])[-1]
            for count in counts_of(price):
                own = charged(rates, leaf, count)
                if not can_price(price, most_specific):
                    assert own is None or (provider.id, info.id, leaf) in CORRECTED, (provider.id, info.id, leaf)
                    continue
                said = price.calc_price(usage_of(leaf, count))["total_price"]
                if (provider.id, info.id, leaf) in CORRECTED and getattr(price, leaf[:-7] + "_mtok") is None:
                    continue
                assert own is not None, (provider.id, info.id, leaf)
                assert abs(own - said) <= max(RELATIVE * said, Decimal("1e-12")), (provider.id, info.id, leaf, count)
                checked += 1
    assert checked > 15_000


def test_every_unit_of_every_model_costs_what_calc_price_says() -> None:
    """Searches, seconds, pages and characters likewise: what has a price costs it, and the rest is unpriced."""
    checked = 0
    for provider, info, price, rates in compared().values():
        for unit in UNIT_RATE_KEYS.keys() - {"citation_tokens"}:
            rate = rates.units.get(unit)
            if not can_price(price, unit):
                assert rate is None, (provider.id, info.id, unit)
                continue
            ancestors = {"input_audio_seconds": "audio_seconds", "output_audio_seconds": "audio_seconds",
                         "input_annotated_document_pages": "input_document_pages"}  # fmt: skip
            whole = {ancestors[unit]: 60} if unit in ancestors else {}
            said = price.calc_price(Usage(**{**whole, unit: 60, "input_tokens": 0, "output_tokens": 0}))["total_price"]
            call = leaf_cost_pico_usd(1, (rates.tiers[0][-1] or Decimal(0)) * 1000)
            assert rate is not None
            assert abs(usd(leaf_cost_pico_usd(60, rate) + call) - said) <= max(RELATIVE * said, Decimal("1e-12"))
            checked += 1
    assert checked > 200


def test_the_public_door_says_the_same() -> None:
    """For models of all providers, `genai_prices.calc_price` itself gives our total, at several times and tiers."""
    checked = 0
    for number, (provider, name, info) in enumerate(list(found().values())[::61]):
        for tier, context in TIERS.items():
            at = TIMES[number % len(TIMES)]
            rates = ours(provider, name, at, tier)
            assert rates is not None
            cost = charged(rates, "input_uncached_tokens", 4808)
            used = usage_of("input_uncached_tokens", 4808)
            said = calc_price(
                used, name, provider_id=provider.id, genai_request_timestamp=at, price_context=context
            ).total_price
            if cost is not None:
                assert abs(cost - said) <= max(RELATIVE * said, Decimal("1e-12")), (provider.id, info.id, tier)
                checked += 1
    assert checked > 150


def test_no_correction_outlives_its_reason() -> None:
    """Each correction names a model that genai-prices has, a rate that it does not have, and the page that has it."""
    models = {(provider.id, info.id): info for provider in BOOK.providers for info in provider.models}
    for some in CORRECTIONS:
        assert some.source.startswith("https://")
        for model in some.models:
            price = models[some.provider, model].get_prices(TIMES[-1])
            for key, rate in some.rates:
                assert getattr(price, key) is None, (model, key)
                assert rate > (getattr(price, "input_mtok") or 0)  # noqa: B009  typed as any rate


def test_all_ways_to_state_a_price_are_known() -> None:
    """A kind of rate or condition that a newer genai-prices brings is noticed here, not in an invoice."""
    known = {key for keys in _chains() for key in keys} | {"requests_kcount"}
    not_ours = {"input_video_mtok", "output_video_mtok", "cache_audio_read_mtok", "cache_image_read_mtok"}
    used = {
        key
        for provider in BOOK.providers
        for info in provider.models
        for some in _prices(info)
        for key, rate in some.__dict__.items()
        if rate is not None
    }
    assert used - known <= not_ours  # no leaf of ours tells video, or which modality was cached


def _chains() -> Iterator[tuple[str, ...]]:
    yield from RATE_KEYS.values()
    yield from (tuple(key for key, _ in keys) for keys in UNIT_RATE_KEYS.values())


def _prices(info: ModelInfo) -> list[ModelPrice]:
    conditional: list[ConditionalPrice] = info.prices if isinstance(info.prices, list) else []
    plain = [info.prices] if isinstance(info.prices, ModelPrice) else [some.prices for some in conditional]
    return [*plain, *(variant.prices for variant in info.price_variants or ())]
