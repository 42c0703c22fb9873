"""OpenMeter's events, unchanged: CloudEvents whose `data` is metered. Pure.

What becomes of an event: `id`, `source`, `time` and `subject` stay; the subject is the customer, so it is also the
`end_user`. OpenMeter counts one event per token class: `data.tokens` with `data.type` input (or prompt) is
`input_tokens`, output (or completion) is `output_tokens`, and a request of two classes is two events. Fields of `data`
that the contract knows keep their name; other numbers, flags and texts of at most 64 characters become tags, and so
does the event's type (`meter_type`). Content (prompt, messages, ...) is never taken. An event without any count of
tokens is skipped.
Source: openmeterio/openmeter, config.example.yaml and docs.
"""

from collections.abc import Iterator
from typing import Any

from producers.dialect import Dialect, Draft, Lines, Row, Skipped
from producers.dialects.bodies import FILES
from producers.dialects.documents import documents
from producers.dialects.values import Json, as_count, key_id, known_fields, label, moment, name
from schemas.errors import InvalidMessage, Reason
from schemas.usage import LEAVES

_TYPES = {"input": "input_tokens", "prompt": "input_tokens", "output": "output_tokens", "completion": "output_tokens"}
_TOTALS = {
    "input_tokens": "input_tokens", "prompt_tokens": "input_tokens",
    "output_tokens": "output_tokens", "completion_tokens": "output_tokens",
    **{leaf: leaf for leaf in LEAVES},
}  # fmt: skip
_CONTENT = frozenset({"prompt", "completion", "messages", "message", "content", "text", "response", "request", "body"})
_NAMES = (
    "org", "business_unit", "cost_center", "team", "project", "user", "agent", "service", "environment", "run",
    "session", "task", "task_class", "use_case", "purpose", "operation", "operation_id", "request_kind", "provider",
    "model", "requested_model", "service_tier", "region", "finish_reason",
)  # fmt: skip
_MAX_TAGS = 40
_MAX_TAG = 64


def fields_of(event: Json) -> dict[str, Any]:
    """The fields of an event's `data`.

    Raises: InvalidMessage: it holds no count of tokens, or one that is none.
    """
    data = event.get("data")
    if not isinstance(data, dict):
        raise InvalidMessage(Reason.MISSING_FIELD, "data", "data is required, a JSON object")
    counts = {field: _count(data, said) for said, field in _TOTALS.items() if data.get(said) is not None}
    kind = data.get("type")
    if data.get("tokens") is not None:
        side = _TYPES.get(str(kind))
        if side is None:
            raise InvalidMessage(Reason.NOT_AN_EVENT, "data.type", "data.tokens counts neither type input nor output")
        counts[side] = _count(data, "tokens")
    if not counts:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "data", "no count of tokens in data")
    names = {field: name(data.get(field)) for field in _NAMES if field in data}
    rest = data.keys() - set(_NAMES) - _TOTALS.keys() - _CONTENT - {"tokens", "type", "credential"}
    labels = {field: label(data[field]) for field in sorted(rest) if name(field)}
    tags = {field: said for field, said in labels.items() if said is not None and len(said) <= _MAX_TAG}
    return known_fields(
        end_user=name(event.get("subject")),
        credential=key_id(data.get("credential")),
        **names,
        usage_source="reported",
        tags={**dict(list(tags.items())[:_MAX_TAGS]), **known_fields(meter_type=name(event.get("type")))},
    ) | {field: held for field, held in counts.items() if held is not None}


def _count(data: Json, field: str) -> int | None:
    """A count; OpenMeter takes numbers as text too."""
    value = data.get(field)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    return as_count(value, f"data.{field}")


def read(lines: Lines) -> Iterator[Row]:
    """One row per event."""
    for found in documents(lines):
        if isinstance(found, Skipped):
            yield found
            continue
        event = found.value
        if not isinstance(event, dict) or event.get("specversion") != "1.0":
            yield Skipped(found.row, Reason.NOT_AN_EVENT, "no CloudEvent of version 1.0")
            continue
        try:
            data = fields_of(event)
        except InvalidMessage as verdict:
            yield Skipped(found.row, verdict.reason, verdict.message)
            continue
        own, source = name(event.get("id")), name(event.get("source"))
        content = found.content if own is None else ""
        yield Draft(found.row, content, moment(event.get("time")), data, source, own, name(event.get("subject")))


DIALECT = Dialect(
    name="openmeter", about="OpenMeter's CloudEvents, one per token class", read=read, needs=("org",), files=FILES
)
