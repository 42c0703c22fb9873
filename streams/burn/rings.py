"""Rolling windows as rings of cells in event time, per row of a table; sums are exact and do not depend on order.

Laws
1. A delta adds to the cell of its own event time; what is older than a ring's span leaves that ring alone.
2. A window that ends at `at` is the sum of all cells that overlap (at - window, at]: it never misses a delta of the
   window, and is too high by less than what one cell (`EDGE_ERROR`) before it holds. Aligned, it is exact.
3. A window is covered while its oldest cell is still in the ring; what is not covered must not be judged.
4. Counts of requests in one cell saturate at 2**31 - 1; tokens and money are int64, money with its pico remainder.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.internal import BUCKET_US
from streams.burn.limits import Unit
from streams.burn.table import Column, Slots

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_SEC = 1_000_000


@dataclass(frozen=True, slots=True)
class Ring:
    """Cells of equal width that go round; `first` is the ring's first cell in the row."""

    cell_us: int
    cells: int
    first: int

    @property
    def buckets(self) -> int:
        """How many 10 s buckets a cell holds."""
        return self.cell_us // BUCKET_US


FINE = Ring(10 * _SEC, 36, 0)
SHORT = Ring(150 * _SEC, 28, 36)
MIDDLE = Ring(900 * _SEC, 28, 64)
LONG = Ring(7200 * _SEC, 38, 92)
RINGS = (FINE, SHORT, MIDDLE, LONG)
CELLS = 130

WINDOW_RING = {300: FINE, 1800: SHORT, 3600: SHORT, 7200: MIDDLE, 21600: MIDDLE, 86400: LONG, 259200: LONG}
EDGE_ERROR = {window_sec: ring.cell_us // _SEC for window_sec, ring in WINDOW_RING.items()}
"""Seconds by which a window may reach further back than it says: 5 m: 10 s, 30 m and 1 h: 150 s, 2 h and 6 h: 900 s,
1 d and 3 d: 7200 s."""
SPAN_US = LONG.cell_us * (LONG.cells - 1)

COLUMNS = {
    "newest": Column("int64"),  # the newest 10 s bucket in the row, counted from 1970; 0 = none yet
    "requests": Column("int32", CELLS),
    "tokens": Column("int64", CELLS),
    "micro": Column("int64", CELLS),
    "pico": Column("int32", CELLS),
}
Columns = dict[str, npt.NDArray[np.int64]]
_PICO = 1_000_000
_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Added:
    """Deltas to add: one row each; `bucket` counts 10 s from 1970; (micro, pico) is the cost."""

    slots: Slots
    bucket: Ints
    requests: Ints
    tokens: Ints
    micro: Ints
    pico: Ints


@dataclass(frozen=True, slots=True)
class Sums:
    """What each row burnt in one window; `pico` is normalised; `covered` false where the ring has lost its start."""

    requests: Ints
    tokens: Ints
    micro: Ints
    pico: Ints
    covered: Bools


def add(columns: Columns, added: Added) -> None:
    """The deltas are in their cells; the rows' newest bucket follows. The caller has announced the change."""
    if len(added.slots) == 0:
        return
    added = _sorted(added)
    _advance(columns, added)
    flat = {name: columns[name].reshape(-1) for name in COLUMNS}
    for ring in RINGS:
        runs = _runs(columns, added, ring)
        at = runs.slots * CELLS + ring.first + runs.cell % ring.cells
        flat["tokens"][at] += runs.sums(added.tokens)
        requests = flat["requests"][at] + runs.sums(added.requests)
        flat["requests"][at] = np.clip(requests, -_MOST, _MOST)
        pico = flat["pico"][at] + runs.sums(added.pico)
        flat["micro"][at] += runs.sums(added.micro) + pico // _PICO
        flat["pico"][at] = pico % _PICO


def _sorted(added: Added) -> Added:
    order = np.lexsort((added.bucket, added.slots))
    return Added(
        *(
            values[order]
            for values in (added.slots, added.bucket, added.requests, added.tokens, added.micro, added.pico)
        )
    )


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of sorted deltas that fall into one cell of one row; those too old for the ring are left out."""

    starts: Ints
    kept: Bools
    slots: Slots
    cell: Ints

    def sums(self, values: Ints) -> Ints:
        """The sum of each run."""
        total: Ints = np.add.reduceat(values, self.starts)[self.kept]
        return total


def _runs(columns: Columns, added: Added, ring: Ring) -> _Runs:
    cell = added.bucket // ring.buckets
    changes = np.ones(len(cell), np.bool_)
    changes[1:] = (cell[1:] != cell[:-1]) | (added.slots[1:] != added.slots[:-1])
    starts = np.flatnonzero(changes)
    slots, cell = added.slots[starts], cell[starts]
    kept = cell > columns["newest"][slots] // ring.buckets - ring.cells
    return _Runs(starts, kept, slots[kept], cell[kept])


def _advance(columns: Columns, added: Added) -> None:
    """Cells between the newest bucket so far and the new one are emptied."""
    slots, group = np.unique(added.slots, return_inverse=True)
    before = columns["newest"][slots]
    after = before.copy()
    np.maximum.at(after, group, added.bucket)
    moved = after > before
    slots, before, after = slots[moved], before[moved], after[moved]
    columns["newest"][slots] = after
    for ring in RINGS:
        _empty(columns, ("requests", "tokens", "micro", "pico"), ring, (slots, before, after))


def _empty(columns: Columns, names: tuple[str, ...], ring: Ring, moved: tuple[Slots, Ints, Ints]) -> None:
    slots, before, after = moved
    start, end = before // ring.buckets, after // ring.buckets
    steps = np.minimum(end - start, ring.cells)
    known = before > 0
    for step in range(1, int(steps[known].max(initial=0)) + 1):
        here = known & (steps >= step)
        cell = ring.first + (start[here] + step) % ring.cells
        for name in names:
            columns[name][slots[here], cell] = 0


def cells_of(newest: Ints, ring: Ring) -> Ints:
    """Which cell number (counted from 1970) stands in each place of the ring, per row."""
    head = (newest // ring.buckets)[:, None]
    return head - (head - np.arange(ring.cells)) % ring.cells


def sums(columns: Columns, slots: Slots, *, window_sec: int, at_us: int) -> Sums:
    """What each row burnt in (at - window, at], by law 2."""
    ring = WINDOW_RING[window_sec]
    first, last = window_cells(ring, window_us=window_sec * _SEC, at_us=at_us)
    return sums_of_cells(columns, slots, ring, first=first, last=last)


def sums_of_cells(columns: Columns, slots: Slots, ring: Ring, *, first: int, last: int) -> Sums:
    """What each row burnt in the cells [first, last], counted from 1970."""
    cells = _Cells(columns, slots, ring, first=first, last=last)
    micro, pico = cells.usd()
    return Sums(cells.summed("requests"), cells.summed("tokens"), micro, pico, cells.covered)


class _Cells:
    """The cells [first, last] of some rows; each column is summed only if it is asked for."""

    def __init__(self, columns: Columns, slots: Slots, ring: Ring, *, first: int, last: int) -> None:
        newest = columns["newest"][slots]
        stands = cells_of(newest, ring)
        self._columns, self._slots = columns, slots
        self._inside = (stands >= first) & (stands <= last)
        self._part = slice(ring.first, ring.first + ring.cells)
        self.covered: Bools = newest // ring.buckets - ring.cells < first

    def summed(self, name: str) -> Ints:
        """The sum of a column."""
        total: Ints = np.where(self._inside, self._columns[name][self._slots, self._part], 0).sum(
            axis=1, dtype=np.int64
        )
        return total

    def usd(self) -> tuple[Ints, Ints]:
        """The cost as micro-USD and the remainder in pico-USD."""
        pico = self.summed("pico")
        return self.summed("micro") + pico // _PICO, pico % _PICO


def window_cells(ring: Ring, *, window_us: int, at_us: int) -> tuple[int, int]:
    """The first and last cell that overlap (at - window, at]."""
    return (at_us - window_us) // ring.cell_us, at_us // ring.cell_us


def amounts(columns: Columns, slots: Slots, *, window_sec: int, at_us: int, unit: Unit) -> tuple[Ints, Ints, Bools]:
    """What each row burnt in a window, as pairs (high, low) in the unit (limits.py), and whether it is covered."""
    ring = WINDOW_RING[window_sec]
    first, last = window_cells(ring, window_us=window_sec * _SEC, at_us=at_us)
    cells = _Cells(columns, slots, ring, first=first, last=last)
    if unit == "usd":
        return *cells.usd(), cells.covered
    counts = cells.summed(unit)
    return counts, np.zeros_like(counts), cells.covered
