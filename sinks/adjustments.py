"""What the sink says on `usage.adjustments`: rows that were counted live and are not in the ledger, signed. Pure.

Laws
1. A row that a group leaves out becomes exactly one signed row, as it was rated: that is what burn has counted.
2. A signed row goes to the partition that its event came from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from schemas.errors import CorruptStateError
from schemas.internal import ADJUSTMENT_HEADER, ADJUSTMENT_SCHEMA, RATED_SCHEMA, AdjustmentHeaders, to_arrow_bytes
from sinks.groups import Group, RatedMessage

LATE_DUPLICATE = "late_duplicate"
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


def late_copies(group: Group, messages: Sequence[RatedMessage], *, opened: int) -> list[Adjustment]:
    """The rows that the group leaves out, to be counted no more; `messages` are those of its spans.

    Raises: CorruptStateError: a row that is left out is in none of the messages.
    """
    found: dict[int, list[pa.RecordBatch]] = {}
    by_place = {(message.partition, message.offset): message for message in messages}
    for left in group.left_out:
        message = by_place.get((left.partition, left.offset))
        if message is None or max(left.indexes) >= message.rows.num_rows:
            raise CorruptStateError(f"group {group.group_id} leaves out rows of {left.partition}@{left.offset} unread")
        rows = message.rows.take(pa.array(left.indexes, pa.int64()))
        found.setdefault(message.header.source_partition, []).append(rows)
    return [
        Adjustment(
            partition,
            AdjustmentHeaders(kind="rows", opened=opened, group_id=group.group_id, rows=piece.num_rows),
            to_arrow_bytes(piece),
        )
        for partition, batches in sorted(found.items())
        for piece in pieces(_signed(batches, sign=-1, reason=LATE_DUPLICATE))
    ]


def _signed(batches: Sequence[pa.RecordBatch], *, sign: int, reason: str) -> pa.RecordBatch:
    rows = pa.Table.from_batches(batches, schema=RATED_SCHEMA).combine_chunks().to_batches()[0]
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
