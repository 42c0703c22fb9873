"""Keyed rows of numbers as numpy columns, in pages that can be written as of one moment while the rows move on.

Laws
1. `will_change` is called before a row changes, is added or freed; then a page taken after `mark` is as of `mark`.
2. Freed rows are zero again and are given out anew, lowest first: the same history makes the same rows.
3. A page's bytes are a function of its keys and numbers alone; no pickle, no addresses.
"""

import heapq
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import lz4.block
import msgspec
import numpy as np
import numpy.typing as npt

Slots = npt.NDArray[np.int64]
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Column:
    """The type of a column and how many numbers each row has in it; 0 = one, without a second axis."""

    dtype: str
    width: int = 0

    def bytes_per_row(self) -> int:
        """What a row takes in memory."""
        return np.dtype(self.dtype).itemsize * max(1, self.width)

    def shape(self, rows: int) -> tuple[int, ...]:
        """The shape of so many rows."""
        return (rows, self.width) if self.width else (rows,)


class PageBytes(msgspec.Struct, array_like=True):
    """A page as it is written: keys of its rows (None where free) and each column's bytes, lz4."""

    rows: int
    keys: list[Any]
    columns: dict[str, bytes]


class Table(Generic[K]):
    """Rows found by key; `columns` are replaced when the table grows, so look them up anew each time."""

    def __init__(self, columns: Mapping[str, Column], *, page_rows: int) -> None:
        self.spec = dict(columns)
        self.page_rows = page_rows
        self.slots: dict[K, int] = {}
        self.keys: list[K | None] = []
        self.free: list[int] = []
        self.columns: dict[str, npt.NDArray[Any]] = {name: np.zeros(c.shape(0), c.dtype) for name, c in columns.items()}
        self._unwritten: set[int] = set()
        self._aside: dict[int, PageBytes] = {}

    def __len__(self) -> int:
        """How many rows there are, free ones among them."""
        return len(self.keys)

    def column(self, name: str) -> npt.NDArray[Any]:
        """The numbers of a column, rows in use and free ones only."""
        return self.columns[name][: len(self.keys)]

    def slot(self, key: K) -> int:
        """The row of a key; a fresh row of zeros where there was none."""
        found = self.slots.get(key)
        if found is not None:
            return found
        if self.free:
            slot = heapq.heappop(self.free)
            self.will_change(np.array([slot]))
            self.keys[slot] = key
        else:
            slot = len(self.keys)
            self.will_change(np.array([slot]))
            self._reserve(slot + 1)
            self.keys.append(key)
        self.slots[key] = slot
        return slot

    def remove(self, slots: Sequence[int]) -> None:
        """These rows are free and zero."""
        self.will_change(np.asarray(slots, np.int64))
        for slot in slots:
            key = self.keys[slot]
            if key is None:
                continue
            del self.slots[key]
            self.keys[slot] = None
            heapq.heappush(self.free, slot)
            for column in self.columns.values():
                column[slot] = 0

    def will_change(self, slots: Slots) -> None:
        """Pages of these rows that are marked and not yet written are copied aside; call before each change."""
        if not self._unwritten:
            return
        touched = np.unique(slots // self.page_rows).tolist()
        for page in touched:
            if page in self._unwritten and page not in self._aside:
                self._aside[page] = self.read(page)

    def mark(self) -> int:
        """Every page is marked as of now; how many there are."""
        self._unwritten = set(range(self.pages()))
        self._aside = {}
        return self.pages()

    def pages(self) -> int:
        """How many pages there are now."""
        return -(-len(self.keys) // self.page_rows)

    def take(self, page: int) -> PageBytes:
        """The page as of `mark`, taken once."""
        taken = self._aside.pop(page, None) or self.read(page)
        self._unwritten.discard(page)
        return PageBytes(
            taken.rows,
            taken.keys,
            {name: lz4.block.compress(raw, mode="fast", acceleration=4) for name, raw in taken.columns.items()},
        )

    def restore(self, pages: Sequence[PageBytes]) -> None:
        """The table is what it was when these pages, all of one round in order, were marked.

        Into a fresh table: a column that the pages do not have (an older layout) is zero.
        """
        rows = sum(page.rows for page in pages)
        self.keys = []
        self._reserve(rows)
        for page in pages:
            first = len(self.keys)
            for name, column in self.spec.items():
                if name not in page.columns:
                    continue
                raw = lz4.block.decompress(page.columns[name])
                self.columns[name][first : first + page.rows] = np.frombuffer(raw, column.dtype).reshape(
                    column.shape(page.rows)
                )
            self.keys.extend(tuple(key) if key is not None else None for key in page.keys)  # type: ignore[misc]  # keys are tuples
        self.slots = {key: slot for slot, key in enumerate(self.keys) if key is not None}
        self.free = [slot for slot, key in enumerate(self.keys) if key is None]

    def read(self, page: int) -> PageBytes:
        """The page as it is now, not compressed."""
        first = page * self.page_rows
        last = min(len(self.keys), first + self.page_rows)
        columns = {name: column[first:last].tobytes() for name, column in self.columns.items()}
        return PageBytes(last - first, list(self.keys[first:last]), columns)

    def _reserve(self, rows: int) -> None:
        held = next(iter(self.columns.values())).shape[0]
        if rows <= held:
            return
        capacity = max(rows, held + held // 2, self.page_rows)
        for name, column in self.spec.items():
            grown = np.zeros(column.shape(capacity), column.dtype)
            grown[:held] = self.columns[name]
            self.columns[name] = grown
