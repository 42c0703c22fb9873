"""Sums of the ledger become parts with their own cost: by the book and the rules of their time, exactly."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from schemas.money import usd
from schemas.policies import OnePolicy
from schemas.prices import Discount, PriceOverride
from schemas.usage import LEAVES
from streams.bridge.bridge import Bridge, Cell, Sums, bridge
from streams.bridge.pricing import PRODUCT, Cells, context_steps, rates_then
from streams.rating.price_rules import Prices
from streams.rating.prices import RATE_KEYS
from streams.rating.repricing import repriced
from tests.laws.rating_events import BOOK

AT = datetime(2026, 11, 22, 9, 7, 3, tzinfo=UTC)
STEPS = context_steps(BOOK)
HALF = Fraction(1, 2)
OWN = PriceOverride(
    id="own", org="acme", provider="inhouse", model="*", usd_per_mtok={"input": Decimal("0.3"), "output": Decimal(1)},
    usd_per_request=Decimal("0.001"),
)  # fmt: skip
DEAL = Discount(id="deal", org="acme", provider="openai", percent=Decimal("12.5"))


def call(**said: Any) -> dict[str, Any]:
    """A call as the ledger has it, its totals the sums of its leaves."""
    row: dict[str, Any] = {
        **dict.fromkeys(LEAVES, 0), "ts": AT, "org": "acme", "provider": "openai", "model": "gpt-5.4",
        "service_tier": "", "region": "", "inference_region": "", "units": {}, "gateway_cache_hit": False, "attempt": 1,
        "input_uncached_tokens": 1013, "input_cache_read_tokens": 3077, "output_text_tokens": 307,
        "output_reasoning_tokens": 119,
    }  # fmt: skip
    row |= said
    row["input_tokens"] = sum(row[leaf] for leaf in LEAVES if leaf.startswith("input"))
    row["output_tokens"] = sum(row[leaf] for leaf in LEAVES if leaf.startswith("output"))
    return row


def ledger(calls: Iterable[dict[str, Any]], prices: Prices) -> list[dict[str, Any]]:
    """The calls priced by rating, and summed as `sinks.bridge_questions.sums_between` asks for."""
    rows = list(calls)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row, priced in zip(rows, repriced(rows, prices), strict=True):
        assert priced.cost is not None
        slot = row["ts"].replace(minute=row["ts"].minute // 15 * 15, second=0, microsecond=0)
        keys = {
            "org": row["org"], **{name: row[name] for name in PRODUCT}, "slot": slot,
            "is_retry": row["attempt"] > 1, "from_gateway_cache": row["gateway_cache_hit"],
            "above": sum(row["input_tokens"] > step for step in STEPS), "price_book_version": prices.version,
        }  # fmt: skip
        sums = found.setdefault(
            tuple(keys.values()),
            keys | {"calls": 0, "cost_usd": Decimal(0), "units": defaultdict(float), **dict.fromkeys(LEAVES, 0)},
        )
        sums["calls"] += 1
        sums["cost_usd"] += usd(priced.cost)
        for leaf in LEAVES:
            sums[leaf] += row[leaf]
        for unit, amount in row["units"].items():
            sums["units"][unit] += amount
    return list(found.values())


def side(calls: Iterable[dict[str, Any]], *rules: OnePolicy) -> dict[Cell, Sums]:
    """The cells of calls under the list prices and these rules."""
    prices = Prices(BOOK, rules)  # type: ignore[arg-type]  # only price rules are given
    cells = Cells(STEPS, {prices.version: prices}.__getitem__)
    for row in ledger(calls, prices):
        cells.add(row)
    return cells.side()


def held(before: dict[Cell, Sums], after: dict[Cell, Sums]) -> Bridge:
    """The bridge, with the list prices for what the baseline did not have."""
    return bridge(before, after, rates=rates_then(after, Prices(BOOK), org="acme", at=AT))


MANY = [
    call(),
    call(input_cache_write_5m_tokens=7, input_audio_tokens=11, ts=AT + timedelta(minutes=31)),
    call(input_uncached_tokens=300_001, output_text_tokens=4001),
    call(model="gpt-4o-mini", service_tier="batch", attempt=2),
    call(units={"web_searches": 3.0}),
    call(provider="inhouse", model="northwind-7b"),
    call(provider="deepseek", model="deepseek-chat", input_cache_read_tokens=0),
    call(provider="anthropic", model="claude-sonnet-4-5", inference_region="us"),
    call(gateway_cache_hit=True),
]


@pytest.mark.parametrize("rules", [(OWN,), (OWN, DEAL)], ids=["list", "discount"])
def test_parts_add_up_to_the_ledger_and_explain_all_but_rounding(rules: tuple[OnePolicy, ...]) -> None:
    """Tiers, places, steps, hours, own prices, units, calls of the gateway's cache: half a pico-USD a part is left."""
    found = side(MANY * 3, *rules)
    prices = Prices(BOOK, rules)  # type: ignore[arg-type]  # only price rules are given
    assert sum(sums.cost_pico_usd for sums in found.values()) == 3 * sum(
        one.cost or 0 for one in repriced(MANY, prices)
    )
    for cell, sums in found.items():
        assert abs(sums.rest_pico_usd) <= HALF * sums.calls * len(sums.counts), cell
        assert cell.from_gateway_cache == (not any(sums.costs_pico_usd.values()))
    assert {cell.step for cell in found} == {0, 1}
    assert {cell.is_retry for cell in found} == {False, True}


def test_longer_inputs_that_pass_a_step_are_input_length() -> None:
    """A long context that costs more per token does so because of its length, though the baseline had none."""
    found = held(side([call()]), side([call(input_uncached_tokens=400_000)]))
    moved = {driver for driver, term in found.terms_pico_usd.items() if abs(term) > len(RATE_KEYS)}
    assert moved == {"input_length"}
    assert sum(found.terms_pico_usd.values()) == found.difference_pico_usd


def test_a_discount_is_price_and_another_model_is_model_mix() -> None:
    """Each to the rounding of the calls' parts; both at once are two terms."""
    for after, rules, drivers in (
        ([call()] * 4, (DEAL,), {"price"}),
        ([call(model="gpt-4o")] * 4, (), {"model_mix"}),
        ([call(model="gpt-4o")] * 4, (DEAL,), {"model_mix", "price"}),
    ):
        found = held(side([call()] * 4), side(after, *rules))
        assert {driver for driver, term in found.terms_pico_usd.items() if abs(term) > 100} == drivers
        assert sum(found.terms_pico_usd.values()) == found.difference_pico_usd


def test_prices_that_do_not_explain_a_cost_are_other() -> None:
    """What the ledger has and the prices known do not say stays visible."""
    cells = Cells(STEPS, lambda _version: Prices(BOOK))
    (row,) = ledger([call()], Prices(BOOK))
    cells.add(row | {"cost_usd": row["cost_usd"] + Decimal("0.5"), "model": "nobody-knows-it"})
    found = cells.side()
    assert [sums.rest_pico_usd for sums in found.values()] == [sum(sums.cost_pico_usd for sums in found.values())]
