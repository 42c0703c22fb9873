"""Exact costs of many events at once, in pico-USD, equal to `schemas.money.leaf_cost_pico_usd` leaf by leaf.

Laws
1. cost of a leaf = tokens x rate, rounded once, half to even, to a pico-USD; an event costs the sum of its leaves.
2. A rate in USD per million tokens is, in pico-USD per token, whole + fraction / 10**12: both exact integers, because
   no rate has more than 18 places. Where tokens x fraction leaves int64, Python's integers take over.
3. An event of 10**6 USD or more is `too_large`; its numbers mean nothing. Everything below fits an int64.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.money import MAX_EVENT_COST_USD, PICO_PER_MICRO, PICO_PER_USD, leaf_cost_pico_usd
from streams.rating.groups import Ints

Bools = npt.NDArray[np.bool_]
MAX_EVENT_COST_PICO_USD = MAX_EVENT_COST_USD * PICO_PER_USD
_SCALE = 10**12
_SURELY_TOO_LARGE = 2.0 * MAX_EVENT_COST_PICO_USD
_INT64 = 2.0**62
_PER_CALL = Decimal(1000)
"""A rate per thousand calls times this is one per million."""


@dataclass(frozen=True)
class RateTable:
    """Rates as integers, one row per flat rate; `known` is false where a part has no rate."""

    whole: npt.NDArray[np.int64]
    fraction: npt.NDArray[np.int64]
    known: Bools
    exact: tuple[tuple[Decimal | None, ...], ...]


@dataclass(frozen=True)
class Costs:
    """What each row costs: `parts` per leaf (and call), `total` their sum."""

    parts: npt.NDArray[np.int64]  # rows x parts
    total: Ints
    incomplete: Bools  # a part that was used has no rate
    too_large: Bools


def rate_table(rates: Sequence[tuple[Decimal | None, ...]], parts: int) -> RateTable:
    """The table of flat rates, USD per million (the last part: per thousand calls)."""
    whole = np.zeros((len(rates), parts), np.int64)
    fraction = np.zeros((len(rates), parts), np.int64)
    known = np.zeros((len(rates), parts), np.bool_)
    rows = [_row(row, parts) for row in rates]
    for at, row in enumerate(rows):
        whole[at], fraction[at], known[at] = row.whole, row.fraction, row.known
    return RateTable(whole, fraction, known, tuple(row.exact for row in rows))


class _Row(NamedTuple):
    whole: list[int]
    fraction: list[int]
    known: list[bool]
    exact: tuple[Decimal | None, ...]


@lru_cache(maxsize=4096)
def _row(rates: tuple[Decimal | None, ...], parts: int) -> _Row:
    """The row of a flat rate: the same few come in every batch."""
    exact = tuple(_per_million(rate, part, parts) for part, rate in enumerate(rates))
    pairs = [(0, 0) if rate is None else _as_integers(rate) for rate in exact]
    return _Row([whole for whole, _ in pairs], [rest for _, rest in pairs], [rate is not None for rate in exact], exact)


def _per_million(rate: Decimal | None, part: int, parts: int) -> Decimal | None:
    """The rate per million; a model that names no price for the call itself takes none."""
    return (rate or Decimal(0)) * _PER_CALL if part == parts - 1 else rate


def _as_integers(rate_usd_per_mtok: Decimal) -> tuple[int, int]:
    """(whole, fraction) of a rate (law 2)."""
    return divmod(int(rate_usd_per_mtok.scaleb(12 + 6)), _SCALE)


def cost_of(counts: npt.NDArray[np.int64], rate: Ints, table: RateTable) -> Costs:
    """The costs of rows with `counts` (rows x parts, none negative) at the flat rates numbered `rate`."""
    parts = np.zeros(counts.shape, np.int64)
    incomplete = np.zeros(len(counts), np.bool_)
    estimate = np.zeros(len(counts), np.float64)
    for part in np.flatnonzero(counts.any(axis=0)).tolist():
        count, whole, fraction = counts[:, part], table.whole[:, part].take(rate), table.fraction[:, part].take(rate)
        incomplete |= (count > 0) & ~table.known[:, part].take(rate)
        about = count * (whole + fraction / _SCALE)
        estimate += about
        fits = about < _SURELY_TOO_LARGE
        parts[:, part] = np.where(fits, count, 0) * whole
        if fraction.any():
            parts[:, part] = _with_fraction(parts[:, part], np.where(fits, count, 0), rate, table, part)
    too_large = estimate >= _SURELY_TOO_LARGE
    total = parts.sum(axis=1)
    total[too_large] = 0
    return Costs(parts, total, incomplete, too_large | (total >= MAX_EVENT_COST_PICO_USD))


def _with_fraction(whole: Ints, count: Ints, rate: Ints, table: RateTable, part: int) -> Ints:
    """Whole pico-USD of one part with the fractions added and rounded once, half to even."""
    fraction = table.fraction[rate, part]
    wide = count.astype(np.float64) * fraction >= _INT64
    more, rest = np.divmod(np.where(wide, 0, count) * fraction, _SCALE)
    cost: Ints = whole + more
    cost += (2 * rest > _SCALE) | ((2 * rest == _SCALE) & (cost % 2 == 1))
    for row in np.flatnonzero(wide).tolist():
        exact = table.exact[rate[row]][part]
        if exact is not None:
            cost[row] = leaf_cost_pico_usd(int(count[row]), exact)
    return cost


def split(pico_usd: Ints) -> tuple[Ints, Ints]:
    """(micro-USD, pico remainder) of each amount."""
    micro, remainder = np.divmod(pico_usd, PICO_PER_MICRO)
    return micro, remainder
