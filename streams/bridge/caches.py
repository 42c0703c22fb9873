"""What prompt caches of providers saved, and what filling them cost, beside the price of the same tokens uncached.

Laws
1. Saved is what the tokens that were read would have cost more as uncached input; paid is what those that were written
   cost more. Both by the rates of their time; the return is saved less paid.
2. Nobody knows what else would have been sent without a cache: this is no forecast. Tokens without a known rate are
   counted apart, in neither sum.
3. What a gateway answered from its own cache cost nothing, and is left out. Pure.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from schemas.usage import LEAVES
from streams.bridge.pricing import flat_rates
from streams.rating.price_rules import Prices
from streams.rating.prices import PARTS

READ = "input_cache_read_tokens"
WRITTEN = tuple(leaf for leaf in LEAVES if leaf.startswith("input_cache_write_"))
_UNCACHED = PARTS.index("input_uncached_tokens")
_PICO_PER_TOKEN = 10**6
"""Of a rate of 1 USD per million tokens."""


@dataclass
class CacheReturn:
    """Tokens read and written, of which `unknown_tokens` have no known rate; the rest in pico-USD, exactly."""

    read_tokens: int = 0
    written_tokens: int = 0
    unknown_tokens: int = 0
    saved_pico_usd: Fraction = Fraction(0)
    paid_pico_usd: Fraction = Fraction(0)

    @property
    def return_pico_usd(self) -> Fraction:
        """Below zero where more was paid for writing than reading saved."""
        return self.saved_pico_usd - self.paid_pico_usd


class CacheReturns:
    """Returns by (provider, model), gathered from rows as `Cells` takes them."""

    def __init__(self, steps: tuple[int, ...], prices_of: Callable[[str], Prices]) -> None:
        self._steps = steps
        self._prices_of = prices_of
        self._found: defaultdict[tuple[str, str], CacheReturn] = defaultdict(CacheReturn)

    def add(self, row: Mapping[str, Any]) -> None:
        """A row counts, where it used a cache."""
        counts = {leaf: int(row[leaf]) for leaf in (READ, *WRITTEN) if row[leaf]}
        if row["from_gateway_cache"] or not counts:
            return
        found = self._found[str(row["provider"]), str(row["model"])]
        flat = flat_rates(row, self._steps, self._prices_of)
        for leaf, count in counts.items():
            dearer = _dearer(flat[PARTS.index(leaf)], flat[_UNCACHED])
            if leaf == READ:
                found.read_tokens += count
            else:
                found.written_tokens += count
            if dearer is None:
                found.unknown_tokens += count
            elif leaf == READ:
                found.saved_pico_usd -= count * dearer
            else:
                found.paid_pico_usd += count * dearer

    def lines(self) -> dict[tuple[str, str], CacheReturn]:
        """What was gathered, the greatest return first."""
        return dict(sorted(self._found.items(), key=lambda one: (-one[1].return_pico_usd, one[0])))


def _dearer(rate: Decimal | None, uncached: Decimal | None) -> Fraction | None:
    """Pico-USD by which a token costs more than an uncached one."""
    return None if rate is None or uncached is None else Fraction(rate - uncached) * _PICO_PER_TOKEN
