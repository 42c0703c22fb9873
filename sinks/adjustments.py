"""What the sink says on `usage.adjustments`: what the ledger gained beside what rating summed, as signed rows. Pure.

Laws
1. A row that rating summed and that a group leaves out is one row of sign -1, as it was rated: burn has counted it.
2. A row that takes the place of a stored one is one of sign -1, as that was stored; where rating did not sum the new
   one, it is one of sign +1 too.
3. A signed row goes to the partition that its event came from.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import CorruptStateError
from schemas.internal import ADJUSTMENT_HEADER, ADJUSTMENT_SCHEMA, AdjustmentHeaders, to_arrow_bytes
from sinks.groups import RatedMessage
from sinks.revisions import REVISION, Resolution

MOST_BYTES = 8 * 2**20
"""Arrow bytes of one message, before compression."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """One message of `usage.adjustments`."""

    partition: int
    headers: AdjustmentHeaders
    value: bytes

    def kafka_headers(self) -> list[tuple[str, bytes]]:
        """The headers of the record."""
        return [(ADJUSTMENT_HEADER, msgspec.json.encode(self.headers))]


def signed_rows(
    group_id: str,
    messages: Sequence[RatedMessage],
    resolution: Resolution,
    replaced: pa.RecordBatch,
    *,
    opened: int,
) -> list[Adjustment]:
    """What a group changes beside what rating summed; `messages` are those of its spans, `replaced` the stored rows.

    Raises: CorruptStateError: a row of the resolution is in none of the messages.
    """
    by_place = {(message.partition, message.offset): message for message in messages}
    found: dict[int, list[pa.RecordBatch]] = {}
    alike: dict[tuple[int, int, int, str], list[int]] = {}
    signs = {place: (-1, reason) for place, reason in resolution.taken_back.items()}
    signs |= dict.fromkeys(resolution.added, (1, REVISION))
    for (partition, offset, index), (sign, reason) in sorted(signs.items()):
        alike.setdefault((partition, offset, sign, reason), []).append(index)
    for (partition, offset, sign, reason), indexes in alike.items():
        message = by_place.get((partition, offset))
        if message is None or max(indexes) >= message.rows.num_rows:
            raise CorruptStateError(f"group {group_id} takes back rows of {partition}@{offset} that were not read")
        rows = signed(message.rows.take(pa.array(indexes, pa.int64())), sign=sign, reason=reason)
        found.setdefault(message.header.source_partition, []).append(rows)
    for partition, rows in by_partition(replaced):
        found.setdefault(partition, []).append(signed(rows, sign=-1, reason=REVISION))
    return messages_of(found, group_id=group_id, opened=opened)


def by_partition(rows: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Rated rows by the partition of `usage.events` that they came from."""
    partitions = rows.column("event_partition")
    for partition in sorted(set(partitions.to_pylist())):
        yield partition, rows.filter(pc.equal(partitions, partition))


def messages_of(found: Mapping[int, Sequence[pa.RecordBatch]], *, group_id: str, opened: int) -> list[Adjustment]:
    """Signed rows by partition, as messages."""
    return [
        Adjustment(
            partition,
            AdjustmentHeaders(kind="rows", opened=opened, group_id=group_id, rows=piece.num_rows),
            to_arrow_bytes(piece),
        )
        for partition, batches in sorted(found.items())
        for whole in pa.Table.from_batches(batches, schema=ADJUSTMENT_SCHEMA).combine_chunks().to_batches()
        for piece in pieces(whole)
    ]


def signed(rows: pa.RecordBatch, *, sign: int, reason: str) -> pa.RecordBatch:
    """Rated rows as rows of ADJUSTMENT_SCHEMA."""
    columns = [
        *rows.columns,
        pa.repeat(pa.scalar(sign, pa.int8()), rows.num_rows),
        pa.repeat(pa.scalar(reason), rows.num_rows),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=ADJUSTMENT_SCHEMA)


def pieces(rows: pa.RecordBatch, *, together: Sequence[str] = (), most_bytes: int = MOST_BYTES) -> list[pa.RecordBatch]:
    """The rows in order, in batches of about `most_bytes`; at least one batch, if only an empty one.

    Rows that are alike in the columns `together` stay in one batch unless they alone are more than that.
    """
    total = rows.num_rows
    if total == 0:
        return [rows]
    step = max(1, total * most_bytes // max(rows.nbytes, 1))
    keys = list(zip(*(rows.column(name).to_pylist() for name in together), strict=True)) if step < total else []
    found, start = [], 0
    while start < total:
        end = min(start + step, total)
        if together and end < total:
            first = end
            while first > start and keys[first - 1] == keys[end]:
                first -= 1
            end = first if first > start else end
        found.append(rows.slice(start, end - start))
        start = end
    return found
