"""A log of `internal.steps` made by hand, and a lane of patterns that reads it: what the tests of patterns stand on."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pyarrow as pa

from schemas.internal import BatchHeaders
from schemas.signals import Advice, Alert, CloudSignal
from schemas.steps import STEP_SCHEMA, without_empty
from streams.checkpoints import STEP_BYTES
from streams.patterns.stage import PatternsLane, PatternsStage
from streams.patterns.state import TOPIC
from streams.ports import Output, SourceBatch, SourceRecord
from tests.scenarios.burn_log import SEC, MemoryReader, PolicyHistory, record_of

ORG = "acme"
Step = Mapping[str, Any]


def call(at_us: int, *, usd: float = 0.01, **said: Any) -> Step:
    """An event as a slim row; `usd` is what it cost."""
    return {
        "org": ORG, "ts_us": at_us, "live": True, "owned": True, "unpriced": False, "events": 1, "input_tokens": 1000,
        "output_tokens": 100, "cost_micro_usd": round(usd * 1e6), "cost_pico_remainder": 0, "provider": "openai",
        "model": "gpt-4o", "status": "ok", **said,
    }  # fmt: skip


@dataclass
class StepLog:
    """Records in order."""

    lanes: int = 1
    records: list[SourceRecord] = field(default_factory=list)
    policy_offset: int = 0

    def say(self, log_us: int, rows: Sequence[Step] = (), *, lane: int = 0) -> None:
        """One rating batch of a lane; without rows a tick."""
        header = BatchHeaders(
            source_topic="usage.events",
            source_partition=lane,
            lanes=self.lanes,
            first_offset=len(self.records),
            next_offset=len(self.records) + len(rows),
            log_time_us=log_us,
            policy_offset=self.policy_offset,
            tick=not rows,
            rows=len(rows),
        )
        batch = without_empty(pa.RecordBatch.from_pylist(list(rows), schema=STEP_SCHEMA)) if rows else None
        self.records.append(record_of(batch, header, offset=len(self.records)))

    def tick(self, log_us: int) -> None:
        """Every lane says that it is at this log time."""
        for lane in range(self.lanes):
            self.say(log_us, lane=lane)

    def tell(self, steps: Iterable[Step], *, every_us: int = SEC) -> None:
        """Each event arrives at its time; those of one `every_us` in one batch, with ticks where nothing came."""
        waiting = sorted(steps, key=lambda step: step["ts_us"])
        at_us = waiting[0]["ts_us"] if waiting else 0
        while waiting:
            at_us += every_us
            now = [step for step in waiting if step["ts_us"] < at_us]
            waiting = waiting[len(now) :]
            self.say(at_us, now)


def policies(*tables: Mapping[str, Any]) -> PolicyHistory:
    """These policies, in force from the start."""
    return PolicyHistory([{"sets": [{"org": ORG, **table} for table in tables]}])


def new_lane(history: PolicyHistory, *, step_bytes: int = STEP_BYTES) -> PatternsLane:
    """A lane of patterns that has read nothing."""
    return cast("PatternsLane", PatternsStage(history, step_bytes=step_bytes).lane("internal.steps", 0))


def run(lane: PatternsLane, records: Sequence[SourceRecord], *, per_batch: int = 1) -> list[Output]:
    """The outputs of a lane over records, cut into batches of so many records."""
    outputs: list[Output] = []
    for start in range(0, len(records), per_batch):
        outputs += lane.step(SourceBatch("internal.steps", 0, records[start : start + per_batch])).outputs
    return outputs


def kept() -> MemoryReader:
    """An empty partition of what patterns remembers."""
    return MemoryReader(topic=TOPIC)


def recovered(
    history: PolicyHistory, reader: MemoryReader, *, next_offset: int, step_bytes: int
) -> tuple[PatternsLane, int]:
    """A fresh lane after its recovery, and the offset to read from."""
    lane = new_lane(history, step_bytes=step_bytes)
    return lane, asyncio.run(lane.recover(reader, next_offset=next_offset))


def said(outputs: Iterable[Output]) -> list[Alert | Advice]:
    """The alerts and advice among the outputs, in order, read by the contract."""
    found = (CloudSignal.model_validate_json(out.value).data for out in outputs if out.topic != TOPIC)
    return [one for one in found if isinstance(one, Alert | Advice)]


def alerts(outputs: Iterable[Output]) -> list[Alert]:
    """The alerts among the outputs."""
    return [one for one in said(outputs) if isinstance(one, Alert)]


def advice(outputs: Iterable[Output]) -> list[Advice]:
    """The advice among the outputs."""
    return [one for one in said(outputs) if isinstance(one, Advice)]


def public(outputs: Iterable[Output]) -> list[tuple[str, bytes | None, bytes]]:
    """Everything but checkpoints, as it is sent."""
    return [(out.topic, out.key, out.value) for out in outputs if out.topic != TOPIC]
