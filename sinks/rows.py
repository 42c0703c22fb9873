"""From messages of `internal.rated` to rows of `usage_events_store`, column by column. Pure.

Laws
1. The same messages give the same tables, split at the same places: a repeated insert is byte for byte the first one.
2. A missing string is '', a missing map is empty, a missing number stays NULL.
3. A part touches at most `MAX_PARTITIONS` months, and is one Arrow record batch, so the engine sees one block.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import CorruptStateError
from schemas.internal import RATED_SCHEMA, from_arrow_bytes
from sinks.groups import LeftOut, RatedMessage
from sinks.revisions import Claim, Identity

MAX_PARTITIONS = 50
PLACE = ("src_partition", "src_offset", "src_index")
WHOLE_SCHEMA = pa.schema(
    [
        *RATED_SCHEMA,
        ("src_partition", pa.int32()),
        ("src_offset", pa.int64()),
        ("src_index", pa.int32()),
        ("correction", pa.uint32()),
        ("version", pa.uint64()),
    ]
)
"""A stored row: as it was rated, its place, and how often it was corrected."""
WHOLE = tuple(WHOLE_SCHEMA.names)
_HOUR_US = 3_600_000_000


def decoded(raw: bytes, *, place: str) -> pa.RecordBatch:
    """The rated events of a message. Raises: CorruptStateError: rating cannot have written it."""
    try:
        rows = from_arrow_bytes(raw)
    except (pa.ArrowInvalid, StopIteration) as error:
        raise CorruptStateError(f"{place} is not an Arrow batch: {error}") from error
    if not rows.schema.equals(RATED_SCHEMA):
        raise CorruptStateError(f"{place} has other columns than RATED_SCHEMA")
    return rows


def filled(column: pa.Array) -> pa.Array:
    """The column as the store wants it: no missing strings, no missing maps."""
    if pa.types.is_string(column.type):
        return pc.fill_null(column, "") if column.null_count else column
    if pa.types.is_map(column.type) and column.null_count:
        lengths = np.diff(np.asarray(column.offsets))
        if lengths[np.asarray(column.is_null())].any():
            return pa.array([entries or [] for entries in column.to_pylist()], column.type)
        return pa.MapArray.from_arrays(column.offsets, column.keys, column.items)
    return column


def store_rows(messages: Sequence[RatedMessage], *, group_id: str, left_out: Sequence[LeftOut] = ()) -> pa.Table:
    """The rows of a group in one chunk, each with its place, without those that are left out.

    Messages come in the order of partition and offset.
    """
    table = pa.Table.from_batches([message.rows for message in messages], schema=RATED_SCHEMA).combine_chunks()
    columns: dict[str, Any] = {
        field.name: filled(column.chunk(0)) if column.num_chunks else column
        for field, column in zip(table.schema, table.columns, strict=True)
    }
    counts = [message.rows.num_rows for message in messages]
    columns["src_partition"] = np.repeat(np.array([message.partition for message in messages], np.int32), counts)
    columns["src_offset"] = np.repeat(np.array([message.offset for message in messages], np.int64), counts)
    columns["src_index"] = np.concatenate([np.arange(count, dtype=np.int32) for count in (*counts, 0)])
    columns["group_id"] = pa.repeat(pa.scalar(group_id), table.num_rows)
    rows = pa.table(columns)
    if not left_out:
        return rows
    gone = {(left.partition, left.offset): left.indexes for left in left_out}
    keep = np.ones(table.num_rows, dtype=bool)
    start = 0
    for message in messages:
        keep[[start + index for index in gone.get((message.partition, message.offset), ())]] = False
        start += message.rows.num_rows
    return rows.filter(pa.array(keep)).combine_chunks()


def split_by_month(rows: pa.Table, *, most: int = MAX_PARTITIONS) -> list[pa.Table]:
    """The rows in parts of at most `most` months each, earlier months first; the order within a part is kept."""
    months = np.asarray(rows["ts"].cast(pa.int64())).astype("datetime64[us]").astype("datetime64[M]")
    found = np.unique(months)
    if len(found) <= most:
        return [rows] if rows.num_rows else []
    part = np.searchsorted(found, months) // most
    return [rows.filter(pa.array(part == number)).combine_chunks() for number in range(int(part.max()) + 1)]


def days_of(rows: pa.Table) -> frozenset[date]:
    """The days of UTC that the rows fall on."""
    days = np.asarray(rows["ts"].cast(pa.int64())).astype("datetime64[us]").astype("datetime64[D]")
    return frozenset(np.unique(days).tolist())


def identities(rows: pa.Table) -> int:
    """How many different events are in the rows: (source, id) and the hour, which is what the store keeps apart."""
    keyed = pa.table(
        {
            "source": rows["source"],
            "id": rows["id"],
            "hour": pc.divide(rows["ts"].cast(pa.int64()), _HOUR_US),
        }
    )
    return int(keyed.group_by(["source", "id", "hour"]).aggregate([]).num_rows)


def identities_of(rows: pa.Table) -> list[Identity]:
    """The identity of each row."""
    hours = (np.asarray(rows["ts"].cast(pa.int64())) // _HOUR_US).tolist()
    return list(zip(hours, rows["source"].to_pylist(), rows["id"].to_pylist(), strict=True))


def repeats(rows: pa.Table) -> bool:
    """Whether an event is there more than once."""
    return identities(rows) < int(rows.num_rows)


def claims(rows: pa.Table) -> Iterator[Claim]:
    """Each row, as far as its fate depends on it."""
    places = zip(*(rows[name].to_pylist() for name in PLACE), strict=True)
    columns = (rows[name].to_pylist() for name in ("revision", "corrects", "void"))
    for place, identity, revision, corrects, void in zip(places, identities_of(rows), *columns, strict=True):
        yield Claim(place, identity, revision, summed=not (corrects or void), void=void)


def as_rated(rows: pa.Table) -> pa.Table:
    """Rows of the store with the columns and types of WHOLE_SCHEMA: '' is a missing string again."""
    columns = [_emptied(rows[field.name], field.type) for field in WHOLE_SCHEMA]
    return pa.Table.from_arrays(columns, schema=WHOLE_SCHEMA)


def _emptied(column: pa.ChunkedArray, as_type: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_string(as_type):
        text = column.cast(as_type)
        return pc.if_else(pc.equal(text, ""), pa.scalar(None, as_type), text)
    if pa.types.is_map(as_type):
        return pa.chunked_array([_as_map(chunk, as_type) for chunk in column.chunks], as_type)
    return column.cast(as_type)


def _as_map(column: pa.Array, as_type: pa.DataType) -> pa.Array:
    """The same entries; names of fields within a map are not the engine's to choose."""
    keys, items = column.keys.cast(as_type.key_type), column.items.cast(as_type.item_type)
    return pa.MapArray.from_arrays(column.offsets, keys, items, as_type)
