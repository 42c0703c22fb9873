"""Records of `usage.events` as events, and the records that are none, each with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from schemas.errors import InvalidMessage, Reason
from schemas.usage_codec import UsageStruct, read, skim, with_time
from streams.ports import Headers, SourceRecord
from streams.rating.groups import Ints
from streams.rating.times import plain_times_us

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
Refused = tuple[SourceRecord, InvalidMessage]


@dataclass(frozen=True)
class Decoded:
    """What a batch of records says: `events[i]`, of time `event_us[i]`, was read from `records[i]`.

    Leaves are not completed yet; `time` of an event may still be text.
    """

    events: list[UsageStruct]
    event_us: Ints
    records: list[SourceRecord]
    refused: list[Refused]


def binary_attributes(headers: Headers) -> dict[str, bytes] | None:
    """The CloudEvents headers of a record in binary mode; None in structured mode."""
    if not _is_binary(headers):
        return None
    return {name: value for name, value in headers if value is not None and name.startswith("ce_")}


def _is_binary(headers: Headers) -> bool:
    return bool(headers) and any(name == "ce_id" and value is not None for name, value in headers)


def decode_all(records: Sequence[SourceRecord]) -> Decoded:
    """Each record as an event or as a refusal, in order."""
    events: list[UsageStruct | None] = [
        None if record.value is None or _is_binary(record.headers) else skim(record.value) for record in records
    ]
    times = [" " if event is None else str(event.time) for event in events]
    event_us, plain = plain_times_us(times)
    refused: list[Refused] = []
    for at in np.flatnonzero(~plain).tolist():
        try:
            event = events[at] = _read(records[at], events[at])
            event_us[at] = (event.time - _EPOCH) // _MICROSECOND
        except InvalidMessage as refusal:
            events[at] = None
            refused.append((records[at], refusal))
    if not refused:
        return Decoded(events, event_us, list(records), refused)  # type: ignore[arg-type]  # none is None
    kept = [at for at, event in enumerate(events) if event is not None]
    read_events: list[Any] = [events[at] for at in kept]
    return Decoded(read_events, event_us[kept], [records[at] for at in kept], refused)


def _read(record: SourceRecord, skimmed: UsageStruct | None) -> UsageStruct:
    """The event of a record that is not plain. Raises: InvalidMessage: there is none."""
    if record.value is None:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "", "the record has no value (a tombstone)")
    if skimmed is not None:
        try:
            return with_time(skimmed)
        except ValueError:
            pass
    return read(record.value, binary_attributes(record.headers))
