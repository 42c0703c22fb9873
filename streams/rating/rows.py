"""Rated rows: the Arrow batches of `internal.rated`, one row per counted event, in log order."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.internal import MONEY, RATED_SCHEMA
from schemas.usage import INPUT_LEAVES, OUTPUT_LEAVES
from streams.rating.charging import Charges, Pricing
from streams.rating.columns import Columns
from streams.rating.costs import Bools
from streams.rating.groups import Ints
from streams.rating.texts import plain

MAX_PIECE_BYTES = 8 * 1_048_576
_MAPS = {name: RATED_SCHEMA.field(name).type for name in ("asserted", "units", "tags")}


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What rating says of each row beside its money."""

    identities: list[bytes]
    live: Bools
    maybe_duplicate: Bools
    corrects: Bools
    astray: Bools
    policy_offset: int
    partition: int


def rated_rows(columns: Columns, charges: Charges, marks: Marks, *, kept: Ints) -> pa.RecordBatch:
    """The rows of the counted events `kept`."""
    found = _own(columns, charges, marks)
    arrays = [found[field.name] if field.name in found else _given(columns, field) for field in RATED_SCHEMA]
    batch = pa.RecordBatch.from_arrays(arrays, schema=RATED_SCHEMA)
    return batch if len(kept) == columns.rows else batch.take(pa.array(kept))


def pieces_of(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in pieces of at most 8 MiB each (a single row may be more), in order; none for no rows."""
    if batch.num_rows == 0:
        return
    if batch.nbytes <= MAX_PIECE_BYTES or batch.num_rows == 1:
        yield batch
        return
    half = batch.num_rows // 2
    yield from pieces_of(batch.slice(0, half))
    yield from pieces_of(batch.slice(half))


def _given(columns: Columns, field: pa.Field) -> pa.Array:
    """A column as the events give it."""
    if columns.missing(field.name):
        return pa.nulls(columns.rows, field.type)
    if pa.types.is_string(field.type):
        return plain(columns.text(field.name))
    if pa.types.is_integer(field.type):
        return columns.whole(field.name).cast(field.type)
    given: tuple[Any, ...] = columns.data[field.name]
    if field.name in _MAPS:
        return pa.array([None if some is None else list(some.items()) for some in given], field.type)
    return pa.array(given, field.type)


def _own(columns: Columns, charges: Charges, marks: Marks) -> dict[str, pa.Array]:
    """The columns that rating makes."""
    cost = _money(charges.cost)
    return {
        "event_id": _hex(marks.identities),
        "source": plain(columns.text("source")),
        "id": pa.array(columns.id, pa.string()),
        "ts": _times(columns.event_us),
        "received_at": _times(columns.append_us),
        **_tokens(columns),
        "cost_usd": cost,
        "list_cost_usd": cost if charges.listed is charges.cost else _money(charges.listed),
        "as_charged_cost_usd": cost,
        "reported_cost_usd": plain(columns.text("reported_cost_usd")).cast(MONEY),
        "ceiling_cost_usd": _money(charges.ceiling),
        "pricing_status": pa.array([status.name for status in Pricing], pa.string()).take(pa.array(charges.status)),
        "price_book_version": pa.repeat(pa.scalar(charges.version), columns.rows),
        "live": pa.array(marks.live),
        "maybe_duplicate": pa.array(marks.maybe_duplicate),
        "corrects": pa.array(marks.corrects),
        "astray": pa.array(marks.astray),
        "void": pa.array(columns.true("void")),
        "policy_offset": pa.repeat(pa.scalar(marks.policy_offset, pa.int64()), columns.rows),
        "event_partition": pa.repeat(pa.scalar(marks.partition, pa.int32()), columns.rows),
        "event_offset": pa.array(columns.offset),
    }


def _tokens(columns: Columns) -> dict[str, pa.Array]:
    sides = (("input_tokens", INPUT_LEAVES, columns.input), ("output_tokens", OUTPUT_LEAVES, columns.output))
    found: dict[str, pa.Array] = {}
    for total, names, side in sides:
        missing = side.missing if side.missing.any() else None
        found[total] = pa.array(side.total, mask=missing)
        for name, leaf in zip(names, side.leaves, strict=True):
            found[name] = pa.array(leaf, mask=missing)
    return found


def _times(microseconds: Ints) -> pa.Array:
    return pa.array(microseconds).cast(pa.timestamp("us", tz="UTC"))


def _money(pico_usd: Ints) -> pa.Array:
    """Amounts as Decimal(18, 12), NULL where negative: 16 bytes each, little-endian, without a Python object."""
    wide: npt.NDArray[np.int64] = np.zeros((len(pico_usd), 2), np.int64)
    wide[:, 0] = np.maximum(pico_usd, 0)
    valid = pa.array(pico_usd >= 0).buffers()[1]
    return pa.Array.from_buffers(MONEY, len(pico_usd), [valid, pa.py_buffer(wide)])


def _hex(identities: list[bytes]) -> pa.Array:
    """Identities as 32 hex digits each."""
    digits = b"".join(identities).hex().encode()
    offsets = np.arange(0, len(digits) + 1, 32, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(identities), [None, pa.py_buffer(offsets), pa.py_buffer(digits)])
