"""A rating batch as messages: pieces of rated rows, a message of deltas to every partition, one of steps likewise."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from schemas.internal import BatchHeaders, batch_header, to_arrow_bytes, without_dictionaries
from schemas.keys import partition_for
from schemas.topics import BY_NAME
from streams.ports import Headers, Output
from streams.rating.deltas import empty_deltas
from streams.rating.rows import pieces_of

RATED_TOPIC = "internal.rated"
DELTAS_TOPIC = "internal.deltas"
STEPS_TOPIC = "internal.steps"
MOST_DELTA_BYTES = 8 * 2**20
"""Arrow bytes of one message of sums, before compression: each row of a batch is in a sum for each budget it meets."""
NO_DELTAS = to_arrow_bytes(empty_deltas())
_NO_STEPS = b""


class Batch(NamedTuple):
    """What all messages of a batch say in their header."""

    source_topic: str
    source_partition: int
    lanes: int
    first_offset: int
    next_offset: int
    log_time_us: int
    policy_offset: int
    tick: bool
    clock: bool = True
    opened: int = -1
    windows: bool = True

    def headers(self, *, rows: int, piece: int = 0) -> Headers:
        """The Kafka headers of one of its messages."""
        return (batch_header(BatchHeaders(**self._asdict(), rows=rows, piece=piece)),)


def rated_messages(batch: Batch, rows: pa.RecordBatch) -> list[Output]:
    """The rated rows, cut where they are many; nothing where there are none."""
    return [
        Output(
            topic=RATED_TOPIC,
            value=to_arrow_bytes(piece),
            partition=batch.source_partition,
            headers=batch.headers(rows=piece.num_rows, piece=number),
        )
        for number, piece in enumerate(pieces_of(rows))
    ]


def delta_messages(batch: Batch, deltas: pa.RecordBatch | None, steps: pa.RecordBatch | None = None) -> list[Output]:
    """One message to every partition of internal.deltas and of internal.steps, empty where it has no rows."""
    return sum_messages(batch, deltas) + _to_all(STEPS_TOPIC, _NO_STEPS, batch, steps)


def sum_messages(batch: Batch, deltas: pa.RecordBatch | None) -> list[Output]:
    """One message to every partition of internal.deltas, empty where it has no rows; several where it has too many."""
    return _to_all(DELTAS_TOPIC, NO_DELTAS, batch, deltas)


def _to_all(topic: str, nothing: bytes, batch: Batch, table: pa.RecordBatch | None) -> list[Output]:
    """The rows at the partitions of their orgs.

    Only the last of several messages moves the clock: nothing is judged at a time for which rows are still to come.
    """
    partitions = BY_NAME[topic].partitions
    parts = [None] * partitions if table is None else _by_org(table, partitions)
    outputs, empty = [], batch.headers(rows=0)
    for partition, part in enumerate(parts):
        if part is None:
            outputs.append(Output(topic=topic, value=nothing, partition=partition, headers=empty))
            continue
        pieces = _pieces(part, batch)
        for number, piece in enumerate(pieces):
            heading = batch if number == len(pieces) - 1 else batch._replace(clock=False)
            headers = heading.headers(rows=piece.num_rows, piece=number)
            outputs.append(Output(topic=topic, value=to_arrow_bytes(piece), partition=partition, headers=headers))
    return outputs


def _pieces(part: pa.RecordBatch, batch: Batch) -> list[pa.RecordBatch]:
    """The rows in order, about MOST_DELTA_BYTES at a time. An opening is one message: it opens what it holds."""
    # The size of whole buffers is never below that of the rows, and fifty times as quick to tell.
    if batch.opened >= 0 or part.get_total_buffer_size() <= MOST_DELTA_BYTES or part.nbytes <= MOST_DELTA_BYTES:
        return [part]
    part = without_dictionaries(part)  # each piece would have the whole dictionary
    step = max(1, part.num_rows * MOST_DELTA_BYTES // part.nbytes)
    return [part.slice(start, step) for start in range(0, part.num_rows, step)]


def _by_org(rows: pa.RecordBatch, partitions: int) -> list[pa.RecordBatch | None]:
    """The rows of each partition, None where there are none; an org's rows all go to one."""
    orgs = rows.column("org").unique()
    if len(orgs) == 1:  # mostly
        home = partition_for(orgs[0].as_py().encode(), partitions)
        return [rows if partition == home else None for partition in range(partitions)]
    encoded = rows.column("org").dictionary_encode()
    homes = [partition_for(org.encode(), partitions) for org in encoded.dictionary.to_pylist()]
    home = np.array(homes)[encoded.indices.to_numpy()]
    places = [np.flatnonzero(home == partition) for partition in range(partitions)]
    return [rows.take(pa.array(some)) if len(some) else None for some in places]
