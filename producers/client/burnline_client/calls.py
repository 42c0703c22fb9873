"""From one watched call to the events that tell of it. Pure.

Laws
1. A call is one event, and one more for each iteration that its totals leave out; never none, whatever was answered.
2. Usage that nobody reported is `missing`, never zero; where a stream broke off before its usage, it is `estimated`
   from what passed: a quarter of the prompt's bytes, one token per piece of the answer.
3. No field holds text of a prompt or an answer; messages of errors are not kept, their types are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Optional

import msgspec

from burnline_client import anthropic_usage, openai_usage
from burnline_client.context import joined
from burnline_client.credentials import Pepper, credential_id
from burnline_client.prompts import estimated_input_tokens, fingerprints, keyed
from burnline_client.stream import StreamReader
from burnline_client.usage_leaves import Json, UnreadableUsageError
from burnline_client.values import known_fields, name, nested

_READERS: dict[str, Callable[[Json], list[dict[str, Any]]]] = {
    "openai": openai_usage.calls_of,
    "anthropic": anthropic_usage.calls_of,
}
_YOURS = ("provider", "operation_id", "attempt", "credential", "prompt_fingerprint", "prefix_fingerprint", "region")
"""What the caller's own fields may say in place of what was seen."""
_SIGNED = re.compile(rb"AWS4-[^\s]+\s+Credential=([^/,\s]+)/")
"""A signature is another one each time; the id of its key is not."""
_ESTIMATE = "prompt bytes / 4, pieces of the answer"


@dataclass
class Call:
    """A request to a provider and what came of it. `shape` is how its usage is written; `fields` what the task says."""

    shape: str
    provider: str
    operation: str | None
    started_at: datetime
    fields: Mapping[str, Any]
    request_body: bytes = b""
    requested_model: str | None = None
    inference_region: str | None = None
    secret: bytes | None = None
    operation_id: str | None = None
    attempt: int = 1

    status: str = "ok"
    http_status: int | None = None
    error_type: str | None = None
    body: bytes | None = None
    stream: StreamReader | None = field(default=None, repr=False)
    latency_ms: int | None = None
    ttft_ms: int | None = None

    @property
    def held_bytes(self) -> int:
        """How much memory this call keeps until it is told."""
        return len(self.request_body) + len(self.body or b"")


def events_of(call: Call, *, key: bytes | None = None, pepper: Pepper | None = None) -> list[dict[str, Any]]:
    """The fields of the events that tell of a call; `key` is for fingerprints, `pepper` for the id of the API key."""
    answers, refused = _answers(call)
    broken_off = call.stream is not None and not (call.stream.has_usage and call.stream.has_ended)
    request = _decoded(call.request_body, dict[str, Any] if key or broken_off else _Asked)
    if call.stream is not None and broken_off and (call.stream.pieces or call.status != "error"):
        answers[0] = _estimated(answers[0], call.stream, request)
    asked_tier = name(request.get("service_tier"))
    seen = known_fields(
        operation=call.operation,
        operation_id=call.operation_id,
        attempt=call.attempt,
        requested_model=call.requested_model or name(request.get("model")),
        inference_region=call.inference_region,
        status=call.status,
        http_status=call.http_status,
        latency_ms=call.latency_ms,
        ttft_ms=call.ttft_ms,
        credential=_credential(call.secret, key, pepper),
        **fingerprints(request, key),
    )
    events = []
    for answer in answers:
        fields = {**answer, **seen, "provider": call.provider}
        if answer.get("status") == "error" or (answer.get("status") == "cancelled" and call.status == "ok"):
            fields["status"] = answer["status"]
        fields.setdefault("model", seen.get("requested_model") or "unknown")
        tags = known_fields(error_type=call.error_type, usage_refused=refused)
        if "service_tier" not in fields and asked_tier not in (None, "auto", "default", "standard_only"):
            fields["service_tier"] = asked_tier
            tags["tier_basis"] = "requested"
        if tags:
            fields["tags"] = {**fields.get("tags", {}), **tags}
        events.append(joined({**call.fields}, {**fields, **_own(call.fields)}))
    return events


def _credential(secret: bytes | None, key: bytes | None, pepper: Pepper | None) -> str | None:
    """What stands for the API key of a call: its id under the pepper, else under the key for fingerprints."""
    signed = _SIGNED.match(secret or b"")
    secret = signed[1] if signed else secret
    if not secret:
        return None
    if pepper is not None:
        return credential_id(secret.removeprefix(b"Bearer "), pepper)
    return keyed(key, b"credential", secret) if key else None


def _own(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {field: fields[field] for field in _YOURS if field in fields}


def _answers(call: Call) -> tuple[list[dict[str, Any]], str | None]:
    """What the provider said, and why its usage could not be read, if it could not."""
    body = call.stream.body if call.stream is not None else _decoded(call.body or b"", _Answer)
    response_id = name(body.get("id"))
    try:
        answers = _READERS[call.shape](body)
        refused = None
    except UnreadableUsageError as error:
        answers, refused = [known_fields(model=name(body.get("model")), usage_source="missing")], str(error)[:1024]
    for answer in answers:
        answer.pop("operation_id", None)  # attempts are joined by ours
        if response_id is not None:
            answer["tags"] = {**answer.get("tags", {}), "response_id": response_id}
    return answers, refused


def _estimated(answer: dict[str, Any], stream: StreamReader, request: Json) -> dict[str, Any]:
    """The answer of a stream that ended before its last usage, with estimates where nothing, or less, was said."""
    estimated = {**answer, "usage_source": "estimated", "tags": {**answer.get("tags", {}), "estimate": _ESTIMATE}}
    if "input_tokens" not in answer:
        estimated |= known_fields(input_tokens=estimated_input_tokens(request))
    if answer.get("output_tokens", -1) < stream.pieces:
        estimated = {field: held for field, held in estimated.items() if not field.startswith("output_")}
        estimated["output_tokens"] = stream.pieces
    return estimated


class _Choice(msgspec.Struct, omit_defaults=True):
    finish_reason: Any = None


class _Answer(msgspec.Struct, omit_defaults=True):
    """What is read of an answer; everything else, content and vectors, is passed over undecoded."""

    id: Any = None
    model: Any = None
    object: Any = None
    status: Any = None
    usage: Any = None
    x_groq: Any = None
    service_tier: Any = None
    stop_reason: Any = None
    incomplete_details: Any = None
    choices: Optional[list[_Choice]] = None  # noqa: UP045  msgspec evaluates it, on Python 3.10 too


class _Asked(msgspec.Struct, omit_defaults=True):
    """What is read of a request where its prompt is not needed."""

    model: Any = None
    service_tier: Any = None


def _decoded(body: bytes, kind: Any) -> dict[str, Any]:  # noqa: ANN401  a type is a value here
    """What a body says of the fields of this type; nothing where it is no such JSON."""
    try:
        found = msgspec.to_builtins(msgspec.json.decode(body, type=kind))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return nested(found)
