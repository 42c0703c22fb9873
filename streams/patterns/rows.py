"""A message of `internal.steps` as columns: names as codes, numbers as numpy; rows are grouped, not walked through."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.errors import CorruptStateError
from schemas.internal import from_arrow_bytes
from streams.ports import SourceRecord

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def rows_of(record: SourceRecord) -> "Rows | None":
    """The rows of a record, None where it has none. Raises: CorruptStateError: the bytes are no rows."""
    if not record.value:
        return None
    try:
        batch = from_arrow_bytes(record.value)
        return Rows(batch) if batch.num_rows else None
    except (pa.ArrowInvalid, KeyError, StopIteration) as error:
        raise CorruptStateError(f"internal.steps offset {record.offset} cannot be read as rows") from error


class Rows:
    """The rows of one message; a column that the message left out is empty."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._names = set(batch.schema.names)
        self._words: dict[str, tuple[Ints, list[str]]] = {}
        self._texts: dict[str, list[str | None]] = {}
        self.org, self.orgs = self.codes("org")

    def __len__(self) -> int:
        """How many rows there are."""
        return int(self._batch.num_rows)

    def has(self, name: str) -> bool:
        """Whether any row has this column."""
        return name in self._names

    def codes(self, name: str) -> tuple[Ints, list[str]]:
        """A column of names as codes into its distinct names; -1 where a row has none."""
        if name not in self._words:
            if name not in self._names:
                self._words[name] = (np.full(len(self), -1, np.int64), [])
            else:
                column = self._batch.column(name).dictionary_encode()
                if len(column.dictionary.unique()) < len(column.dictionary):  # rating may name a value twice
                    column = column.dictionary_decode().dictionary_encode()
                indices = column.indices.fill_null(-1) if column.indices.null_count else column.indices
                found = indices.to_numpy(zero_copy_only=False).astype(np.int64)
                self._words[name] = (found, column.dictionary.to_pylist())
        return self._words[name]

    def texts(self, name: str) -> list[str | None]:
        """A column of names, row by row."""
        if name not in self._texts:
            none: list[str | None] = [None] * len(self)
            self._texts[name] = self._batch.column(name).to_pylist() if name in self._names else none
        return self._texts[name]

    def ints(self, name: str, *, missing: int = 0) -> Ints:
        """A column of numbers."""
        if name not in self._names:
            return np.full(len(self), missing, np.int64)
        column = self._batch.column(name)
        filled = column.fill_null(missing) if column.null_count else column  # the call alone costs 50 us
        numbers: Ints = filled.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        return numbers

    def truth(self, name: str) -> Bools:
        """A column of yes and no."""
        if name not in self._names:
            return np.zeros(len(self), np.bool_)
        column = self._batch.column(name)
        filled = column.fill_null(pa.scalar(value=False)) if column.null_count else column
        truth: Bools = filled.to_numpy(zero_copy_only=False)
        return truth

    @cached_property
    def live(self) -> Bools:
        """Which rows are live."""
        return self.truth("live")

    @cached_property
    def events(self) -> Ints:
        """How many events each row stands for."""
        return self.ints("events")

    @cached_property
    def cost_pico(self) -> list[int]:
        """What each row cost, in pico-USD, exact."""
        micro, pico = self.ints("cost_micro_usd").tolist(), self.ints("cost_pico_remainder").tolist()
        return [whole * 1_000_000 + part for whole, part in zip(micro, pico, strict=True)]

    def groups(self, *names: str, within: Bools | None = None) -> Iterator[tuple[tuple[str, ...], list[int]]]:
        """The rows that have all of these names, by org and names; in the order in which each stands first."""
        columns = [self.codes("org"), *(self.codes(name) for name in names)]
        wanted = np.logical_and.reduce([codes >= 0 for codes, _ in columns])
        if within is not None:
            wanted &= within
        rows = np.flatnonzero(wanted)
        if len(rows) == 0:
            return
        key = np.zeros(len(rows), np.int64)
        for codes, words in columns:
            key = np.unique(key * (len(words) + 1) + codes[rows], return_inverse=True)[1].astype(np.int64)
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(key[order]) > 0])
        found = sorted(np.split(rows[order], starts[1:]), key=lambda some: int(some[0]))
        for some in found:
            first = some[0]
            yield tuple(words[codes[first]] for codes, words in columns), some.tolist()
