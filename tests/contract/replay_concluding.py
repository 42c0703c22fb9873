"""What the rules of rating and burn say of a simulated day, in memory.

It ties the two rooms that never import each other: a detector that grows deaf, or a day that grows loud, is seen here.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from producers.simulator import Day
from schemas.internal import ADJUSTMENT_HEADER, OPENING_SCHEMA, AdjustmentHeaders, to_arrow_bytes
from schemas.keys import event_key, partition_for
from schemas.topics import PARTITIONS
from schemas.usage_codec import decode
from streams.burn.stage import BurnStage
from streams.ports import Output, SourceBatch, SourceRecord, Ticks
from streams.rating.adjusting import ADJUSTMENTS_TOPIC
from streams.rating.stage import RatingStage
from tests.scenarios.burn_log import PolicyHistory

END = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
END_US = int(END.timestamp()) * 1_000_000
PER_BATCH = 1_500


def policies(day: Day) -> PolicyHistory:
    """The day's policy file, in force from the start."""
    tables: dict[str, Any] = tomllib.loads(day.budgets_toml)
    sets = [{"kind": kind, **table} for kind, many in tables.items() for table in many]
    for table in sets:
        if table["kind"] == "budget":
            table["thresholds"] = [str(level) for level in table["thresholds"]]
        if table["kind"] == "horizon":
            table["live_horizon_sec"] = int(table.pop("live_horizon").removesuffix("h")) * 3600
    return PolicyHistory([{"sets": sets}])


def batches(day: Day) -> Iterator[SourceBatch]:
    """The day sent as fast as it goes, right after its end: batches of the four partitions in turn."""
    waiting: list[list[SourceRecord]] = [[] for _ in range(PARTITIONS)]
    for line in day.lines:
        data = decode(line).data
        key = event_key(org=data.org, team=data.team, credential=data.credential)
        records = waiting[partition_for(key, PARTITIONS)]
        records.append(SourceRecord(len(records), END_US + len(records) * 300, key, line, ()))
    for start in range(0, max(map(len, waiting)), PER_BATCH):
        for partition, records in enumerate(waiting):
            if records[start : start + PER_BATCH]:
                yield SourceBatch("usage.events", partition, records[start : start + PER_BATCH])


def empty_opening() -> SourceRecord:
    """What the ledger says of the first budgets while it is empty."""
    header = msgspec.json.encode(AdjustmentHeaders(kind="opening", opened=0))
    nothing = to_arrow_bytes(pa.RecordBatch.from_pylist([], schema=OPENING_SCHEMA))
    return SourceRecord(0, END_US, None, nothing, [(ADJUSTMENT_HEADER, header)])


def alerts_of(day: Day) -> list[dict[str, Any]]:
    """Every alert that burn sends when it reads what rating makes of the day."""
    log = policies(day)
    rating = [RatingStage(log).lane("usage.events", partition) for partition in range(PARTITIONS)]
    burn = [BurnStage(log).lane("internal.deltas", partition) for partition in range(PARTITIONS)]
    offsets = [0] * PARTITIONS
    alerts: list[dict[str, Any]] = []

    def read(outputs: Iterable[Output], log_time_us: int) -> None:
        for output in outputs:
            if output.topic == "internal.deltas" and output.partition is not None:
                at = output.partition
                record = SourceRecord(offsets[at], log_time_us, output.key, output.value, output.headers)
                offsets[at] += 1
                concluded = burn[at].step(SourceBatch("internal.deltas", at, [record])).outputs
                alerts.extend(json.loads(c.value)["data"] for c in concluded if c.topic.startswith("alerts."))

    last_us = END_US
    ledger = RatingStage(log).lane(ADJUSTMENTS_TOPIC, 0)
    read(ledger.step(SourceBatch(ADJUSTMENTS_TOPIC, 0, [empty_opening()])).outputs, last_us)
    for batch in batches(day):
        last_us = max(last_us, batch.records[-1].append_time_us)
        read(rating[batch.partition].step(batch).outputs, last_us)
    for second in range(1, 6):
        for ticked in [lane.tick(last_us + second * 1_000_000) for lane in rating if isinstance(lane, Ticks)]:
            read(ticked.outputs if ticked is not None else (), last_us + second * 1_000_000)
    return alerts
