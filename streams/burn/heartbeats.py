"""Heartbeats that came through rating, said in the transaction of what burn concludes; they change nothing here."""

import msgspec

from schemas.errors import CorruptStateError
from schemas.heartbeats import TOPIC, beat_from_headers, heartbeat_bytes
from streams.ports import Output, SourceRecord


def heartbeat(record: SourceRecord) -> Output | None:
    """What is said of a heartbeat; None for a record that is none. Raises: CorruptStateError: rating wrote no such."""
    try:
        beat = beat_from_headers(record.headers)
    except msgspec.MsgspecError as error:
        raise CorruptStateError(f"internal.deltas offset {record.offset} has no readable heartbeat") from error
    if beat is None:
        return None
    said = msgspec.structs.replace(beat, rated_us=record.append_time_us)
    return Output(TOPIC, heartbeat_bytes(said), key=str(beat.lane).encode(), partition=0)
