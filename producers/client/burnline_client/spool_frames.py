"""Events as bytes of a spool file, and back. Pure.

Laws
1. What was written is read back, in order.
2. Whatever the end of a file lost or gained, what is read back are the records that stand whole before it.
A file is its head (`MAGIC`, then the topic as a frame) and frames; a frame is 4 bytes of length, 4 bytes of CRC-32, and
that many bytes. An empty frame is none, so that a run of zeros (what a file system may leave) is not read as frames.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

import msgspec

MAGIC = b"BLSPOOL1"
MAX_BODY_BYTES = 2 * 1_048_576
_HEAD = struct.Struct(">II")
FRAME_BYTES = _HEAD.size
"""What a frame takes beside its body."""


class Record(NamedTuple):
    """One event as Kafka will get it."""

    event_id: str
    key: str
    value: bytes


class Frames(NamedTuple):
    """The records at the start of some bytes, how many bytes they take, and whether what follows can be no frame."""

    records: list[Record]
    size: int
    damaged: bool


_record_of = msgspec.msgpack.Decoder(Record)


def head(topic: str) -> bytes:
    """How a file begins whose events go to this topic."""
    return MAGIC + _frame(topic.encode())


def frame(record: Record) -> bytes:
    """The record as a frame."""
    return _frame(msgspec.msgpack.encode(record))


def read_head(data: bytes) -> tuple[str, int] | None:
    """(topic, length of the head) of a file that begins like this; None when it begins like no file of ours."""
    if not data.startswith(MAGIC):
        return None
    body = _body(data, len(MAGIC))
    return (body.decode(), len(MAGIC) + FRAME_BYTES + len(body)) if body else None


def read_frames(data: bytes) -> Frames:
    """The whole frames at the start of `data`; `damaged` when more bytes could not make a frame of what follows."""
    records: list[Record] = []
    at = 0
    while True:
        body = _body(data, at)
        if not body:
            return Frames(records, at, body is not None)
        try:
            records.append(_record_of.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Frames(records, at, damaged=True)
        at += FRAME_BYTES + len(body)


def _frame(body: bytes) -> bytes:
    return _HEAD.pack(len(body), crc32(body)) + body


def _body(data: bytes, at: int) -> bytes | None:
    """The body of the frame at `at`; None when it goes on beyond `data`, empty when it is none."""
    if len(data) - at < FRAME_BYTES:
        return None
    length, checksum = _HEAD.unpack_from(data, at)
    if not 0 < length <= MAX_BODY_BYTES:
        return b""
    body = data[at + FRAME_BYTES : at + FRAME_BYTES + length]
    if len(body) < length:
        return None
    return body if crc32(body) == checksum else b""
