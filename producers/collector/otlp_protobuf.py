"""OTLP traces as protobuf, read into the shape of OTLP/JSON: what most exporters send. Pure.

Only the fields that `producers/dialects/otlp.py` reads are kept, and no library is needed for them.
Source: opentelemetry-proto 1.x, trace_service.proto, trace.proto, common.proto; protobuf's wire format.
"""

import struct
from collections.abc import Iterator
from typing import Any

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_CUT = "the message is cut off"
_MAX_ARRAY = 64


class NotProtobufError(ValueError):
    """Bytes that are no such message."""


def traces_of(raw: bytes) -> dict[str, Any]:
    """The request as OTLP/JSON has it.

    Raises: NotProtobufError: it is none.
    """
    return {"resourceSpans": [_resource_spans(one) for one in _messages(raw, 1)]}


def partial_success(rejected: int, message: str) -> bytes:
    """The answer that says how many spans were not taken and why; empty where all were."""
    if not rejected:
        return b""
    said = message.encode()
    inner = b"\x08" + _varint_bytes(rejected) + b"\x12" + _varint_bytes(len(said)) + said
    return b"\x0a" + _varint_bytes(len(inner)) + inner


def _resource_spans(raw: bytes) -> dict[str, Any]:
    resource = next(_messages(raw, 1), b"")
    return {
        "resource": {"attributes": [_key_value(one) for one in _messages(resource, 1)]},
        "scopeSpans": [{"spans": [_span(span) for span in _messages(scope, 2)]} for scope in _messages(raw, 2)],
    }


def _span(raw: bytes) -> dict[str, Any]:
    span: dict[str, Any] = {"attributes": []}
    for number, value in _fields(raw):
        if number in {1, 2} and isinstance(value, bytes):
            span["traceId" if number == 1 else "spanId"] = value.hex()
        elif number in {7, 8} and isinstance(value, int):
            span["startTimeUnixNano" if number == 7 else "endTimeUnixNano"] = value
        elif number == 9 and isinstance(value, bytes):
            span["attributes"].append(_key_value(value))
        elif number == 15 and isinstance(value, bytes):
            span["status"] = {"code": next((held for field, held in _fields(value) if field == 3), 0)}
    return span


def _key_value(raw: bytes) -> dict[str, Any]:
    held = {number: value for number, value in _fields(raw) if isinstance(value, bytes)}
    return {"key": _text(held.get(1, b"")), "value": _any_value(held.get(2, b""))}


def _any_value(raw: bytes, *, in_array: bool = False) -> dict[str, Any]:
    for number, value in _fields(raw):
        if number == 1 and isinstance(value, bytes):
            return {"stringValue": _text(value)}
        if number == 2 and isinstance(value, int):
            return {"boolValue": bool(value)}
        if number == 3 and isinstance(value, int):
            return {"intValue": value - 2**64 if value >= 2**63 else value}
        if number == 4 and isinstance(value, int):
            return {"doubleValue": struct.unpack("<d", value.to_bytes(8, "little"))[0]}
        if number == 5 and isinstance(value, bytes) and not in_array:
            values = [_any_value(one, in_array=True) for _, one in zip(range(_MAX_ARRAY), _messages(value, 1))]  # noqa: B905  the shorter one ends it
            return {"arrayValue": {"values": values}}
    return {}


def _messages(raw: bytes, number: int) -> Iterator[bytes]:
    return (value for field, value in _fields(raw) if field == number and isinstance(value, bytes))


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Every field as its number and its value: numbers unsigned, everything else bytes."""
    place = 0
    while place < len(raw):
        tag, place = _varint(raw, place)
        kind = tag & 7
        if kind == _VARINT:
            value, place = _varint(raw, place)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, place = _varint(raw, place)
        elif kind in {_FIXED64, _FIXED32}:
            size = 8 if kind == _FIXED64 else 4
        else:
            raise NotProtobufError(f"there is no wire type {kind}")
        if place + size > len(raw):
            raise NotProtobufError(_CUT)
        held = raw[place : place + size]
        place += size
        yield tag >> 3, held if kind == _BYTES else int.from_bytes(held, "little")


def _varint(raw: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(raw):
            raise NotProtobufError(_CUT)
        byte = raw[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), place
    raise NotProtobufError("a number has no end")


def _varint_bytes(value: int) -> bytes:
    said = bytearray()
    while value > 0x7F:
        said.append(value & 0x7F | 0x80)
        value >>= 7
    said.append(value)
    return bytes(said)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise NotProtobufError("a text is not UTF-8") from error
