"""Columns of text: a code for each row into distinct values. Made once of Python's strings; all else is numpy.

A batch of few rows is coded by Python and goes to Arrow as plain text, a large one by Arrow and as a dictionary: what
Arrow takes for a column is 20 us however short it is, and there are dozens of columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.internal import CODED_ROWS
from streams.rating.groups import Codes, Ints

_ARROW = pa.dictionary(pa.int32(), pa.string())
_CODED_SHARE = 0.5
"""A column with more distinct values than this share of its rows is longer as a dictionary than without."""


@dataclass(frozen=True)
class Text:
    """A column of text; code -1 is nothing. Values may repeat, and some may be in no row."""

    codes: npt.NDArray[np.int32]
    held: "pa.StringArray | list[str]"

    @cached_property
    def values(self) -> pa.StringArray:
        """What the codes stand for."""
        return pa.array(self.held, pa.string()) if isinstance(self.held, list) else self.held

    @cached_property
    def names(self) -> list[str]:
        """The values, as Python has them."""
        return self.held if isinstance(self.held, list) else self.held.to_pylist()

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which rows have a value."""
        return self.codes >= 0

    def words(self) -> list[str | None]:
        """What each row says."""
        return words([*self.names, None], self.codes)

    def renamed(self, values: list[str]) -> "Text":
        """The column with other values in the place of these."""
        return Text(self.codes, values)

    def arrow(self, rows: Ints | None = None) -> pa.Array:
        """The column, or some rows of it, for Arrow: as a dictionary where that is shorter."""
        codes = self.codes if rows is None else self.codes.take(rows)
        if len(codes) < CODED_ROWS and isinstance(self.held, list):
            return pa.array(words([*self.held, None], codes), pa.string())
        missing = codes < 0
        indices = pa.array(codes, mask=missing) if missing.any() else pa.array(codes)
        if len(self.values) > _CODED_SHARE * len(codes):
            return self.values.take(indices)
        return pa.DictionaryArray.from_arrays(indices, self.values)


def text_of(column: Sequence[str | None]) -> Text:
    """A column of Python's strings."""
    if len(column) < CODED_ROWS:
        place: dict[str, int] = {}
        codes = [-1 if word is None else place.setdefault(word, len(place)) for word in column]
        return Text(np.array(codes, np.int32), list(place))
    coded = pa.array(column, _ARROW)
    indices = coded.indices.fill_null(-1) if coded.null_count else coded.indices
    return Text(indices.to_numpy(zero_copy_only=False), coded.dictionary)


def nothing(rows: int) -> Text:
    """A column that says nothing."""
    return Text(np.full(rows, -1, np.int32), [])


def spread(said: Sequence[str | None], group: Ints, *, but: str = "", own: Text | None = None) -> Text:
    """A column whose row i has the word of group `group[i]`; where that is `but`, the word of its `own`."""
    keeps = own is not None and but in said
    held = own.names if own is not None and keeps else []
    values = sorted({word for word in said if word is not None and not (keeps and word == but)})
    place = {word: at for at, word in enumerate(values, len(held))}
    codes = np.array([-1 if word is None else place.get(word, -2) for word in said], np.int32).take(group)
    if own is not None and keeps:
        codes = np.where(codes == -2, own.codes, codes)
    return Text(codes, [*held, *values])


def sorted_codes(text: Text) -> Codes:
    """The column with codes in the order of its values, each once."""
    values = sorted(set(text.names))
    place = {value: at for at, value in enumerate(values)}
    rank = np.array([*(place[value] for value in text.names), -1], np.int64)
    return Codes(rank.take(text.codes), values)


def words(values: Sequence[str | None], codes: npt.NDArray[np.integer]) -> list[str | None]:
    """The values that these codes stand for; -1 is the last one."""
    return [values[at] for at in codes.tolist()]
