"""A worker of a small stage for the tests of lanes: says which source records each batch held, and when it ticked.

Arguments: the instance, then more topics that it reads in silence: it says nothing about them and has no ticks there.
"""

import json
import os
import sys
from collections.abc import Sequence
from functools import partial

from schemas.topics import BY_NAME
from streams.app import run_stage
from streams.ports import Output, PartitionReader, PolicyLog, SourceBatch, SourceRecord, StepResult

STAGE = "counting"
SOURCE = "usage.events"
OUT = "internal.rated"
BROADCAST = "internal.deltas"
CHECKPOINTS = "internal.checkpoints"
KILLS = b"kills"
"""A value that ends the process that steps it, as a lack of memory would."""
REPLAYED = 7
"""Each lane begins this many offsets early, as a stage does that rebuilds state by replaying."""


class CountingLane:
    """Says each batch's offsets and sum to its own partition, and a line with its log time to every partition."""

    def __init__(self, partition: int, policy_log: PolicyLog) -> None:
        self._partition = partition
        self._policy_log = policy_log
        self._said_to = 0
        self._stepped_to = 0

    async def recover(self, reader: PartitionReader, *, next_offset: int) -> int:
        """Reads what the lane said before: it must end where the lane goes on."""
        said = await reader.read(OUT, self._partition)
        self._said_to = json.loads(said[-1].value or b"")["to"] if said else 0
        if self._said_to > next_offset:
            raise RuntimeError(f"said up to {self._said_to}, but goes on at {next_offset}")
        return max(0, next_offset - REPLAYED)

    def policy_offset_needed(self, batch: SourceBatch) -> int:
        """None is needed."""
        del batch
        return -1

    def step(self, batch: SourceBatch) -> StepResult:
        """The batch's offsets, and its log time to everybody."""
        records = batch.records
        if any(record.value == KILLS for record in records):
            os._exit(9)
        self._stepped_to = records[-1].offset + 1
        values = [int(record.value or b"0") for record in records]
        said = {"offsets": [record.offset for record in records], "to": records[-1].offset + 1, "sum": sum(values)}
        first_us, log_time_us = records[0].append_time_us, records[-1].append_time_us
        outputs = [Output(OUT, json.dumps(said).encode(), partition=self._partition)]
        return StepResult(
            [*outputs, *self._everybody(first_us, log_time_us)], log_time_us, self._policy_log.latest()[0]
        )

    def set_aside(self, record: SourceRecord) -> StepResult:
        """Its offset, apart from those that were counted."""
        said = {"offsets": [], "aside": record.offset, "to": record.offset + 1, "sum": 0}
        output = Output(OUT, json.dumps(said).encode(), partition=self._partition)
        return StepResult([output], record.append_time_us, self._policy_log.latest()[0])

    def tick(self, log_time_us: int) -> StepResult:
        """The log time to everybody."""
        return StepResult(self._everybody(None, log_time_us), log_time_us, self._policy_log.latest()[0])

    def checkpoint(self) -> Sequence[Output]:
        """How far the lane got in this life."""
        return [Output(CHECKPOINTS, b"%d" % self._stepped_to, partition=self._partition)]

    def _everybody(self, first_us: int | None, log_time_us: int) -> Sequence[Output]:
        line = json.dumps({"lane": self._partition, "first_us": first_us, "log_time_us": log_time_us}).encode()
        return [Output(BROADCAST, line, partition=partition) for partition in range(BY_NAME[BROADCAST].partitions)]


class SilentLane:
    """Takes records and says nothing."""

    async def recover(self, reader: PartitionReader, *, next_offset: int) -> int:
        """Nothing is kept."""
        del reader
        return next_offset

    def policy_offset_needed(self, batch: SourceBatch) -> int:
        """None is needed."""
        del batch
        return -1

    def step(self, batch: SourceBatch) -> StepResult:
        """Nothing."""
        return StepResult((), batch.records[-1].append_time_us, 5)


class CountingStage:
    """Counting lanes over usage.events, with ticks; silent ones over further topics."""

    name = STAGE

    def __init__(self, policy_log: PolicyLog, *, silent: Sequence[str] = ()) -> None:
        self.source_topics = (SOURCE, *silent)
        self._policy_log = policy_log

    def lane(self, topic: str, partition: int) -> CountingLane | SilentLane:
        """A lane that has counted nothing."""
        return CountingLane(partition, self._policy_log) if topic == SOURCE else SilentLane()


if __name__ == "__main__":
    run_stage(partial(CountingStage, silent=sys.argv[2:]), name=STAGE, instance=sys.argv[1])
