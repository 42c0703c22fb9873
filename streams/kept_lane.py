"""A lane that keeps its state in checkpoints: what burn and patterns share of a lane's logic.

Its outputs and its position commit together, so the position says what was emitted; the state is written apart. After a
recovery the records from the checkpoint up to the position are replayed: the lane drops what they lead to.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic

import msgspec

from schemas.errors import CorruptStateError
from schemas.internal import BatchHeaders, batch_from_headers
from streams import checkpoints
from streams.checkpoints import Rounds
from streams.kept import Kept, S
from streams.ports import Output, PartitionReader, SourceBatch, SourceRecord, StepResult


class KeptLane(ABC, Generic[S]):
    """The state of a stage for one partition of `topic`, and its checkpoints; conforms to `streams.ports.LaneLogic`."""

    topic: str
    kept: Kept[S]

    def __init__(self, partition: int, *, step_bytes: int) -> None:
        self.state: S = self.kept.fresh()
        self._partition = partition
        self._step_bytes = step_bytes
        self._rounds = Rounds(self.kept, partition=partition, epoch=1, step_bytes=step_bytes)
        self._live_from = 0
        self._last_offset = -1

    @abstractmethod
    def take(self, record: SourceRecord, *, silent: bool) -> tuple[Sequence[Output], bool]:
        """What a record leads to, and whether the state holds more after it. `silent`: it was said already."""

    @abstractmethod
    def standing(self) -> StepResult:
        """Log time and policy offset of the state, and what it holds back; without outputs."""

    async def recover(self, reader: PartitionReader, *, next_offset: int) -> int:
        """The state is that of the newest checkpoint; returns the offset after it (0 where there is none).

        What replayed records below `next_offset` lead to was sent: the lane drops it, and no checkpoint is written.
        """
        found = await checkpoints.recover(reader, self.kept, partition=self._partition, next_offset=next_offset)
        self.state = found.state
        self._rounds = Rounds(self.kept, partition=self._partition, epoch=found.epoch, step_bytes=self._step_bytes)
        self._live_from = next_offset
        self._last_offset = found.offset
        return found.offset + 1

    def policy_offset_needed(self, batch: SourceBatch) -> int:
        """The highest policy offset that the batch, or the recovered state, names."""
        named = [header_of(record, self.topic).policy_offset for record in batch.records]
        return max([self.state.policy_offset, *named])

    def step(self, batch: SourceBatch) -> StepResult:
        """The conclusions from the records, one after the other, and this step's share of a checkpoint.

        Raises: CorruptStateError: a record that rating cannot have written. KeyError: a policy offset not read yet.
        """
        outputs: list[Output] = []
        for record in batch.records:
            found, holds_more = self.take(record, silent=record.offset < self._live_from)
            outputs += found
            self._last_offset = record.offset
            if holds_more:
                self._rounds.saw_rows()
        if self._last_offset >= self._live_from:
            outputs += self._rounds.outputs(self.state, offset=self._last_offset)
        now = self.standing()
        return StepResult(outputs, now.log_time_us, now.policy_offset, now.held_back)

    def checkpoint(self) -> Sequence[Output]:
        """A whole round as of the last step, to be sent in one transaction before a graceful stop."""
        return self._rounds.whole(self.state, offset=self._last_offset)


def header_of(record: SourceRecord, topic: str) -> BatchHeaders:
    """The batch header of a record. Raises: CorruptStateError: it has none, or one that cannot be read."""
    try:
        return batch_from_headers(record.headers)
    except (KeyError, msgspec.MsgspecError) as error:
        raise CorruptStateError(f"{topic} offset {record.offset} has no readable batch header") from error
