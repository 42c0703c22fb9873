"""A worker of a small stage for the tests of lanes: it says which source records each batch held, and when it ticked."""

import json
import sys
from collections.abc import Sequence

from schemas.topics import BY_NAME
from streams.app import run_stage
from streams.ports import Output, PartitionReader, PolicyLog, SourceBatch, StepResult

STAGE = "counting"
SOURCE = "usage.events"
OUT = "internal.rated"
BROADCAST = "internal.deltas"


class CountingLane:
    """Says each batch's offsets and checksum to its own partition, and a line with its log time to every partition."""

    def __init__(self, partition: int, policy_log: PolicyLog) -> None:
        self._partition = partition
        self._policy_log = policy_log
        self._next = 0

    async def recover(self, reader: PartitionReader, *, next_offset: int) -> int:
        """Nothing to rebuild; reads what it said, to prove that a reader works inside a lane."""
        said = await reader.read(OUT, self._partition)
        self._next = json.loads(said[-1].value or b"")["to"] if said else 0
        return next_offset

    def policy_offset_needed(self, batch: SourceBatch) -> int:
        """None is needed."""
        del batch
        return -1

    def step(self, batch: SourceBatch) -> StepResult:
        """The batch's offsets, and its log time to everybody."""
        offsets = [record.offset for record in batch.records]
        if b"poison" in (batch.records[-1].value or b""):
            raise ZeroDivisionError("poison")
        log_time_us = batch.records[-1].append_time_us
        said = {"offsets": offsets, "to": offsets[-1] + 1, "sum": sum(int(r.value or b"0") for r in batch.records)}
        outputs = [Output(OUT, json.dumps(said).encode(), partition=self._partition)]
        return StepResult(
            [*outputs, *self._everybody(log_time_us, tick=False)], log_time_us, self._policy_log.latest()[0]
        )

    def tick(self, log_time_us: int) -> StepResult:
        """The log time to everybody."""
        return StepResult(self._everybody(log_time_us, tick=True), log_time_us, self._policy_log.latest()[0])

    def _everybody(self, log_time_us: int, *, tick: bool) -> Sequence[Output]:
        line = json.dumps({"lane": self._partition, "log_time_us": log_time_us, "tick": tick}).encode()
        return [Output(BROADCAST, line, partition=partition) for partition in range(BY_NAME[BROADCAST].partitions)]


class CountingStage:
    """Counting lanes over usage.events, with ticks."""

    name = STAGE
    source_topic = SOURCE
    ticks = True

    def __init__(self, policy_log: PolicyLog) -> None:
        self._policy_log = policy_log

    def lane(self, partition: int) -> CountingLane:
        """A lane that has counted nothing."""
        return CountingLane(partition, self._policy_log)


if __name__ == "__main__":
    run_stage(CountingStage, name=STAGE, instance=sys.argv[1])
