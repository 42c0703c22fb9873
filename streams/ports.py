"""What a stage is to the lanes that run it: pure steps over batches of records, and what they send.

A lane owns one source partition. For each batch it runs one Kafka transaction: all outputs of the step, the entry in
`internal.progress`, the offset commit; what leads to nothing is said with what follows. A lane that finds nothing to
read sends a tick each second, if its logic has a use for ticks (`Ticks`), and rarer once nothing comes anywhere; else
it says once that it is past the commit markers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import msgspec

from schemas.policies import Policies

Headers = Sequence[tuple[str, bytes]]


class SourceRecord(msgspec.Struct, frozen=True, gc=False):
    """A record as it was read; `append_time_us` is the broker's, microseconds since 1970.

    A msgspec struct, because one is made for each event: a sixth of the cost of a frozen dataclass.
    """

    offset: int
    append_time_us: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class SourceBatch:
    """What one fetch gave of one partition, in offset order; `topic` without prefix; never without records."""

    topic: str
    partition: int
    records: Sequence[SourceRecord]


@dataclass(frozen=True, slots=True)
class Output:
    """A record to send; `topic` without prefix; `partition` None lets the key decide (murmur2)."""

    topic: str
    value: bytes
    key: bytes | None = None
    partition: int | None = None
    headers: Headers = field(default=())


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one batch (or tick) leads to, in one transaction; `log_time_us` and `policy_offset` become progress."""

    outputs: Sequence[Output]
    log_time_us: int
    policy_offset: int
    held_back: int = 0
    """Conclusions that are drawn but not said yet (to keep their number bounded); a later step says them."""
    counted: Mapping[str, int] = field(default_factory=dict)
    """How many events became what, for whoever watches the worker; a few fixed names."""


class PolicyLog(Protocol):
    """What `usage.policies` says, kept up to date by the process; a stage's logic gets it when it is made."""

    def latest(self) -> tuple[int, Policies]:
        """The highest offset read so far (-1 before any) and what is in force there."""
        ...

    def at(self, offset: int) -> Policies:
        """What is in force after the change at `offset` (or the last one below it). Raises: KeyError: not read yet."""
        ...


class PartitionReader(Protocol):
    """Reads a partition of a topic of ours from the start to its end at the time of the call (read_committed)."""

    async def read(self, topic: str, partition: int, *, from_offset: int = 0) -> Sequence[SourceRecord]:
        """All records from an offset (or the first that is kept) up to the end, in order."""
        ...

    async def read_last(self, topic: str, partition: int, *, records: int) -> Sequence[SourceRecord]:
        """About the last `records` records of a partition (at least these where there are so many), in order."""
        ...


class LaneLogic(Protocol):
    """The state and steps of a stage for one source partition. No I/O but in `recover`; no clock; no environment."""

    async def recover(self, reader: PartitionReader, *, next_offset: int) -> int:
        """Rebuild state from topics before the first step; the lane's source position is `next_offset`.

        Returns the source offset to start reading from: below `next_offset` where records are to be replayed, then
        `step` is called with them first, and its outputs are dropped up to `next_offset`.
        """
        ...

    def policy_offset_needed(self, batch: SourceBatch) -> int:
        """Up to which policy offset the policy log must have been read before `step`; -1 where it does not matter."""
        ...

    def step(self, batch: SourceBatch) -> StepResult:
        """The conclusions from a batch; state moves on. Called in log order, never twice for a record but in replay.

        How records are cut into batches is nobody's choice: whoever leads to no outputs may be repeated with others.
        """
        ...


@runtime_checkable
class Ticks(Protocol):
    """A lane's logic to which silence means something; others need not have it."""

    def tick(self, log_time_us: int) -> StepResult | None:
        """The conclusions from silence up to a log time; None where there is nothing to say."""
        ...


@runtime_checkable
class KeepsCheckpoints(Protocol):
    """A lane's logic that says its whole state before a graceful stop; others need not have it."""

    def checkpoint(self) -> Sequence[Output]:
        """The state as of the last step, sent in one transaction; nothing is stepped after it."""
        ...


@runtime_checkable
class SetsAside(Protocol):
    """A lane's logic that can go on without a record; others must never skip one."""

    def set_aside(self, record: SourceRecord) -> StepResult:
        """The conclusions without the record, which is said to have killed its step: a dead letter."""
        ...


class StageLogic(Protocol):
    """Makes the logic of each lane; `name` is in the transactional ids, the group and progress."""

    name: str

    @property
    def source_topics(self) -> Sequence[str]:
        """What it reads, without prefix: there is a lane for each partition of each."""
        ...

    def lane(self, topic: str, partition: int) -> LaneLogic:
        """Fresh logic for a partition of one of the source topics."""
        ...
