"""Columns of codes: what distinct values a column has, and which rows share a combination of them.

Codes count up in the order of the sorted values, so that whatever is ordered by codes is ordered by values.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
_DENSE = 4
"""A key space up to this many times the number of rows is counted in a table instead of sorted."""
_MAX_SPACE = 2**62


@dataclass(frozen=True)
class Codes:
    """A column as codes into its distinct values, sorted; -1 where the row has none."""

    codes: Ints
    values: list[str]

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which rows have a value."""
        return self.codes >= 0


class CodedRows(Protocol):
    """Rows that sums and matches are made of, wherever they come from: event times, and columns of names as codes."""

    @property
    def rows(self) -> int:
        """How many there are."""
        ...

    @property
    def event_us(self) -> Ints:
        """Event times in microseconds since 1970."""
        ...

    def codes(self, name: str) -> Codes:
        """A column of strings as codes."""
        ...


def codes_of(column: pa.Array) -> Codes:
    """The codes of a column of strings."""
    encoded = column.dictionary_encode()
    values: list[str] = encoded.dictionary.to_pylist()
    if not values:
        return Codes(np.full(len(column), -1, np.int64), [])
    order = sorted(range(len(values)), key=values.__getitem__)
    rank = np.empty(len(values) + 1, np.int64)
    rank[order] = np.arange(len(values))
    rank[-1] = -1
    indices = encoded.indices.fill_null(-1) if encoded.indices.null_count else encoded.indices
    return Codes(rank[indices.to_numpy(zero_copy_only=False)], [values[at] for at in order])


def combine(*columns: tuple[Ints, int]) -> tuple[Ints, int]:
    """One key per row from several (codes, how many there are), ordered as the columns are, first one first."""
    key, space = columns[0]
    for codes, size in columns[1:]:
        if space * size >= _MAX_SPACE:
            distinct, key = groups_of(key, space)
            space = len(distinct)
        key, space = key * size + codes, space * size
    return key, space


def from_zero(numbers: Ints) -> tuple[Ints, int]:
    """Numbers (at least one) as codes that begin at zero, and how many codes there may be."""
    low = int(numbers.min())
    return numbers - low, int(numbers.max()) - low + 1


def groups_of(key: Ints, space: int) -> tuple[Ints, Ints]:
    """(the distinct keys, ascending; for each row which of them it has)."""
    if space <= _DENSE * len(key) + 1024:
        seen = np.zeros(space, np.bool_)
        seen[key] = True
        distinct = np.flatnonzero(seen)
        place = np.empty(space, np.int64)
        place[distinct] = np.arange(len(distinct))
        return distinct, place.take(key)
    distinct, group = np.unique(key, return_inverse=True)
    return distinct, group


@dataclass(frozen=True)
class Runs:
    """Rows arranged so that those of a group stand together: `order` of rows, `starts` of the groups in it."""

    order: Ints
    starts: Ints

    @property
    def first(self) -> Ints:
        """The first row of each group."""
        return self.order[self.starts]

    def sums(self, column: Ints) -> Ints:
        """The exact sums per group of a column that is arranged already."""
        return np.add.reduceat(column, self.starts)


def runs_of(group: Ints, groups: int) -> Runs:
    """The rows by their group; every group has a row."""
    # Few groups are sorted by digits, which takes no comparisons.
    order = np.argsort(group.astype(np.uint16) if groups <= 2**16 else group, kind="stable")
    starts = np.zeros(groups, np.int64)
    np.cumsum(np.bincount(group, minlength=groups)[:-1], out=starts[1:])
    return Runs(order, starts)


def first_rows(group: Ints, groups: int) -> Ints:
    """A row of each group: its first."""
    rows = np.empty(groups, np.int64)
    rows[group[::-1]] = np.arange(len(group) - 1, -1, -1)
    return rows
