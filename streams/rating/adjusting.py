"""Rating of one partition of `usage.adjustments`: what the ledger says, as sums for burn.

Nothing is decoded, priced or dropped here, and no time is told: these messages carry `clock=False`.

Laws
1. A signed row goes to every entity that it names, and to every budget in force that matches it and that has counted
   it: directly (the row was rated under the budget's `matched_since` or a later policy) or through its opening
   (`opened` has reached it).
2. Opening sums go to a budget only in the very life that they were summed for (`matched_since`).
3. Corrections are never live: they fire nothing of a period that is over, and no spike.
4. What was named as opened is named for messages of kind "opening" only: signed rows of another partition may overtake
   an opening, and must not open a budget before its sums are there.
5. The same records under the same policies give the same bytes; each record is a message of its own to each partition.
"""

import numpy as np
import pyarrow as pa

from schemas.internal import DELTA_SCHEMA
from schemas.topics import BY_NAME
from streams.ports import Output, PartitionReader, PolicyLog, SourceBatch, SourceRecord, StepResult
from streams.rating.deltas import Counted, deltas_of
from streams.rating.matching import Matcher
from streams.rating.messages import Batch, sum_messages
from streams.rating.signed_rows import SignedRows, adjustment_of

ADJUSTMENTS_TOPIC = "usage.adjustments"


class AdjustingLane:
    """Rating of one partition of adjustments: no state but the policies that it has named."""

    def __init__(self, partition: int, policies: PolicyLog) -> None:
        self.partition = partition
        self._policies = policies
        self._policy_offset = -1
        self._matcher = Matcher({})
        self._matcher_offset = -1

    async def recover(self, reader: PartitionReader, *, next_offset: int) -> int:  # noqa: ARG002  part of the port
        """Nothing is to be rebuilt; reading goes on at `next_offset`."""
        return next_offset

    def policy_offset_needed(self, batch: SourceBatch) -> int:
        """The highest offset that was opened, or under which a row was rated: no budget that counted it is missing."""
        return max([self._policy_offset, *(_named(record) for record in batch.records)])

    def step(self, batch: SourceBatch) -> StepResult:
        """The sums of each record, one after the other. Raises: CorruptStateError: the sink cannot have written one."""
        offset, policies = self._policies.latest()
        if offset > self._matcher_offset:
            self._matcher, self._matcher_offset = Matcher(policies), offset
        self._policy_offset = max(self._policy_offset, offset)
        outputs = [output for record in batch.records for output in self._sums(record)]
        return StepResult(outputs, batch.records[-1].append_time_us, self._policy_offset)

    def _sums(self, record: SourceRecord) -> list[Output]:
        header, rows = adjustment_of(record)
        opening = header.kind == "opening"
        deltas = self._opening_deltas(rows) if opening else self._signed_deltas(rows, opened=header.opened)
        heading = Batch(
            source_topic=ADJUSTMENTS_TOPIC,
            source_partition=self.partition,
            lanes=BY_NAME[ADJUSTMENTS_TOPIC].partitions,
            first_offset=record.offset,
            next_offset=record.offset + 1,
            log_time_us=record.append_time_us,
            policy_offset=self._policy_offset,
            tick=False,
            clock=False,
            opened=header.opened if opening else -1,
        )
        return sum_messages(heading, deltas if deltas.num_rows else None)

    def _signed_deltas(self, batch: pa.RecordBatch, *, opened: int) -> pa.RecordBatch:
        rows = SignedRows(batch)
        matches = self._matcher.matches_up_to(rows, np.maximum(rows.policy_offset, opened))
        never_live = np.zeros(rows.rows, np.bool_)
        return deltas_of(Counted(rows, never_live, np.arange(rows.rows), rows.counts(), used=False), matches)

    def _opening_deltas(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = (batch.column(name).to_pylist() for name in ("org", "entity_id", "matched_since"))
        lives = self._matcher.matched_since
        same_life = [lives.get((org, id_)) == since for org, id_, since in zip(*columns, strict=True)]
        return batch.filter(pa.array(same_life, pa.bool_())).select(DELTA_SCHEMA.names)


def _named(record: SourceRecord) -> int:
    header, batch = adjustment_of(record)
    rated_under: list[int] = batch.column("policy_offset").to_pylist() if header.kind == "rows" else []
    return max([header.opened, *rated_under])
