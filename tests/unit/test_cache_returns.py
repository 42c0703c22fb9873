"""What caches returned is what rating would have charged without them, less what it charged."""

from typing import Any

from streams.bridge.caches import READ, WRITTEN, CacheReturns
from streams.rating.price_rules import Prices
from streams.rating.repricing import repriced
from tests.laws.rating_events import BOOK
from tests.unit.test_bridge_pricing import STEPS, call, ledger

PRICES = Prices(BOOK)
CLAUDE: dict[str, Any] = {"provider": "anthropic", "model": "claude-sonnet-4-5"}
CALLS = [
    call(),
    call(**CLAUDE, input_cache_write_5m_tokens=700, input_cache_write_1h_tokens=90, input_cache_read_tokens=0),
    call(**CLAUDE, input_cache_read_tokens=211_003),  # dearer for its length
]
LOOK_ALIKES = [
    call(gateway_cache_hit=True),
    call(input_cache_read_tokens=0),
]


def uncached(row: dict[str, Any]) -> dict[str, Any]:
    """The call as if nothing had come from a cache or been put into one."""
    leaves = (READ, *WRITTEN)
    everything = row["input_uncached_tokens"] + sum(row[leaf] for leaf in leaves)
    return row | dict.fromkeys(leaves, 0) | {"input_uncached_tokens": everything}


def costs(rows: list[dict[str, Any]]) -> int:
    """What rating charges for calls, in pico-USD."""
    return sum(priced.cost or 0 for priced in repriced(rows, PRICES))


def gathered(rows: list[dict[str, Any]]) -> CacheReturns:
    """The returns of calls, as the ledger sums them."""
    found = CacheReturns(STEPS, {PRICES.version: PRICES}.__getitem__)
    for row in ledger(rows, PRICES):
        found.add(row)
    return found


def test_a_return_is_the_difference_to_the_same_calls_uncached() -> None:
    """To the pico-dollar, by model, with what writing cost more."""
    found = gathered(CALLS).lines()
    for key, line in found.items():
        own = [row for row in CALLS if (row["provider"], row["model"]) == key]
        assert line.return_pico_usd == costs([uncached(row) for row in own]) - costs(own)
    claude = found["anthropic", "claude-sonnet-4-5"]
    assert (claude.read_tokens, claude.written_tokens, claude.unknown_tokens) == (211_003, 790, 0)
    assert claude.paid_pico_usd > 0
    assert list(found) == sorted(found, key=lambda key: -found[key].return_pico_usd)


def test_what_used_no_cache_or_has_no_price_returned_nothing() -> None:
    """A gateway's own cache is none of the provider's; tokens without a rate are counted, in no sum."""
    assert gathered(LOOK_ALIKES).lines() == {}
    row = ledger([call()], PRICES)[0] | {"provider": "inhouse", "model": "northwind-7b"}
    found = CacheReturns(STEPS, {PRICES.version: PRICES}.__getitem__)
    found.add(row)
    [line] = found.lines().values()
    assert (line.read_tokens, line.unknown_tokens) == (3077, 3077)
    assert line.return_pico_usd == 0
