"""What the LiteLLM gateway writes of a call: StandardLoggingPayload, and rows of its SpendLogs table. Pure.

LiteLLM's `prompt_tokens` contains every cache class, whoever served: cache, audio, image and reasoning are SUBSET.
Identities: what its key is bound to (`user_api_key_*`) is authenticated; what the caller says (`end_user`, tags,
metadata of the request) is asserted, and never fills an authenticated field. An event's id is `litellm_call_id` and the
attempt, where that is known; `id` is used only without it, for LiteLLM repeats it and marks cache hits in it.
`messages`, `response` and error texts are never read. A call without any count is `missing`: LiteLLM writes 0 there.
Source: litellm 1.109.1, types/utils.py (StandardLoggingPayload), proxy/_types.py (SpendLogsPayload).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from producers.dialect import Dialect, Draft, Lines, Row, Skipped
from producers.dialects.bodies import FILES
from producers.dialects.documents import documents
from producers.dialects.leaves import SUBSET, Part, Side, check_total, sides_of
from producers.dialects.litellm_fields import identities, nested, tags_of, work_of
from producers.dialects.openai import OUTPUT, OUTPUT_REASONING_ADDED
from producers.dialects.openai import tokens as openai_tokens
from producers.dialects.values import (
    Json,
    as_count,
    as_millis,
    count,
    first_moment,
    known_fields,
    millis,
    moment,
    name,
    usd_text,
    within,
)
from schemas.errors import InvalidMessage, Reason

_DETAILS = "prompt_tokens_details."
_TTL = f"{_DETAILS}cache_creation_token_details.ephemeral_"
INPUT = Side(
    total="input_tokens",
    rest="input_uncached_tokens",
    base=("prompt_tokens",),
    parts=(
        Part("input_cache_read_tokens", SUBSET, (f"{_DETAILS}cached_tokens", "cache_read_input_tokens")),
        Part(
            "input_cache_write_other_tokens",
            SUBSET,
            (f"{_DETAILS}cache_creation_tokens", f"{_DETAILS}cache_write_tokens", "cache_creation_input_tokens"),
            of_which=tuple((f"input_cache_write_{ttl}_tokens", f"{_TTL}{ttl}_input_tokens") for ttl in
                           ("5m", "30m", "1h", "12h")),
        ),
        Part("input_audio_tokens", SUBSET, (f"{_DETAILS}audio_tokens",)),
        Part("input_image_tokens", SUBSET, (f"{_DETAILS}image_tokens",)),
    ),
)  # fmt: skip
_SIGNS = ("litellm_call_id", "request_id", "call_type", "custom_llm_provider")
_READ_BACK = frozenset({"get_responses", "aget_responses", "alist_input_items", "list_input_items"})
"""Calls that only fetch an answer again: their usage was counted when it was made."""
_OPERATIONS = {
    "completion": "chat", "responses": "chat", "anthropic_messages": "chat", "text_completion": "text_completion",
    "embedding": "embeddings",
}  # fmt: skip


def tokens(payload: Json, usage: Json | None) -> dict[str, int]:
    """Totals and leaves of a payload; empty where LiteLLM knew no usage.

    Raises: InvalidMessage: a count is none, or the leaves do not fit into their totals.
    """
    if usage is not None and "prompt_tokens" not in usage and "input_tokens" in usage:
        return openai_tokens(usage)
    totals = {field: count(payload, field) for field in ("prompt_tokens", "completion_tokens", "total_tokens")}
    if usage is None and not any(totals.values()):
        return {}
    said = {**known_fields(**totals), **known_fields(**(usage or {}))}
    total = count(said, "total_tokens") or None  # LiteLLM writes 0 where it knows none
    fields = sides_of(said, INPUT, OUTPUT, out_apart=OUTPUT_REASONING_ADDED, total=total)
    check_total(fields, total, "total_tokens")
    return fields


def call_of(payload: Json) -> tuple[str | None, datetime | None, dict[str, Any]]:
    """The id, the start and the fields of a call.

    Raises: InvalidMessage: it is no payload of LiteLLM's, or its counts do not agree.
    """
    if not any(payload.get(sign) for sign in _SIGNS) or not ({"prompt_tokens", "spend"} & payload.keys()):
        raise InvalidMessage(Reason.NOT_AN_EVENT, "", "neither a StandardLoggingPayload nor a row of SpendLogs")
    metadata = nested(payload.get("metadata"))
    usage = within(metadata, "usage_object")
    usage = usage if isinstance(usage, dict) and usage else None
    fields = tokens(payload, usage)
    start = first_moment(payload, ("startTime",))
    provider = name(payload.get("custom_llm_provider")) or name(metadata.get("custom_llm_provider"))
    failed = payload.get("status") == "failure"
    attempt = _attempt(metadata)
    own = name(payload.get("litellm_call_id")) or name(metadata.get("litellm_call_id"))
    data = known_fields(
        provider=provider,
        model=_model(payload.get("model"), provider),
        requested_model=name(payload.get("model_group")),
        operation=_operation(payload.get("call_type")),
        operation_id=own,
        attempt=attempt,
        status="error" if failed else "ok",
        http_status=_http_status(payload, metadata),
        finish_reason=None,
        latency_ms=_latency(payload, start),
        ttft_ms=millis(start, moment(payload.get("completionStartTime"))) if payload.get("stream") is True else None,
        usage_source="reported" if fields else "missing",
        gateway_cache_hit=_cache_hit(payload.get("cache_hit")),
        reported_cost_usd=usd_text(payload.get("response_cost", payload.get("spend"))),
        units=_units(usage),
        **_tier(payload, metadata, usage),
        **identities(payload, metadata),
        **work_of(payload, metadata),
    )
    data["tags"] = {**tags_of(payload, metadata, usage), **data.get("tags", {})} or None
    return _id(payload, own, attempt, failed=failed), start, known_fields(**data) | fields


def read(lines: Lines) -> Iterator[Row]:
    """One row per payload; payloads may stand in the batches that LiteLLM's generic_api callback posts."""
    for found in documents(lines):
        if isinstance(found, Skipped):
            yield found
            continue
        if not isinstance(found.value, dict):
            yield Skipped(found.row, Reason.NOT_AN_EVENT, "no JSON object")
            continue
        payload = found.value.get("standard_logging_object", found.value)
        payload = payload if isinstance(payload, dict) else found.value
        if (kind := name(payload.get("call_type"))) in _READ_BACK:
            yield Skipped(found.row, "read_back", f"call_type {kind} fetches an answer that was counted before")
            continue
        try:
            own, start, data = call_of(payload)
        except InvalidMessage as verdict:
            yield Skipped(found.row, verdict.reason, verdict.message)
        else:
            yield Draft(found.row, found.content if own is None else "", start, data, None, own)


def _id(payload: Json, own: str | None, attempt: int | None, *, failed: bool) -> str | None:
    """Attempts of one call have one `litellm_call_id`; failed ones of unknown number are told apart by their start."""
    if own is None:
        return name(payload.get("request_id")) or name(payload.get("id"))
    if attempt is not None:
        return f"{own}/{attempt}"
    start = moment(payload.get("startTime"))
    return f"{own}/failed-{start.timestamp():.6f}" if failed and start is not None else own


def _attempt(metadata: Json) -> int | None:
    retries = as_count(metadata.get("attempted_retries"), "metadata.attempted_retries")
    return None if retries is None else retries + 1


def _model(value: object, provider: str | None) -> str | None:
    model = name(value)
    return model if model is None or provider is None else model.removeprefix(f"{provider}/") or model


def _operation(value: object) -> str | None:
    kind = name(value)
    return None if kind is None else _OPERATIONS.get(kind) or _OPERATIONS.get(kind.removeprefix("a")) or kind


def _http_status(payload: Json, metadata: Json) -> int | None:
    code = within(nested(payload.get("error_information")) or nested(metadata.get("error_information")), "error_code")
    text = str(code) if isinstance(code, int | str) and not isinstance(code, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) == 3 and 100 <= int(text) <= 599 else None


def _latency(payload: Json, start: datetime | None) -> int | None:
    found = millis(start, moment(payload.get("endTime")))
    return found if found is not None else as_millis(payload.get("request_duration_ms"))


def _cache_hit(value: object) -> bool | None:
    """LiteLLM's own cache; SpendLogs writes it as text. `None` is what it writes when nothing was looked up."""
    said = value.lower() if isinstance(value, str) else value
    return True if said in (True, "true") else False if said in (False, "false") else None


def _tier(payload: Json, metadata: Json, usage: Json | None) -> dict[str, Any]:
    """The tier that served, or the one asked for, which a tag says then."""
    costs = nested(payload.get("cost_breakdown")) or nested(metadata.get("cost_breakdown"))
    served = name(within(costs, "service_tier")) or name((usage or {}).get("service_tier"))
    asked = name(within(payload, "model_parameters", "service_tier"))
    if served is None and asked not in (None, "auto"):
        return {"service_tier": asked, "tags": {"tier_basis": "requested"}}
    return {"service_tier": served}


def _units(usage: Json | None) -> dict[str, float] | None:
    searches = as_count(within(usage, "server_tool_use", "web_search_requests"), "web_search_requests")
    return {"web_searches": float(searches)} if searches else None


DIALECT = Dialect(
    name="litellm", about="LiteLLM's StandardLoggingPayload, and rows of its SpendLogs", read=read, files=FILES
)
