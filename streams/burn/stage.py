"""The burn stage as the lanes run it: one lane of logic per partition of `internal.deltas`."""

from collections.abc import Sequence

from streams import checkpoints
from streams.burn import publishing
from streams.burn.checkpoint import KEPT
from streams.burn.deltas import deltas_of, header_of
from streams.burn.engine import advance
from streams.burn.heartbeats import heartbeat
from streams.burn.state import BurnState
from streams.checkpoints import Rounds
from streams.ports import LaneLogic, Output, PartitionReader, PolicyLog, SourceBatch, StepResult


class BurnLane:
    """The state and steps of burn for one partition; conforms to `streams.ports.LaneLogic`."""

    def __init__(self, partition: int, policy_log: PolicyLog, *, step_bytes: int) -> None:
        self.state = BurnState()
        self._partition = partition
        self._policy_log = policy_log
        self._step_bytes = step_bytes
        self._rounds = Rounds(KEPT, partition=partition, epoch=1, step_bytes=step_bytes)
        self._live_from = 0
        self._last_offset = -1

    async def recover(self, reader: PartitionReader, *, next_offset: int) -> int:
        """The state is that of the newest checkpoint; returns the offset after it (0 where there is none).

        What replayed records below `next_offset` lead to was sent: the lane drops it, and no checkpoint is written.
        """
        found = await checkpoints.recover(reader, KEPT, partition=self._partition, next_offset=next_offset)
        self.state = found.state
        self._rounds = Rounds(KEPT, partition=self._partition, epoch=found.epoch, step_bytes=self._step_bytes)
        self._live_from = next_offset
        self._last_offset = found.offset
        return found.offset + 1

    def policy_offset_needed(self, batch: SourceBatch) -> int:
        """The highest policy offset that the batch, or the recovered state, names."""
        named = [header_of(record).policy_offset for record in batch.records]
        return max([self.state.policy_offset, *named])

    def step(self, batch: SourceBatch) -> StepResult:
        """The conclusions from the records, one after the other, and this step's share of a checkpoint.

        Raises: CorruptStateError: a record that rating cannot have written. KeyError: a policy offset not read yet.
        """
        outputs: list[Output] = []
        for record in batch.records:
            silent = record.offset < self._live_from
            if (beat := heartbeat(record)) is not None:
                outputs.append(beat)
                self._last_offset = record.offset
                continue
            deltas = deltas_of(record)
            outputs += advance(self.state, header_of(record), deltas, self._policy_log, silent=silent)
            self._last_offset = record.offset
            if deltas is not None:
                self._rounds.saw_rows()
        if self._last_offset >= self._live_from:
            outputs += self._rounds.outputs(self.state, offset=self._last_offset)
        held_back = publishing.held_back(self.state)
        return StepResult(outputs, self.state.clock.lead_us, self.state.policy_offset, held_back)

    def tick(self, log_time_us: int) -> StepResult | None:
        """Nothing: rating's ticks reach burn through the log."""
        del log_time_us
        return None

    def checkpoint(self) -> Sequence[Output]:
        """A whole round as of the last step, to be sent in one transaction before a graceful stop."""
        return self._rounds.whole(self.state, offset=self._last_offset)


class BurnStage:
    """Makes the lanes of burn; conforms to `streams.ports.StageLogic`."""

    name = "burn"
    source_topics = ("internal.deltas",)

    def __init__(self, policy_log: PolicyLog, *, step_bytes: int = checkpoints.STEP_BYTES) -> None:
        self._policy_log = policy_log
        self._step_bytes = step_bytes

    def lane(self, topic: str, partition: int) -> LaneLogic:  # noqa: ARG002  it reads one topic
        """Fresh logic for a partition."""
        return BurnLane(partition, self._policy_log, step_bytes=self._step_bytes)
