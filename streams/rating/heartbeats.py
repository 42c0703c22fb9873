"""Heartbeats among the records of a batch: neither events nor dead letters, sent on to burn's lane of the same number.

The message moves no clock and holds no row, so what burn concludes is the same with and without it.
"""

from collections.abc import Sequence

from schemas.heartbeats import beat_header, beat_of
from schemas.topics import BY_NAME
from streams.ports import Output
from streams.rating.decoding import Refused
from streams.rating.messages import DELTAS_TOPIC, NO_DELTAS, Batch

_LANES = BY_NAME[DELTAS_TOPIC].partitions


def without_heartbeats(refused: Sequence[Refused], heading: Batch) -> tuple[list[Refused], list[Output]]:
    """What of the refused records is no heartbeat, and the messages of those that are."""
    others: list[Refused] = []
    messages: list[Output] = []
    lane = heading.source_partition
    for record, why in refused:
        beat = beat_of(record.headers, lane=lane, append_time_us=record.append_time_us)
        if beat is None:
            others.append((record, why))
            continue
        headers = [*heading._replace(clock=False).headers(rows=0), beat_header(beat)]
        messages.append(Output(DELTAS_TOPIC, NO_DELTAS, partition=lane % _LANES, headers=headers))
    return others, messages
