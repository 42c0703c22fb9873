"""A heartbeat: a record that goes the way of an event and counts as nothing, so that its absence says what is dead.

1. On `usage.events`: a CloudEvent in binary mode of type HEARTBEAT_TYPE, one to each partition. It is no usage event:
   it has no row, no sum, no dead letter.
2. On `internal.deltas`: an empty message with the header `heartbeat`, in the partition of the same number.
3. On `internal.heartbeats`: a `Heartbeat`, written with burn's conclusions; the sink stores it.
Nobody's contract; the view `heartbeats` is.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from schemas.signals import rfc3339

HEARTBEAT_TYPE = "burnline.heartbeat.v1"
TOPIC = "internal.heartbeats"
HEADER = "heartbeat"
OWN_ORG = "burnline"
"""The organisation of alerts about Burnline itself; routes of it say who is told."""
COLLECTOR = "collector-"
"""How the ids of heartbeats begin that a collector sent; all others are the notifier's."""
MOST_ASTRAY_US = 86_400_000_000
"""Who sends a heartbeat of another day has no clock to speak of."""
_TYPE = ("ce_type", HEARTBEAT_TYPE.encode())
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """One heartbeat as far as it has come. Microseconds since 1970, by the broker's clock but for `sent_us`."""

    lane: int  # the partition of usage.events
    beat_id: str
    sent_us: int  # never after received_us
    received_us: int  # appended to usage.events
    rated_us: int = 0  # appended to internal.deltas


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope on `internal.heartbeats`."""

    type: str = HEARTBEAT_TYPE
    data: Beat


def beat_headers(beat_id: str, *, sent_at: datetime) -> list[tuple[str, bytes]]:
    """The headers of the record on `usage.events`; its value is `{}`."""
    said = {"ce_specversion": "1.0", "ce_id": beat_id, "ce_source": "burnline/heartbeat", "ce_time": rfc3339(sent_at)}
    return [*((name, value.encode()) for name, value in said.items()), _TYPE]


def is_beat(headers: Iterable[tuple[str, bytes | None]]) -> bool:
    """Whether a record of `usage.events` says that it is a heartbeat."""
    return _TYPE in headers


def beat_of(headers: Iterable[tuple[str, bytes | None]], *, lane: int, append_time_us: int) -> Beat | None:
    """The heartbeat that the headers of a record of `usage.events` say; None where they say none."""
    said = {name: value for name, value in headers if value is not None}
    if said.get(_TYPE[0]) != _TYPE[1]:
        return None
    try:
        sent_at = datetime.fromisoformat(said["ce_time"].decode())
        beat_id = said["ce_id"].decode()
    except (KeyError, ValueError):
        return None
    if sent_at.tzinfo is None or len(beat_id) > 64:
        return None
    sent_us = (sent_at - _EPOCH) // timedelta(microseconds=1)
    if abs(sent_us - append_time_us) > MOST_ASTRAY_US:
        return None
    # A clock that is ahead, or a forger, would hide for as long that nothing comes any more.
    return Beat(lane=lane, beat_id=beat_id, sent_us=min(sent_us, append_time_us), received_us=append_time_us)


def beat_header(beat: Beat) -> tuple[str, bytes]:
    """The header of its message on `internal.deltas`."""
    return (HEADER, msgspec.json.encode(beat))


def beat_from_headers(headers: Iterable[tuple[str, bytes | None]]) -> Beat | None:
    """The heartbeat of a message of `internal.deltas`; None where it is none. Raises: msgspec.MsgspecError."""
    for name, value in headers:
        if name == HEADER and value is not None:
            return msgspec.json.decode(value, type=Beat)
    return None


def heartbeat_bytes(beat: Beat) -> bytes:
    """The value on `internal.heartbeats`."""
    return msgspec.json.encode(Heartbeat(data=beat))


def heartbeat_from_bytes(raw: bytes) -> Beat:
    """The heartbeat in a value of `internal.heartbeats`. Raises: msgspec.MsgspecError: it is none."""
    return msgspec.json.decode(raw, type=Heartbeat).data
