"""What budgets have spent, in two parts: what has a price, and what the rest may have cost at most. Pure.

Laws
1. Both parts are exact sums, in any order; `with_estimates` is their sum and nothing else.
2. Only budgets of unit usd have estimates: tokens and requests are counted, whatever they cost.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.money import PICO_PER_MICRO
from streams.burn.deltas import Deltas
from streams.burn.limits import Pair, Unit

Ints = npt.NDArray[np.int64]
_UNITS: tuple[Unit, ...] = ("usd", "tokens", "requests")


@dataclass(frozen=True, slots=True)
class Spent:
    """What one budget has spent in one period."""

    priced: Pair
    with_estimates: Pair

    @property
    def estimated(self) -> Pair:
        """What stands in `with_estimates` beside `priced`: micro-USD and pico remainder."""
        high = self.with_estimates[0] - self.priced[0]
        low = self.with_estimates[1] - self.priced[1]
        return (high + low // PICO_PER_MICRO, low % PICO_PER_MICRO)


def spent_of(high: int, low: int, estimated_high: int, estimated_low: int) -> Spent:
    """What one row's numbers say; arrays of one take ten times as long."""
    carry, rest = divmod(low + estimated_low, PICO_PER_MICRO)
    return Spent((high, low), (high + estimated_high + carry, rest))


NOTHING = Spent((-1, 0), (-1, 0))
"""Less than any threshold needs."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Columns of amounts: pairs of what has a price, and pairs of estimates (micro-USD, pico remainder)."""

    high: Ints
    low: Ints
    estimated_high: Ints
    estimated_low: Ints

    def __add__(self, other: "Amounts") -> "Amounts":
        """Row by row, normalised."""
        high, low = carried(self.high + other.high, self.low + other.low)
        more = (self.estimated_high + other.estimated_high, self.estimated_low + other.estimated_low)
        return Amounts(high, low, *carried(*more))

    def where(self, wanted: npt.NDArray[np.bool_]) -> "Amounts":
        """Nothing in the rows that are not wanted."""
        return Amounts(*(np.where(wanted, column, 0) for column in self.columns()))

    def columns(self) -> tuple[Ints, Ints, Ints, Ints]:
        """The numbers, in the order of the fields."""
        return self.high, self.low, self.estimated_high, self.estimated_low

    def with_estimates(self) -> tuple[Ints, Ints]:
        """Both parts together, as pairs."""
        return carried(self.high + self.estimated_high, self.low + self.estimated_low)

    def at(self, row: int) -> Spent:
        """One row."""
        high, low = self.with_estimates()
        return Spent((int(self.high[row]), int(self.low[row])), (int(high[row]), int(low[row])))


def amounts(deltas: Deltas, rows: Ints, units: Ints) -> Amounts:
    """What each of these rows adds, in the unit of its budget; `units` are the numbers of `unit_number`."""
    usd = units == 0
    high = np.where(usd, deltas.micro[rows], np.where(units == 1, deltas.tokens[rows], deltas.requests[rows]))
    estimated = (deltas.ceiling_micro[rows], deltas.ceiling_pico[rows])
    return Amounts(high, np.where(usd, deltas.pico[rows], 0), *(np.where(usd, column, 0) for column in estimated))


def unit_number(unit: Unit) -> int:
    """The number that stands for a unit in columns."""
    return _UNITS.index(unit)


def carried(high: Ints, low: Ints) -> tuple[Ints, Ints]:
    """Sums of pairs as pairs."""
    return high + low // PICO_PER_MICRO, low % PICO_PER_MICRO
