"""Sums of the ledger as cells of the bridge: what each part of the calls cost, by the price book of their time. Pure.

The ledger has one cost per call. A row here is the sum of calls whose price is one (same product, quarter of an hour,
price book, step of the price for long contexts), so tokens x rate is what each part of them cost: exactly but for the
rounding of each call's parts to a pico-USD, which stays in `rest` with all else that these prices do not explain.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from genai_prices.types import TieredPrices

from schemas.money import PICO_PER_USD, pico_usd
from schemas.usage import LEAVES
from streams.bridge.bridge import Cell, Rates, Side, Sums
from streams.bridge.parts import CALL
from streams.rating.price_rules import Prices, Question
from streams.rating.prices import PARTS, SLOT_US, ModelRates, PriceBook

Json = Mapping[str, Any]
Flat = tuple[Decimal | None, ...]
_NO_RATES: Flat = (None,) * len(PARTS)
PRODUCT = ("provider", "model", "service_tier", "inference_region", "region")
"""What tells products apart: the names of a cell's `product`, as columns of the ledger."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TINY = 10**12
"""Of a pico-USD: rates of at most 18 places per million tokens are whole numbers of it per token."""


def context_steps(book: PriceBook) -> tuple[int, ...]:
    """Every number of input tokens above which any model of the book has another price, ascending."""
    found: set[int] = set()
    for info in (info for owner in book.providers for info in owner.models):
        dated = info.prices if isinstance(info.prices, list) else [info.prices]
        prices = [getattr(some, "prices", some) for some in (*dated, *(info.price_variants or ()))]
        for rate in (rate for price in prices for rate in vars(price).values()):
            if isinstance(rate, TieredPrices):
                found |= {tier.start for tier in rate.tiers}
    return tuple(sorted(found))


@dataclass
class _Gathered:
    calls: int = 0
    ledger_pico_usd: int = 0
    counts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    tiny_usd: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    units: defaultdict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    units_pico_usd: defaultdict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))


class Cells:
    """The cells of one period, gathered row by row; `prices_of` finds the prices by `price_book_version`."""

    def __init__(self, steps: tuple[int, ...], prices_of: Callable[[str], Prices]) -> None:
        self._steps = steps
        self._prices_of = prices_of
        self._found: defaultdict[Cell, _Gathered] = defaultdict(_Gathered)
        self._tiny: dict[int, tuple[Flat, Mapping[str, int]]] = {}

    def add(self, row: Json) -> None:
        """A row is part of the cells.

        Its columns: `org`, those of PRODUCT, `slot` (aware), `price_book_version`, `is_retry`, `from_gateway_cache`,
        `above` (how many of the steps its input exceeds), `calls`, LEAVES, `units`, `cost_usd`.
        """
        least = _least_input(self._steps, row["above"])
        product = tuple(str(row[name]) for name in PRODUCT)
        rates = rates_of(row, self._prices_of)
        step = 0 if rates is None else sum(least > start for start in rates.starts)
        cached = bool(row["from_gateway_cache"])
        sums = self._found[Cell(bool(row["is_retry"]), product, cached, step)]
        calls = int(row["calls"])
        sums.calls += calls
        sums.ledger_pico_usd += pico_usd(row["cost_usd"])
        tiny = self._tiny_usd(_NO_RATES if rates is None or cached else rates.for_input(least))
        for part, count in ((CALL, calls), *((leaf, row[leaf]) for leaf in LEAVES)):
            if count:
                sums.counts[part] += count
                sums.tiny_usd[part] += count * tiny[part]
        for unit, amount in dict(row["units"] or {}).items():
            exact = Fraction(Decimal(repr(float(amount))))
            sums.units[unit] += exact
            sums.units_pico_usd[unit] += exact * (Fraction(0) if cached else _unit_pico_usd(rates, unit))

    def _tiny_usd(self, flat: Flat) -> Mapping[str, int]:
        """What one of each part costs at flat rates; made once for each, which is kept so that its id is its own."""
        known = self._tiny.get(id(flat))
        if known is None:
            known = self._tiny[id(flat)] = (
                flat,
                {part: _tiny_usd(part, rate) for part, rate in zip(PARTS, flat, strict=True)},
            )
        return known[1]

    def side(self) -> dict[Cell, Sums]:
        """What was gathered."""
        found = {}
        for cell, gathered in self._found.items():
            costs = {part: Fraction(tiny, _TINY) for part, tiny in gathered.tiny_usd.items()} | gathered.units_pico_usd
            rest = gathered.ledger_pico_usd - sum(costs.values(), Fraction(0))
            counts = {part: Fraction(count) for part, count in gathered.counts.items()} | gathered.units
            found[cell] = Sums(gathered.calls, counts, costs, rest)
        return found


def rates_of(row: Json, prices_of: Callable[[str], Prices]) -> ModelRates | None:
    """The rates of a row's calls, by the book and the rules of its time; None where they know none."""
    product = tuple(str(row[name]) for name in PRODUCT)
    slot = (row["slot"] - _EPOCH) // timedelta(microseconds=SLOT_US)
    return prices_of(row["price_book_version"]).quote(_question(row["org"], product, slot)).effective


def flat_rates(row: Json, steps: tuple[int, ...], prices_of: Callable[[str], Prices]) -> Flat:
    """The rates of a row's calls in the order of PARTS, USD per million tokens, for inputs as long as theirs."""
    rates = rates_of(row, prices_of)
    return _NO_RATES if rates is None else rates.for_input(_least_input(steps, row["above"]))


def rates_then(after: Side, prices: Prices, *, org: str, at: datetime) -> Rates:
    """What each part of these cells would have cost at `at`, the end of the baseline; without what nobody knows."""
    slot = (at - _EPOCH) // timedelta(microseconds=SLOT_US)
    found: dict[tuple[Cell, str], Fraction] = {}
    for cell, sums in after.items():
        rates = prices.quote(_question(org, cell.product, slot)).effective
        if rates is None:
            continue
        flat = rates.tiers[min(cell.step, len(rates.tiers) - 1)]
        for part in sums.counts:
            rate = flat[PARTS.index(part)] if part in PARTS else None
            if cell.from_gateway_cache:
                found[cell, part] = Fraction(0)
            elif rate is not None:
                found[cell, part] = Fraction(_tiny_usd(part, rate), _TINY)
            elif part in rates.units:
                found[cell, part] = _unit_pico_usd(rates, part)
    return found


def _least_input(steps: tuple[int, ...], above: int) -> int:
    """The least input that exceeds so many of the steps."""
    return steps[above - 1] + 1 if above else 0


def _question(org: str, product: tuple[str, ...], slot: int) -> Question:
    provider, model, tier, inference_region, region = product
    return Question(
        org=org,
        provider=provider,
        model=model,
        tier=tier or None,
        inference_region=inference_region or None,
        region=region or None,
        slot=slot,
    )


def _tiny_usd(part: str, rate: Decimal | None) -> int:
    """The rate of one token in 1e-24 USD; that of the call itself is stated per thousand calls."""
    if rate is None:
        return 0
    return int((rate * 1000 if part == CALL else rate).scaleb(18))


def _unit_pico_usd(rates: ModelRates | None, unit: str) -> Fraction:
    rate = None if rates is None else rates.units.get(unit)
    return Fraction(0) if rate is None else Fraction(rate) * PICO_PER_USD / 1_000_000
