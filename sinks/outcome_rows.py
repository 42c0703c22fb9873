"""Outcomes as rows, every revision of each; and which of them contradict what stands. Pure.

Laws
1. A revision that stands with the same content is a copy: stored again it changes nothing. With another content it is a
   dead letter, whichever came first stays.
2. What becomes of a record depends only on what came before it: reading again after a crash decides the same, as every
   revision is kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from schemas.dead_letters import RefusedRecord, dead_letter
from schemas.errors import InvalidMessage, Reason
from schemas.outcomes import DECIMALS, OutcomeData, OutcomeEvent, as_decimal, content_hash, decode_outcome, outcome_id
from schemas.secrets import holds_secret, named_without_secrets
from sinks.log_reader import Record

TOPIC = "usage.outcomes"
OUTCOMES_TABLE = "outcome_revisions_store"
STORED = (
    "SELECT r.outcome_id, r.revision, any(r.content) FROM outcome_revisions_store AS r"
    " WHERE r.outcome_id IN {ids:Array(String)} GROUP BY r.outcome_id, r.revision"
)
"""The content of every revision that is stored of these outcomes."""
_FUTURE = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME, _MONEY = pa.timestamp("us", tz="UTC"), pa.decimal128(38, 12)
_OTHER_TYPES: Mapping[str, pa.DataType] = {
    **dict.fromkeys(DECIMALS, _MONEY),
    **dict.fromkeys(("accepted", "intervention", "exception", "void"), pa.bool_()),
    **dict.fromkeys(("period_from", "period_until"), pa.date32()),
    "revision": pa.uint32(),
    "quality_score": pa.float64(),
}
OUTCOMES_SCHEMA = pa.schema(
    [
        ("outcome_id", pa.string()),
        ("source", pa.string()),
        ("id", pa.string()),
        ("ts", _TIME),
        ("received_at", _TIME),
        ("content", pa.string()),
        *((name, _OTHER_TYPES.get(name, pa.string())) for name in OutcomeData.model_fields),
        ("src_partition", pa.int32()),
        ("src_offset", pa.int64()),
    ]
)
Revision = tuple[str, int]
"""(outcome_id, revision)"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A record that may be stored as this row, unless it contradicts what stands."""

    record: Record
    row: dict[str, Any]

    @property
    def revision(self) -> Revision:
        """What it claims to be."""
        return self.row["outcome_id"], self.row["revision"]


def claim_of(record: Record) -> Claim:
    """The record as a row. Raises: InvalidMessage: it is a dead letter, for its `reason`."""
    event = decode_outcome(record.value, {name: value for name, value in record.headers if value is not None})
    received_at = _EPOCH + timedelta(microseconds=record.append_time_us)
    if event.time > received_at + _FUTURE:
        said = f"time {event.time.isoformat()} is more than 5 minutes after {received_at.isoformat()}, when it came"
        raise InvalidMessage(Reason.IN_THE_FUTURE, "time", said)
    place = {"src_partition": record.partition, "src_offset": record.offset}
    row = _row(event) | {"received_at": received_at, **place}
    if holds_secret(record.value):
        row = {name: named_without_secrets(value) if isinstance(value, str) else value for name, value in row.items()}
    return Claim(record, row)


def _row(event: OutcomeEvent) -> dict[str, Any]:
    said = dict(event.data)
    return {
        "outcome_id": outcome_id(event),
        "source": event.source,
        "id": event.id,
        "ts": event.time.astimezone(UTC),
        "content": content_hash(event),
        **said,
        **{name: as_decimal(said[name]) for name in DECIMALS},
    }


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that cannot be stored, and why."""

    record: Record
    why: InvalidMessage

    def letter(self) -> tuple[bytes, bytes]:
        """Key and value of its dead letter."""
        record = self.record
        read = RefusedRecord(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            append_time_us=record.append_time_us,
            key=None,
            value=record.value,
            headers=record.headers,
        )
        return dead_letter(read, self.why)


def judged(claims: Iterable[Claim], stored: Mapping[Revision, str]) -> tuple[list[dict[str, Any]], list[Refused]]:
    """(the rows to store, the records that contradict them or what is `stored`)."""
    standing = dict(stored)
    rows: list[dict[str, Any]] = []
    refused: list[Refused] = []
    for claim in claims:
        content = standing.setdefault(claim.revision, claim.row["content"])
        if content == claim.row["content"]:
            rows.append(claim.row)
            continue
        said = f"an outcome of this source and id stands with another content as revision {claim.row['revision']}"
        refused.append(Refused(claim.record, InvalidMessage(Reason.CONFLICTING_DUPLICATE, "id", said)))
    return rows, refused
