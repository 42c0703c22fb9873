"""OTLP as protobuf is read as the same request in JSON is; what is cut or made up is refused, never misread."""

import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.collector.otlp_protobuf import NotProtobufError, partial_success, traces_of
from tests.unit.test_collector_intake import JSON, posted

GOLDEN = Path(__file__).parents[1] / "golden" / "dialects" / "otel"


def _number(value: int) -> bytes:
    value &= 2**64 - 1
    said = bytearray()
    while value > 0x7F:
        said.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*said, value])


def _bytes(field: int, value: bytes) -> bytes:
    return _number(field << 3 | 2) + _number(len(value)) + value


def _fixed(field: int, value: Any) -> bytes:
    return b"" if value is None else _number(field << 3 | 1) + int(value).to_bytes(8, "little")


def _any(value: dict[str, Any]) -> bytes:
    ((kind, held),) = value.items()
    if kind == "stringValue":
        return _bytes(1, held.encode())
    if kind == "doubleValue":
        return _number(4 << 3 | 1) + struct.pack("<d", held)
    if kind == "arrayValue":
        return _bytes(5, b"".join(_bytes(1, _any(one)) for one in held["values"]))
    return _number((2 if kind == "boolValue" else 3) << 3) + _number(int(held))


def _attributes(field: int, listed: list[dict[str, Any]]) -> bytes:
    return b"".join(_bytes(field, _bytes(1, one["key"].encode()) + _bytes(2, _any(one["value"]))) for one in listed)


def _span(span: dict[str, Any]) -> bytes:
    code = {"STATUS_CODE_ERROR": 2}.get(span.get("status", {}).get("code"), span.get("status", {}).get("code", 0))
    return b"".join(
        [
            _bytes(1, bytes.fromhex(span.get("traceId", ""))), _bytes(2, bytes.fromhex(span.get("spanId", ""))),
            _bytes(5, b"a name"), _fixed(7, span.get("startTimeUnixNano")), _fixed(8, span.get("endTimeUnixNano")),
            _attributes(9, span.get("attributes", [])), _bytes(15, _number(3 << 3) + _number(int(code))),
        ]
    )  # fmt: skip


def encoded(request: dict[str, Any]) -> bytes:
    """A request of OTLP/JSON as protobuf writes it."""
    found = b""
    for resource in request["resourceSpans"]:
        inner = _bytes(1, _attributes(1, resource.get("resource", {}).get("attributes", [])))
        for scope in resource.get("scopeSpans", []):
            inner += _bytes(2, _bytes(1, b"") + b"".join(_bytes(2, _span(span)) for span in scope.get("spans", [])))
        found += _bytes(1, inner)
    return found


def _plain(request: dict[str, Any]) -> bool:
    return "instrumentationLibrarySpans" not in json.dumps(request)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_protobuf_and_json_are_the_same_events(path: Path) -> None:
    """Every golden request gives the same records in both encodings."""
    request = json.loads(path.read_text())
    if not isinstance(request, dict) or not _plain(request):
        pytest.skip("not a request that protobuf can write")
    binary = posted("/v1/traces", encoded(request), "application/x-protobuf")
    assert binary == posted("/v1/traces", json.dumps(request).encode(), JSON)
    assert binary.events


@given(raw=st.binary(max_size=80))
def test_what_is_no_request_is_said_to_be_none(raw: bytes) -> None:
    """Any bytes are a request or none; nothing else is raised."""
    with suppress(NotProtobufError):
        assert set(traces_of(raw)) == {"resourceSpans"}


@given(cut=st.integers(1, 200))
def test_a_request_that_is_cut_is_not_read_as_another(cut: int) -> None:
    """A tail that did not arrive is an error, or whole messages that are missing; no value is made up."""
    span = {"traceId": "0a" * 16, "spanId": "0b" * 8, "attributes": [{"key": "k", "value": {"stringValue": "v" * 90}}]}
    whole = encoded({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    with pytest.raises(NotProtobufError):
        traces_of(whole[: -min(cut, len(whole) - 1)])


def test_rejected_spans_are_told_as_the_protocol_says() -> None:
    """ExportTracePartialSuccess: field 1 the number, field 2 the message; nothing where nothing was rejected."""
    assert partial_success(0, "") == b""
    assert partial_success(300, "no") == _bytes(1, _number(1 << 3) + _number(300) + _bytes(2, b"no"))
