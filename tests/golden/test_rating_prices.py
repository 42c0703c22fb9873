"""Our prices are those of genai-prices, leaf by leaf, at the right time, in the right tier."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices, TimeOfDateConstraint

from schemas.usage import LEAVES
from streams.rating.preview import priced_lines
from streams.rating.prices import PARTS, RATE_KEYS, SLOT_US, PriceBook, model_rates
from tests.laws.rating_events import BOOK, NOW_US, PRICES, event, raw, rfc3339

AT_US = NOW_US - 3_000_000
AT = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=AT_US)
SHAPES: dict[str, dict[str, int]] = {
    "text": {"input_tokens": 4808, "output_tokens": 310},
    "cached": {"input_tokens": 50_001, "input_cache_read_tokens": 49_999, "output_tokens": 7},
    "cache written": {
        "input_tokens": 90_000, "input_cache_write_5m_tokens": 10_000, "input_cache_write_1h_tokens": 20_011,
        "input_cache_write_other_tokens": 3, "output_tokens": 1,
    },
    "reasoning": {"input_tokens": 17, "output_tokens": 9001, "output_reasoning_tokens": 8999},
    "all kinds": {
        "input_tokens": 1000, "input_cache_read_tokens": 11, "input_cache_write_30m_tokens": 13,
        "input_audio_tokens": 17,
        "input_image_tokens": 19, "output_tokens": 1000, "output_reasoning_tokens": 23, "output_audio_tokens": 29,
        "output_image_tokens": 31,
    },
    "long": {"input_tokens": 1_000_000, "input_cache_read_tokens": 500_000, "output_tokens": 100_000},
}  # fmt: skip
BOUNDARIES = (128_000, 199_999, 200_000, 256_000, 272_000)


def models() -> Iterator[tuple[Provider, ModelInfo]]:
    """Every model of the price book, under its own provider."""
    for provider in get_snapshot().providers:
        for info in provider.models:
            yield provider, info


def findable(every: int) -> list[tuple[Provider, ModelInfo]]:
    """Every n-th model that is found by its own name."""
    some = list(models())[::every]
    return [(provider, info) for provider, info in some if BOOK.find(provider.id, info.id) == (provider, info)]


def usage_of(data: dict[str, int]) -> Usage:
    """The same usage in genai-prices' terms; our leaves are disjoint, so all overlaps are zero."""
    write_5m, write_1h = data.get("input_cache_write_5m_tokens", 0), data.get("input_cache_write_1h_tokens", 0)
    writes = sum(count for name, count in data.items() if "cache_write" in name)
    overlaps = {
        f"cache_{modality}_{kind}_tokens": 0
        for modality in ("text", "audio", "image", "video")
        for kind in ("read", "write", "write_5m", "write_1h")
    }
    more = {f"{side}_{kind}_tokens": 0 for side in ("input", "output") for kind in ("video",)}
    return Usage(
        **overlaps,
        **more,
        input_tokens=data["input_tokens"],
        output_tokens=data["output_tokens"],
        cache_read_tokens=data.get("input_cache_read_tokens", 0),
        cache_write_tokens=writes,
        cache_write_5m_tokens=write_5m,
        cache_write_1h_tokens=write_1h,
        input_audio_tokens=data.get("input_audio_tokens", 0),
        input_image_tokens=data.get("input_image_tokens", 0),
        output_reasoning_tokens=data.get("output_reasoning_tokens", 0),
        output_audio_tokens=data.get("output_audio_tokens", 0),
        output_image_tokens=data.get("output_image_tokens", 0),
    )


def priced(provider: str, model: str, data: dict[str, Any], at_us: int = AT_US) -> dict[str, Any]:
    """How we price one call."""
    given = {"input_cache_read_tokens": None, "output_reasoning_tokens": None, **data}
    an_event = event(time=rfc3339(at_us), provider=provider, model=model, **given)
    (line,) = priced_lines([raw(an_event)], append_time_us=at_us, prices=PRICES)
    pricing: dict[str, Any] = line["pricing"]
    return pricing


def test_totals_equal_those_of_genai_prices() -> None:
    """For a thousand calls of models of all providers, our total is theirs but for rounding once per leaf."""
    compared = 0
    for number, (provider, info) in enumerate(findable(11)):
        for shape in list(SHAPES)[number % 2 :: 2]:
            data = SHAPES[shape]
            ours = priced(provider.id, info.id, data)
            theirs = info.calc_price(usage_of(data), provider, genai_request_timestamp=AT).total_price
            if ours["pricing_status"] == "unpriced_leaf":
                rates = model_rates(info.get_prices(AT)).for_input(data["input_tokens"])
                assert None in rates[: len(LEAVES)]
                continue
            assert ours["pricing_status"] == "priced", (provider.id, info.id)
            difference = abs(Decimal(ours["cost_usd"]) - theirs)
            assert difference <= len(PARTS) * Decimal("0.5e-12"), (provider.id, info.id, shape)
            assert Decimal(ours["cost_usd"]) == sum(Decimal(leaf["cost_usd"]) for leaf in ours["leaves"].values())
            compared += 1
    assert compared > 300


@pytest.mark.parametrize("start", BOUNDARIES)
def test_long_context_is_a_cliff_at_each_boundary(start: int) -> None:
    """One token above a boundary, all tokens cost the higher rate; at the boundary none, as genai-prices has it."""
    tiered = [
        (provider, info)
        for provider, info in findable(1)
        if isinstance(info.prices, ModelPrice)
        and isinstance(info.prices.input_mtok, TieredPrices)
        and any(tier.start == start for tier in info.prices.input_mtok.tiers)
    ]
    assert tiered
    for provider, info in tiered[:2]:
        for count in (start, start + 1):
            data = {"input_tokens": count, "output_tokens": 10}
            theirs = info.calc_price(usage_of(data), provider, genai_request_timestamp=AT).total_price
            assert Decimal(priced(provider.id, info.id, data)["cost_usd"]) == theirs


def test_a_few_calls_cost_what_their_price_pages_say() -> None:
    """Checked by hand: the golden file has each leaf with its rate and cost."""
    golden = json.loads((Path(__file__).parent / "rating_prices.json").read_text())
    for case in golden:
        found = priced(case["provider"], case["model"], case["data"])
        assert found.pop("price_book_version") == BOOK.version
        assert case["pricing"] == found, case["model"]


@pytest.mark.parametrize(
    ("provider", "spelled", "plain"),
    [
        ("azure", "azure/gpt-4o", "gpt-4o"),
        ("gemini", "gemini/gemini-2.5-pro", "gemini-2.5-pro"),
        ("gcp.gemini", "gemini-2.5-pro", "gemini-2.5-pro"),
        ("openai", "GPT-4o", "gpt-4o"),
        ("azure.ai.openai", "gpt-4o", "gpt-4o"),
        ("x_ai", "grok-3", "grok-3"),
    ],
)
def test_spellings_of_gateways_find_the_model(provider: str, spelled: str, plain: str) -> None:
    """Prefixes that gateways put before a model's name, and OTel's names of providers, do not hide the price."""
    known = {"gemini": "google", "gcp.gemini": "google", "azure.ai.openai": "azure", "x_ai": "x-ai"}.get(
        provider, provider
    )
    slot = AT_US // SLOT_US
    assert BOOK.rates(provider, spelled, None, slot) == BOOK.rates(known, plain, None, slot) is not None


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "no-such-model"), ("nobody", "gpt-4o"), ("openai", "azure/")]
)
def test_what_nobody_knows_has_no_price(provider: str, model: str) -> None:
    """An unknown model is unpriced, never zero, and has a ceiling; nothing is guessed from a similar name."""
    found = priced(provider, model, SHAPES["text"])
    assert (found["pricing_status"], found["cost_usd"]) == ("unpriced_model", None)
    assert Decimal(found["ceiling_cost_usd"]) > 0


def test_ceiling_is_above_every_price_of_the_provider() -> None:
    """No priced call of a provider costs more than the ceiling for the same tokens."""
    for provider, info in findable(40):
        ceiling = BOOK.ceiling(provider.id)
        rates = model_rates(info.get_prices(AT)).for_input(SHAPES["long"]["input_tokens"])
        for leaf, rate in zip(LEAVES, rates, strict=False):
            limit = ceiling.input_usd_per_mtok if leaf.startswith("input") else ceiling.output_usd_per_mtok
            assert (rate or 0) <= limit


def test_a_leaf_without_any_rate_is_unpriced() -> None:
    """An embedding model that suddenly writes output has no price for it: the whole call is unpriced, not cheap."""
    found = priced("openai", "text-embedding-3-small", SHAPES["text"])
    assert (found["pricing_status"], found["cost_usd"]) == ("unpriced_leaf", None)
    assert (
        priced("openai", "text-embedding-3-small", {"input_tokens": 10, "output_tokens": 0})["cost_usd"] == "0.0000002"
    )


def test_cheap_hours_begin_where_they_begin() -> None:
    """DeepSeek's discount began at 16:30 UTC: a minute before and after differ, in the same UTC hour."""
    day = datetime(2025, 4, 1, 16, 0, tzinfo=UTC)
    before, after = (int((day + timedelta(minutes=minute)).timestamp()) * 1_000_000 for minute in (29, 31))
    data = SHAPES["text"]
    assert Decimal(priced("deepseek", "deepseek-chat", data, before)["cost_usd"]) == 2 * Decimal(
        priced("deepseek", "deepseek-chat", data, after)["cost_usd"]
    )


def test_prices_change_only_between_slots() -> None:
    """Every time of day at which a price changes is a multiple of our slot, so one look-up per slot is enough."""
    for _, info in models():
        if isinstance(info.prices, ModelPrice):
            continue
        for constraint in (conditional.constraint for conditional in info.prices):
            if isinstance(constraint, TimeOfDateConstraint):
                for time in (constraint.start_time, constraint.end_time):
                    assert (time.hour * 3600 + time.minute * 60 + time.second) * 1_000_000 % SLOT_US == 0
                    assert time.utcoffset() == timedelta(0)


def test_no_rate_has_more_than_18_places() -> None:
    """Rates are exact as integers: the condition of law 2 of streams/rating/costs.py."""
    for _, info in models():
        prices = [info.prices] if isinstance(info.prices, ModelPrice) else [some.prices for some in info.prices]
        for rates in map(model_rates, prices):
            for rate in (rate for tier in rates.tiers for rate in tier if rate is not None):
                assert rate.scaleb(18) == int(rate.scaleb(18))


def test_the_served_tier_decides() -> None:
    """Batch is half the price where it is known; an unknown tier costs the standard price, and says `estimated`."""
    slot = AT_US // SLOT_US
    standard, batch = (BOOK.rates("openai", "gpt-4o", tier, slot) for tier in (None, "batch"))
    assert standard is not None
    assert batch is not None
    assert standard.tiers[0][0] == 2 * (batch.tiers[0][0] or 0)
    assert BOOK.rates("openai", "gpt-4o", "gold", slot) == replace(standard, estimated=True)


def test_every_leaf_has_its_rates() -> None:
    """No leaf of the contract is without a chain of rates, in the order of the contract."""
    assert tuple(RATE_KEYS) == LEAVES


def test_caches_are_bounded() -> None:
    """Many invented names of models do not fill the memory."""
    book = PriceBook(cached_names=100)
    for number in range(1000):
        book.rates("openai", f"gpt-4o-{number}", None, 0)
        book.rates("openai", f"invented-{number}", None, 0)
    assert max(len(book._models), len(book._rates), len(book._snapshot._lookup_cache)) <= 100
