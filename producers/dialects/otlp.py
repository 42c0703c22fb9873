"""OTLP/JSON: spans with their attributes as plain values. Pure.

Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding (ids in hex, 64-bit numbers as text).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from producers.dialects.values import moment, name, within
from schemas.errors import InvalidMessage, Reason

_PLAIN = ("stringValue", "boolValue", "intValue", "doubleValue")
_ERROR = (2, "2", "STATUS_CODE_ERROR")


@dataclass(frozen=True, kw_only=True)
class Span:
    """A span; `id` is its trace and its own id, empty where it has none."""

    id: str
    trace_id: str | None
    start: datetime | None
    end: datetime | None
    failed: bool
    attributes: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)


def spans_of(value: object) -> list[Span]:
    """Every span of a request or of a line of an exported file.

    Raises: InvalidMessage: it is no OTLP/JSON of spans.
    """
    if not isinstance(value, dict) or not isinstance(value.get("resourceSpans"), list):
        raise InvalidMessage(Reason.NOT_AN_EVENT, "resourceSpans", "no OTLP/JSON: resourceSpans is no list")
    found: list[Span] = []
    for resource in _objects(value["resourceSpans"]):
        about = attributes_of(within(resource, "resource", "attributes"))
        scopes = resource.get("scopeSpans") or resource.get("instrumentationLibrarySpans")
        for scope in _objects(scopes):
            found += [_span(span, about) for span in _objects(scope.get("spans"))]
    return found


def attributes_of(value: object) -> dict[str, Any]:
    """Attributes by name; lists of plain values stay lists, nested objects are left out."""
    pairs = ((one.get("key"), one.get("value")) for one in _objects(value))
    return {key: plain for key, held in pairs if isinstance(key, str) and (plain := _plain(held)) is not None}


def _plain(value: object) -> Any:  # noqa: ANN401  an attribute is of any plain type
    if not isinstance(value, dict):
        return None
    if isinstance(listed := within(value, "arrayValue", "values"), list):
        return [_plain(one) for one in listed]
    return next((value[kind] for kind in _PLAIN if kind in value), None)


def _objects(value: object) -> Iterator[dict[str, Any]]:
    return (one for one in (value if isinstance(value, list) else []) if isinstance(one, dict))


def _span(span: dict[str, Any], resource: dict[str, Any]) -> Span:
    trace_id, span_id = name(span.get("traceId")), name(span.get("spanId"))
    return Span(
        id=f"{trace_id}/{span_id}" if trace_id and span_id else "",
        trace_id=trace_id,
        start=moment(span.get("startTimeUnixNano")),
        end=moment(span.get("endTimeUnixNano")),
        failed=within(span, "status", "code") in _ERROR,
        attributes=attributes_of(span.get("attributes")),
        resource=resource,
    )
