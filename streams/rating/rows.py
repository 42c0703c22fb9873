"""Rated rows: the Arrow batches of `internal.rated`, one row per counted event, in log order."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.internal import CODED_ROWS, MONEY, RATED_SCHEMA, nothing, nulls_of, without_dictionaries
from schemas.usage import INPUT_LEAVES, OUTPUT_LEAVES
from streams.rating.charging import Charges, Pricing
from streams.rating.columns import Columns
from streams.rating.costs import Bools
from streams.rating.groups import Ints

MAX_PIECE_BYTES = 8 * 1_048_576
_PRICING = pa.array([status.name for status in Pricing], pa.string())
Scalar = TypeVar("Scalar", bound=np.generic)
_NAMES = RATED_SCHEMA.names
_TYPES = {field.name: field.type for field in RATED_SCHEMA}
_MAPS = {name: _TYPES[name] for name in ("asserted", "units", "tags")}
_WHOLE = {name: type_.to_pandas_dtype() for name, type_ in _TYPES.items() if pa.types.is_integer(type_)}
_TEXTS = frozenset(name for name, type_ in _TYPES.items() if pa.types.is_string(type_))
_NULLS = nulls_of(RATED_SCHEMA)


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
    """The rows of the counted events `kept`; a column of text is a dictionary where that is shorter."""
    rows = None if len(kept) == columns.rows else kept
    found = _own(columns, charges, marks, rows)
    arrays = [found[name] if name in found else _given(columns, name, rows) for name in _NAMES]
    return pa.RecordBatch.from_arrays(arrays, _NAMES)


def pieces_of(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in pieces of at most 8 MiB each (a single row may be more), in order; none for no rows."""
    if batch.num_rows == 0:
        return
    # The size of whole buffers is quicker to tell than that of the rows, and never below it.
    if batch.num_rows == 1 or batch.get_total_buffer_size() <= MAX_PIECE_BYTES or batch.nbytes <= MAX_PIECE_BYTES:
        yield batch
        return
    batch = without_dictionaries(batch)  # each half would have the whole dictionary
    half = batch.num_rows // 2
    yield from pieces_of(batch.slice(0, half))
    yield from pieces_of(batch.slice(half))


def _given(columns: Columns, name: str, rows: Ints | None) -> pa.Array:
    """A column as the events give it."""
    if columns.missing(name):
        return nothing(_NULLS[name], columns.rows if rows is None else len(rows))
    if name in _TEXTS:
        return columns.text(name).arrow(rows)
    if name in _WHOLE:
        return _whole(_some(columns.numbers(name), rows), _WHOLE[name])
    given: tuple[Any, ...] = columns.data[name]
    if rows is not None:
        given = tuple([given[row] for row in rows.tolist()])
    if name in _MAPS:
        return pa.array([None if some is None else list(some.items()) for some in given], _MAPS[name])
    return pa.array(given, _TYPES[name])


def _some(column: npt.NDArray[Scalar], rows: Ints | None) -> npt.NDArray[Scalar]:
    return column if rows is None else column.take(rows)


def _whole(numbers: Ints, type_: npt.DTypeLike) -> pa.Array:
    """Whole numbers, null where negative."""
    missing = numbers < 0
    return pa.array(numbers.astype(type_), mask=missing if missing.any() else None)


def _own(columns: Columns, charges: Charges, marks: Marks, rows: Ints | None) -> dict[str, pa.Array]:
    """The columns that rating makes."""
    count = columns.rows if rows is None else len(rows)
    cost = _money(_some(charges.cost, rows))
    identities, ids = marks.identities, columns.id
    if rows is not None:
        identities, ids = [identities[row] for row in rows.tolist()], [ids[row] for row in rows.tolist()]
    return {
        "event_id": _hex(identities),
        "source": columns.text("source").arrow(rows),
        "id": pa.array(ids, pa.string()),
        "ts": _times(_some(columns.event_us, rows)),
        "received_at": _times(_some(columns.append_us, rows)),
        **_tokens(columns, rows),
        "cost_usd": cost,
        "list_cost_usd": cost if charges.listed is charges.cost else _money(_some(charges.listed, rows)),
        "as_charged_cost_usd": cost,
        "reported_cost_usd": _reported(columns, rows),
        "ceiling_cost_usd": _money(_some(charges.ceiling, rows)),
        "pricing_status": _statuses(_some(charges.status, rows)),
        "price_book_version": _repeated(charges.version, count),
        "live": pa.array(_some(marks.live, rows)),
        "maybe_duplicate": pa.array(_some(marks.maybe_duplicate, rows)),
        "corrects": pa.array(_some(marks.corrects, rows)),
        "astray": pa.array(_some(marks.astray, rows)),
        "void": pa.array(_some(columns.true("void"), rows)),
        "policy_offset": pa.array(np.full(count, marks.policy_offset, np.int64)),
        "event_partition": pa.array(np.full(count, marks.partition, np.int32)),
        "event_offset": pa.array(_some(columns.offset, rows)),
    }


def _statuses(codes: Ints) -> pa.Array:
    indices = pa.array(codes.astype(np.int32))
    return _PRICING.take(indices) if len(codes) < CODED_ROWS else pa.DictionaryArray.from_arrays(indices, _PRICING)


def _repeated(text: str, count: int) -> pa.Array:
    if count < CODED_ROWS:
        return pa.array([text] * count, pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([text], pa.string()))


def _reported(columns: Columns, rows: Ints | None) -> pa.Array:
    count = columns.rows if rows is None else len(rows)
    if columns.missing("reported_cost_usd"):
        return nothing(_NULLS["reported_cost_usd"], count)
    reported = columns.text("reported_cost_usd").arrow(rows)
    return (reported.dictionary_decode() if pa.types.is_dictionary(reported.type) else reported).cast(MONEY)


def _tokens(columns: Columns, rows: Ints | None) -> dict[str, pa.Array]:
    sides = (("input_tokens", INPUT_LEAVES, columns.input), ("output_tokens", OUTPUT_LEAVES, columns.output))
    found: dict[str, pa.Array] = {}
    for total, names, side in sides:
        missing = _some(side.missing, rows) if side.missing.any() else None
        found[total] = pa.array(_some(side.total, rows), mask=missing)
        for name, leaf in zip(names, side.leaves, strict=True):
            found[name] = pa.array(_some(leaf, rows), mask=missing)
    return found


def _times(microseconds: Ints) -> pa.Array:
    raw = pa.py_buffer(np.ascontiguousarray(microseconds, np.int64))
    return pa.Array.from_buffers(_TYPES["ts"], len(microseconds), [None, raw])


def _money(pico_usd: Ints) -> pa.Array:
    """Amounts as Decimal(18, 12), NULL where negative: 16 bytes each, little-endian, without a Python object."""
    wide: npt.NDArray[np.int64] = np.zeros((len(pico_usd), 2), np.int64)
    wide[:, 0] = np.maximum(pico_usd, 0)
    known = pico_usd >= 0
    valid = None if known.all() else pa.array(known).buffers()[1]
    return pa.Array.from_buffers(MONEY, len(pico_usd), [valid, pa.py_buffer(wide)])


def _hex(identities: list[bytes]) -> pa.Array:
    """Identities as 32 hex digits each."""
    digits = b"".join(identities).hex().encode()
    offsets = np.arange(0, len(digits) + 1, 32, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(identities), [None, pa.py_buffer(offsets), pa.py_buffer(digits)])
