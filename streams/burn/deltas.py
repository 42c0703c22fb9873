"""A message of `internal.deltas` as columns: the batch header, the keys of its rows, and their numbers.

`key_of_row` points into `keys`, so that a row's key is looked up once per run of equal keys, not once per row.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.errors import CorruptStateError
from schemas.internal import BUCKET_US, from_arrow_bytes
from streams.ports import SourceRecord

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]
BUDGET = "budget"
CREDENTIAL = "credential"
RowKey = tuple[str, str, str, str]
"""org, entity type (or "budget"), entity or budget id, member ('' where there is none: the contract refuses '')."""


@dataclass(frozen=True, slots=True)
class Lists:
    """A list column: `hashes[offsets[i]:offsets[i + 1]]` belongs to row i."""

    offsets: Ints
    hashes: Hashes


@dataclass(frozen=True, slots=True)
class Deltas:
    """The rows of one message; `bucket` counts 10 s from 1970, cost is the pair (micro, pico), likewise the ceiling."""

    keys: list[RowKey]
    is_budget: Bools  # of each key
    is_credential: Bools
    key_of_row: Ints
    bucket: Ints
    live: Bools
    requests: Ints
    unpriced: Ints
    tokens: Ints
    micro: Ints
    pico: Ints
    ceiling_micro: Ints
    ceiling_pico: Ints
    users: Lists
    addresses: Lists

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.bucket)


def deltas_of(record: SourceRecord) -> Deltas | None:
    """The rows of a record, None where it has none (a tick). Raises: CorruptStateError: the bytes are no rows."""
    if not record.value:
        return None
    try:
        batch = from_arrow_bytes(record.value)
        return from_rows(batch) if batch.num_rows else None
    except (pa.ArrowInvalid, KeyError, StopIteration) as error:
        raise CorruptStateError(f"internal.deltas offset {record.offset} cannot be read as rows") from error


def from_rows(batch: pa.RecordBatch) -> Deltas:
    """The rows of a record batch with DELTA_SCHEMA; those of before ceilings were summed have none."""
    keys, kinds, key_of_row = _keys(batch)

    def ints(name: str) -> Ints:
        values: Ints = batch.column(name).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        return values

    has_ceilings = "ceiling_micro_usd" in batch.schema.names

    return Deltas(
        keys=keys,
        is_budget=kinds == BUDGET,
        is_credential=kinds == CREDENTIAL,
        key_of_row=key_of_row,
        bucket=ints("bucket_us") // BUCKET_US,
        live=batch.column("live").fill_null(pa.scalar(value=True)).to_numpy(zero_copy_only=False),
        requests=ints("requests"),
        unpriced=ints("unpriced_requests"),
        tokens=ints("input_tokens") + ints("output_tokens"),
        micro=ints("cost_micro_usd"),
        pico=ints("cost_pico_remainder"),
        ceiling_micro=ints("ceiling_micro_usd") if has_ceilings else np.zeros(batch.num_rows, np.int64),
        ceiling_pico=ints("ceiling_pico_remainder") if has_ceilings else np.zeros(batch.num_rows, np.int64),
        users=_lists(batch.column("user_hashes")),
        addresses=_lists(batch.column("address_hashes")),
    )


def _keys(batch: pa.RecordBatch) -> tuple[list[RowKey], npt.NDArray[np.str_], Ints]:
    names = ("org", "entity_type", "entity_id", "member")
    columns = [batch.column(name).fill_null("").dictionary_encode() for name in names]
    codes = [column.indices.to_numpy(zero_copy_only=False) for column in columns]
    changes = np.ones(batch.num_rows, np.bool_)
    changes[1:] = np.logical_or.reduce([code[1:] != code[:-1] for code in codes])
    starts = np.flatnonzero(changes)
    words = [column.dictionary.to_pylist() for column in columns]
    parts = [[word[code] for code in part[starts].tolist()] for word, part in zip(words, codes, strict=True)]
    kinds = np.array(words[1], np.str_)[codes[1][starts]]
    return list(zip(*parts, strict=True)), kinds, np.cumsum(changes) - 1


def _lists(column: pa.ListArray) -> Lists:
    filled = pa.ListArray.from_arrays(column.offsets, column.values) if column.null_count else column
    return Lists(
        np.asarray(filled.offsets.to_numpy(zero_copy_only=False), np.int64),
        np.asarray(filled.values.to_numpy(zero_copy_only=False), np.uint64),
    )
