"""What was billed beside tokens (searches, seconds, pages), row by row: few rows have any.

Law: an amount of units costs amount x rate, rounded once, half to even, to a pico-USD; a unit without a rate costs
None, and so makes its call unpriced.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from schemas.money import MAX_EVENT_COST_USD, PICO_PER_USD, leaf_cost_pico_usd
from streams.rating.columns import Columns
from streams.rating.groups import Ints
from streams.rating.price_rules import Quote
from streams.rating.price_units import AUDIO_SECONDS
from streams.rating.prices import ModelRates, PriceBook


class UnitCharge(NamedTuple):
    """An amount of a unit, its rate in USD per million units and what it costs; None where it has no price."""

    unit: str
    amount: Decimal
    rate: Decimal | None
    cost_pico_usd: int | None


def units_of(columns: Columns) -> dict[int, dict[str, float]]:
    """By row, what was billed beside tokens; rows without any are left out."""
    if columns.missing("units"):
        return {}
    return {row: said for row, said in enumerate(columns.data["units"]) if said}


def cost_of_units(
    used: Mapping[int, Mapping[str, float]], quotes: list[Quote], quote: Ints
) -> dict[int, list[UnitCharge]]:
    """By row, what its units cost at the rates of its quote."""
    return {row: _charges(said, quotes[int(quote[row])].effective) for row, said in used.items()}


def ceiling_of_units(said: Mapping[str, float], book: PriceBook) -> int:
    """The most that units may have cost, in pico-USD: each at the highest rate that any model has for it."""
    highest = book.highest_unit_rates
    return sum(
        leaf_cost_pico_usd(Decimal(repr(amount)), highest.get(unit, Decimal(0))) for unit, amount in said.items()
    )


def _charges(said: Mapping[str, float], rates: ModelRates | None) -> list[UnitCharge]:
    return [_charge(unit, Decimal(repr(amount)), rates) for unit, amount in said.items()]


def _charge(unit: str, amount: Decimal, rates: ModelRates | None) -> UnitCharge:
    rate = None if rates is None else rates.units.get(unit)
    if not amount:
        return UnitCharge(unit, amount, rate, 0)
    if rates is None or rate is None:
        return UnitCharge(unit, amount, None, None)
    billed = max(amount, Decimal(rates.minimum_audio_sec)) if unit in AUDIO_SECONDS else amount
    cost = leaf_cost_pico_usd(billed, rate)
    return UnitCharge(unit, amount, rate, min(cost, MAX_EVENT_COST_USD * PICO_PER_USD))
