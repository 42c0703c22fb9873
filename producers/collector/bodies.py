"""What stands in the body of a request, by where it was posted and its content type. Pure.

| path | what |
|---|---|
| /v1/events | CloudEvents: one (`application/cloudevents+json`), a batch (`-batch+json`), binary mode (`ce-` headers) |
| /v1/litellm | what LiteLLM's generic_api callback posts: one payload, an array, or JSON lines |
| /v1/traces | OTLP/HTTP, protobuf or JSON: spans of OpenTelemetry's GenAI conventions |

Events of type burnline.usage.v1 are read as they are; others as OpenMeter's.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from producers import burnline_lines
from producers.collector.otlp_protobuf import NotProtobufError, traces_of
from producers.collector.problems import Problem
from producers.dialect import Row, Skipped
from producers.dialects import litellm, openmeter, otel
from schemas.errors import Reason
from schemas.usage import USAGE_TYPE

_JSON = "application/json"
_ONE, _BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
_NDJSON = ("application/x-ndjson", "application/jsonl", "application/ndjson")
PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True, kw_only=True)
class Door:
    """A path: what its events are read with, the source of those that name none, and whether it speaks OTLP."""

    rows: Callable[[bytes, str, Mapping[str, str]], Iterator[Row]]
    source: str
    is_otlp: bool = False


def _cloudevents(body: bytes, kind: str, headers: Mapping[str, str]) -> Iterator[Row]:
    if "ce-specversion" in headers:
        if kind != _JSON:
            raise Problem(415, f"content type {kind or 'none'}: data of a binary mode event is {_JSON}")
        return _one_event(_structured(body, headers))
    if kind not in {_ONE, _BATCH, _JSON}:
        said = f"content type {kind or 'none'}: send {_ONE}, {_BATCH}, or {_JSON} with ce- headers"
        raise Problem(415, said)
    is_batch = kind == _BATCH or (kind == _JSON and body.lstrip()[:1] == b"[")
    if not is_batch:
        return _one_event(body)
    try:
        parts = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"the body is no JSON array of events: {error}") from error
    return (row for part in parts for row in _one_event(bytes(part)))


def _one_event(raw: bytes) -> Iterator[Row]:
    """Exactly one row."""
    try:
        text = raw.decode()
        kind = msgspec.json.decode(raw, type=_Kind).type
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        yield Skipped(1, Reason.INVALID_JSON, f"no JSON object: {error}")
        return
    reader = burnline_lines.read if kind in (None, USAGE_TYPE) else openmeter.read
    found = next(iter(reader([text])), None)
    yield found if found is not None else Skipped(1, Reason.NOT_AN_EVENT, "the body is empty")


class _Kind(msgspec.Struct):
    type: str | None = None


def _structured(body: bytes, headers: Mapping[str, str]) -> bytes:
    """A binary mode event as a structured one."""
    attributes = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
    attributes.pop("data", None)
    try:
        return msgspec.json.encode({**attributes, "data": msgspec.json.decode(body, type=msgspec.Raw)})
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"the body is no JSON: {error}") from error


def _litellm(body: bytes, kind: str, _headers: Mapping[str, str]) -> Iterator[Row]:
    if kind not in {_JSON, *_NDJSON}:
        raise Problem(415, f"content type {kind or 'none'}: send {_JSON} or {_NDJSON[0]}")
    return litellm.read(_text(body).splitlines())


def _otlp(body: bytes, kind: str, _headers: Mapping[str, str]) -> Iterator[Row]:
    if kind == PROTOBUF:
        try:
            traces = traces_of(body)
        except NotProtobufError as error:
            raise Problem(400, f"the body is no ExportTraceServiceRequest: {error}") from error
        return otel.read([msgspec.json.encode(traces).decode()])
    if kind != _JSON:
        raise Problem(415, f"content type {kind or 'none'}: send {PROTOBUF} or {_JSON}")
    return otel.read(_text(body).splitlines())


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Problem(400, f"the body is not UTF-8 at byte {error.start}") from error


DOORS: dict[str, Door] = {
    "/v1/events": Door(rows=_cloudevents, source="http"),
    "/v1/litellm": Door(rows=_litellm, source="litellm"),
    "/v1/traces": Door(rows=_otlp, source="otel", is_otlp=True),
}
