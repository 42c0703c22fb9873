"""Columns of text as Arrow dictionaries: a code for each row, each distinct value once."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from streams.rating.groups import Codes, Ints

TEXT = pa.dictionary(pa.int32(), pa.string())


def coded(column: Sequence[str | None]) -> pa.DictionaryArray:
    """A column of Python's strings."""
    return pa.array(column, TEXT)


def nothing(rows: int) -> pa.DictionaryArray:
    """A column that says nothing."""
    return pa.nulls(rows, TEXT)


def plain(column: pa.Array) -> pa.Array:
    """The column as strings."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def renamed(column: pa.DictionaryArray, values: Sequence[str]) -> pa.DictionaryArray:
    """The column with other values in the place of its distinct ones; two may be the same now."""
    return pa.DictionaryArray.from_arrays(column.indices, pa.array(values, pa.string()))


def spread(words: Sequence[str | None], group: Ints) -> pa.DictionaryArray:
    """A column whose row i has the word of group `group[i]`."""
    values = sorted({word for word in words if word is not None})
    place = {word: at for at, word in enumerate(values)}
    codes = np.array([-1 if word is None else place[word] for word in words], np.int32)[group]
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(values, pa.string()))


def words(codes: Codes, rows: Ints) -> list[str | None]:
    """What some rows of a column say."""
    values = [*codes.values, None]  # -1 is the last one
    return [values[at] for at in codes.codes[rows].tolist()]
