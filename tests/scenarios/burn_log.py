"""A log of `internal.deltas` made by hand, and a lane of burn that reads it: what the tests of burn stand on.

`BurnLog` plays rating: it sums rows per key, 10 s bucket and liveness, sorts them, and writes one record per batch.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pyarrow as pa

from schemas.internal import BUCKET_US, DELTA_SCHEMA, BatchHeaders, batch_header, to_arrow_bytes
from schemas.policies import InForce, Key, PolicyChange, fold
from schemas.signals import Alert, CloudSignal
from streams.burn.checkpoint import TOPIC as CHECKPOINTS
from streams.burn.stage import BurnLane, BurnStage
from streams.checkpoints import STEP_BYTES
from streams.ports import Output, SourceBatch, SourceRecord

SEC = 1_000_000
MINUTE = 60 * SEC
HOUR = 3600 * SEC
DAY = 24 * HOUR


def us(text: str) -> int:
    """Microseconds since 1970 of an ISO time; UTC where it names no zone."""
    at = datetime.fromisoformat(text)
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return round(at.timestamp() * SEC)


@dataclass(frozen=True, slots=True)
class Row:
    """One delta before it is summed; `cost_pico` is the whole cost in pico-USD, `ceiling_pico` of what has none."""

    org: str
    entity_type: str
    entity_id: str
    event_us: int
    cost_pico: int = 0
    tokens: int = 0
    requests: int = 1
    member: str | None = None
    live: bool = True
    unpriced: int = 0
    ceiling_pico: int = 0
    users: tuple[int, ...] = ()
    addresses: tuple[int, ...] = ()


def summed(rows: Iterable[Row]) -> pa.RecordBatch:
    """The rows as rating sends them: one per key, bucket and liveness, sorted."""
    groups: dict[tuple[str, str, str, str, int, bool], list[Row]] = {}
    for row in rows:
        bucket_us = row.event_us // BUCKET_US * BUCKET_US
        key = (row.org, row.entity_type, row.entity_id, row.member or "", bucket_us, row.live)
        groups.setdefault(key, []).append(row)
    found = [_delta(key, group) for key, group in sorted(groups.items())]
    return pa.RecordBatch.from_pylist(found, schema=DELTA_SCHEMA)


def _delta(key: tuple[str, str, str, str, int, bool], group: list[Row]) -> dict[str, Any]:
    org, entity_type, entity_id, member, bucket_us, live = key
    micro, pico = divmod(sum(row.cost_pico for row in group), SEC)
    ceiling_micro, ceiling_pico = divmod(sum(row.ceiling_pico for row in group), SEC)
    users = sorted({each for row in group for each in row.users})[:16]
    addresses = sorted({each for row in group for each in row.addresses})[:16]
    return {
        "org": org,
        "entity_type": entity_type,
        "entity_id": entity_id,
        "member": member or None,
        "bucket_us": bucket_us,
        "live": live,
        "requests": sum(row.requests for row in group),
        "errors": 0,
        "unpriced_requests": sum(row.unpriced for row in group),
        "input_tokens": sum(row.tokens for row in group),
        "output_tokens": 0,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "cost_micro_usd": micro,
        "cost_pico_remainder": pico,
        "ceiling_micro_usd": ceiling_micro,
        "ceiling_pico_remainder": ceiling_pico,
        "first_us": min(row.event_us for row in group),
        "last_us": max(row.event_us for row in group),
        "user_hashes": users or None,
        "address_hashes": addresses or None,
    }


def record_of(batch: pa.RecordBatch | None, header: BatchHeaders, *, offset: int) -> SourceRecord:
    """The record that carries a batch (None: a tick)."""
    value = None if batch is None else to_arrow_bytes(batch)
    return SourceRecord(offset, header.log_time_us, None, value, [batch_header(header)])


@dataclass
class BurnLog:
    """Records in order; each lane's source offsets move on by one per batch."""

    lanes: int = 1
    records: list[SourceRecord] = field(default_factory=list)
    policy_offset: int = -1
    opens: bool = True
    """Whether budgets are open as soon as they are named, as if the ledger held nothing of them."""

    def say(self, log_us: int, rows: Sequence[Row] = (), *, lane: int = 0, policy_offset: int | None = None) -> None:
        """One rating batch of a lane; without rows a tick."""
        named = self.policy_offset if policy_offset is None else policy_offset
        header = BatchHeaders(
            source_topic="usage.events",
            source_partition=lane,
            lanes=self.lanes,
            first_offset=len(self.records),
            next_offset=len(self.records) + bool(rows),
            log_time_us=log_us,
            policy_offset=named,
            tick=not rows,
            rows=len(rows),
            opened=named if self.opens else -1,
        )
        self.records.append(record_of(summed(rows) if rows else None, header, offset=len(self.records)))

    def correct(self, rows: Sequence[Row] = (), *, opened: int = -1) -> None:
        """One message of `usage.adjustments`, without a time of its own: corrections, or the sums of an opening."""
        header = BatchHeaders(
            source_topic="usage.adjustments",
            source_partition=0,
            lanes=4,
            first_offset=0,
            next_offset=1,
            log_time_us=0,
            policy_offset=self.policy_offset,
            tick=False,
            rows=len(rows),
            clock=False,
            opened=opened,
        )
        self.records.append(record_of(summed(rows) if rows else None, header, offset=len(self.records)))

    def tick(self, log_us: int) -> None:
        """Every lane says that it is at this log time."""
        for lane in range(self.lanes):
            self.say(log_us, lane=lane)


class PolicyHistory:
    """A policy log in memory: change i stands at offset i; conforms to `streams.ports.PolicyLog`."""

    def __init__(self, changes: Sequence[Mapping[str, Any]] = ()) -> None:
        self._folded: list[dict[Key, InForce]] = []
        for change in changes:
            self.append(change)

    def append(self, change: Mapping[str, Any]) -> int:
        """The change is in the log; its offset."""
        whole = PolicyChange.model_validate({"change_id": "c", "actor": "a", "at": "", "files": (), **change})
        before = self._folded[-1] if self._folded else {}
        self._folded.append(fold(before, whole, offset=len(self._folded)))
        return len(self._folded) - 1

    def latest(self) -> tuple[int, dict[Key, InForce]]:
        """The highest offset and what is in force there."""
        return len(self._folded) - 1, self._folded[-1] if self._folded else {}

    def at(self, offset: int) -> dict[Key, InForce]:
        """What is in force at an offset. Raises: KeyError: there is no such offset yet."""
        if not 0 <= offset < len(self._folded):
            raise KeyError(offset)
        return self._folded[offset]


class MemoryReader:
    """A partition of checkpoints in memory; conforms to `streams.ports.PartitionReader`."""

    def __init__(self, records: Sequence[SourceRecord] = (), *, topic: str = CHECKPOINTS) -> None:
        self.records = list(records)
        self._topic = topic

    def keep(self, outputs: Iterable[Output]) -> None:
        """Checkpoint records among the outputs are in the topic."""
        for output in outputs:
            if output.topic == self._topic:
                self.records.append(SourceRecord(len(self.records), 0, output.key, output.value, output.headers))

    async def read(self, topic: str, partition: int, *, from_offset: int = 0) -> Sequence[SourceRecord]:
        """All records from an offset."""
        del topic, partition
        return self.records[from_offset:]

    async def read_last(self, topic: str, partition: int, *, records: int) -> Sequence[SourceRecord]:
        """The last records."""
        del topic, partition
        return self.records[-records:]


def new_lane(policies: PolicyHistory, *, step_bytes: int = STEP_BYTES) -> BurnLane:
    """A lane of burn that has read nothing."""
    return cast("BurnLane", BurnStage(policies, step_bytes=step_bytes).lane("internal.deltas", 0))


def run(lane: BurnLane, records: Sequence[SourceRecord], *, per_batch: int = 1) -> list[Output]:
    """The outputs of a lane over records, cut into batches of so many records."""
    outputs: list[Output] = []
    for start in range(0, len(records), per_batch):
        outputs += lane.step(SourceBatch("internal.deltas", 0, records[start : start + per_batch])).outputs
    return outputs


def recovered(
    policies: PolicyHistory, reader: MemoryReader, *, next_offset: int, step_bytes: int = STEP_BYTES
) -> tuple[BurnLane, int]:
    """A fresh lane after its recovery, and the offset to read from."""
    lane = new_lane(policies, step_bytes=step_bytes)
    return lane, asyncio.run(lane.recover(reader, next_offset=next_offset))


def signals(outputs: Iterable[Output]) -> list[CloudSignal]:
    """The signals among the outputs, read by the contract."""
    return [CloudSignal.model_validate_json(out.value) for out in outputs if out.topic != CHECKPOINTS]


def alerts(outputs: Iterable[Output]) -> list[Alert]:
    """The alerts among the outputs, in order."""
    return [signal.data for signal in signals(outputs) if isinstance(signal.data, Alert)]


def public(outputs: Iterable[Output]) -> list[tuple[str, bytes | None, bytes]]:
    """Everything but checkpoints, as it is sent."""
    return [(out.topic, out.key, out.value) for out in outputs if out.topic != CHECKPOINTS]


def as_fields(alert: Alert) -> dict[str, Any]:
    """An alert as its JSON."""
    return cast("dict[str, Any]", json.loads(alert.model_dump_json()))
