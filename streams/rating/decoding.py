"""Records of `usage.events` as events, and the records that are none, each with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import InvalidMessage, Reason
from schemas.usage_codec import UsageStruct, read
from streams.ports import Headers, SourceRecord


@dataclass(frozen=True)
class Decoded:
    """What a batch of records says: `events[i]` was read from `records[i]`; leaves are not completed yet."""

    events: list[UsageStruct]
    records: list[SourceRecord]
    refused: list[tuple[SourceRecord, InvalidMessage]]


def binary_attributes(headers: Headers) -> dict[str, bytes] | None:
    """The CloudEvents headers of a record in binary mode; None in structured mode."""
    found = {name: value for name, value in headers if value is not None and name.startswith("ce_")}
    return found if "ce_id" in found else None


def decode_all(records: Sequence[SourceRecord]) -> Decoded:
    """Each record as an event or as a refusal, in order."""
    events: list[UsageStruct] = []
    kept: list[SourceRecord] = []
    refused: list[tuple[SourceRecord, InvalidMessage]] = []
    for record in records:
        if record.value is None:
            refused.append((record, InvalidMessage(Reason.NOT_AN_EVENT, "", "the record has no value (a tombstone)")))
            continue
        try:
            events.append(read(record.value, binary_attributes(record.headers) if record.headers else None))
            kept.append(record)
        except InvalidMessage as refusal:
            refused.append((record, refusal))
    return Decoded(events, kept, refused)
