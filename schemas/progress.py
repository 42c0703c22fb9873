"""How far a stage is with a partition: the value in `internal.progress`. Nobody's contract; may change with a version.

Apart from `internal.py`, so that who only looks at positions needs no Arrow: 40 MB and a quarter of a second less.
"""

from collections.abc import Sequence

import msgspec


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a stage is with one partition: the value in `internal.progress`, as JSON."""

    stage: str  # rating, burn, sink
    topic: str
    partition: int
    next_offset: int  # everything below is done and committed
    policy_offset: int  # up to which policies were applied
    log_time_us: int  # append time of the newest source record seen, or the tick's
    topic_id: str = ""  # Kafka's id of the topic: another id means other records under the same numbers
    at_us: int = 0  # log time at which this was said, for people
    held_back: int = 0  # conclusions that are drawn but not said yet; `drain` waits for them
    deaths: int = 0  # processes that died on what stands from `next_offset` to `tried_to`, or are at it now
    tried_to: int = 0
    alone: bool = False  # it is a single record, and each of them stepped nothing else
    state_id: str = ""  # the same of the topic in which the stage keeps its own state
    lost_records: int = 0  # of this partition, in all: retention took them before they were read

    def key(self) -> bytes:
        """The record key: one living record per stage and partition."""
        return f"{self.stage}|{self.topic}|{self.partition}".encode()


def progress_bytes(progress: Progress) -> bytes:
    """Its JSON."""
    return msgspec.json.encode(progress)


def progress_from_bytes(raw: bytes) -> Progress:
    """Raises: msgspec.MsgspecError: not a progress record."""
    return msgspec.json.decode(raw, type=Progress)


def latest_progress(records: Sequence[bytes]) -> dict[tuple[str, str, int], Progress]:
    """The last word of each stage on each partition, from values in log order."""
    found = (progress_from_bytes(raw) for raw in records)
    return {(progress.stage, progress.topic, progress.partition): progress for progress in found}
