"""What a StandardLoggingPayload of LiteLLM says of a call. Pure.

LiteLLM's `prompt_tokens` contains every cache class, whoever served. What its key is bound to (`user_api_key_*`) is
authenticated; what the caller says is asserted. `messages`, `response` and error texts are never read. A call without
any count is `missing`: LiteLLM writes 0 there.
Source: litellm 1.109.1, types/utils.py; `producers/dialects/litellm.py` says the same of files.

Long because who, what and how much of one payload are one thought.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from burnline_client.openai_usage import OUTPUT, OUTPUT_REASONING_ADDED
from burnline_client.openai_usage import tokens as openai_tokens
from burnline_client.usage_leaves import Json, Part, Side, UnreadableUsageError, check_total, count, sides_of
from burnline_client.values import (
    key_id,
    known_fields,
    label,
    moment_of,
    name,
    nested,
    unknown_keys,
    usd_text,
    within,
)

_DETAILS = "prompt_tokens_details."
_TTL = f"{_DETAILS}cache_creation_token_details.ephemeral_"
INPUT = Side(
    "input_tokens",
    "input_uncached_tokens",
    ("prompt_tokens",),
    (
        Part("input_cache_read_tokens", (f"{_DETAILS}cached_tokens", "cache_read_input_tokens")),
        Part(
            "input_cache_write_other_tokens",
            (f"{_DETAILS}cache_creation_tokens", f"{_DETAILS}cache_write_tokens", "cache_creation_input_tokens"),
            of_which=tuple(
                (f"input_cache_write_{ttl}_tokens", f"{_TTL}{ttl}_input_tokens") for ttl in ("5m", "30m", "1h", "12h")
            ),
        ),
        Part("input_audio_tokens", (f"{_DETAILS}audio_tokens",)),
        Part("input_image_tokens", (f"{_DETAILS}image_tokens",)),
    ),
)
READ_BACK = frozenset({"get_responses", "aget_responses", "alist_input_items", "list_input_items"})
"""Calls that only fetch an answer again: their usage was counted when it was made."""
_OPERATIONS = {
    "completion": "chat", "responses": "chat", "anthropic_messages": "chat", "text_completion": "text_completion",
    "embedding": "embeddings",
}  # fmt: skip
_KEY = "user_api_key_"
_WORK = (
    "run", "session", "task", "task_class", "task_template", "use_case", "purpose", "spend_class", "pool", "agent",
    "service", "environment", "language",
)  # fmt: skip
_KNOWN = frozenset({
    "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details",
    "input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details", "cache_read_input_tokens",
    "cache_creation_input_tokens", "server_tool_use", "service_tier", "inference_geo", "speed", "cost", "cost_details",
    "is_byok", "prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "output_image_count", "iterations",
})  # fmt: skip


@dataclass(frozen=True)
class LoggedCall:
    """A call as LiteLLM logged it: its identity, None where it has none, its start and the fields of its event."""

    id: str | None
    time: datetime | None
    fields: dict[str, Any]


def call_of(payload: Json) -> LoggedCall:
    """The call of a payload; counts that cannot be read leave it `missing`, and a tag says why."""
    metadata = nested(payload.get("metadata"))
    usage = nested(metadata.get("usage_object")) or None
    try:
        tokens, refused = _tokens(payload, usage), None
    except UnreadableUsageError as error:
        tokens, refused = {}, str(error)[:1024]
    start, end = moment_of(payload.get("startTime")), moment_of(payload.get("endTime"))
    provider = name(payload.get("custom_llm_provider")) or name(metadata.get("custom_llm_provider"))
    failed = payload.get("status") == "failure"
    attempt = _attempt(metadata)
    own = name(payload.get("litellm_call_id")) or name(metadata.get("litellm_call_id"))
    streamed = payload.get("stream") is True
    data = known_fields(
        provider=provider,
        model=_model(payload.get("model"), provider),
        requested_model=name(payload.get("model_group")),
        operation=_operation(payload.get("call_type")),
        operation_id=own,
        attempt=attempt,
        status="error" if failed else "ok",
        http_status=_http_status(payload, metadata),
        latency_ms=_millis(start, end),
        ttft_ms=_millis(start, moment_of(payload.get("completionStartTime"))) if streamed else None,
        usage_source="reported" if tokens else "missing",
        gateway_cache_hit=_cache_hit(payload.get("cache_hit")),
        reported_cost_usd=usd_text(payload.get("response_cost", payload.get("spend"))),
        units=_units(usage),
        **_tier(payload, metadata, usage),
        **_identities(payload, metadata),
        **_work(payload, metadata),
    )
    tags = {**_tags(payload, metadata, usage), **data.get("tags", {}), **known_fields(usage_refused=refused)}
    data = {**data, "tags": tags or None}
    return LoggedCall(_id(payload, own, attempt, start if failed else None), start, known_fields(**data) | tokens)


def _tokens(payload: Json, usage: Json | None) -> dict[str, int]:
    if usage is not None and "prompt_tokens" not in usage and "input_tokens" in usage:
        return openai_tokens(usage)
    totals = {field: count(payload, field) for field in ("prompt_tokens", "completion_tokens", "total_tokens")}
    if usage is None and not any(totals.values()):
        return {}
    said = {**known_fields(**totals), **known_fields(**(usage or {}))}
    total = count(said, "total_tokens") or None  # LiteLLM writes 0 where it knows none
    fields = sides_of(said, INPUT, OUTPUT, out_apart=OUTPUT_REASONING_ADDED, total=total)
    check_total(fields, total)
    return fields


def _id(payload: Json, own: str | None, attempt: int | None, failed_at: datetime | None) -> str | None:
    """Attempts of one call have one `litellm_call_id`; failed ones of unknown number are told apart by their start."""
    if own is None:
        return name(payload.get("request_id")) or name(payload.get("id"))
    if attempt is not None:
        return f"{own}/{attempt}"
    return own if failed_at is None else f"{own}/failed-{failed_at.timestamp():.6f}"


def _attempt(metadata: Json) -> int | None:
    retries = metadata.get("attempted_retries")
    return retries + 1 if isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0 else None


def _model(value: object, provider: str | None) -> str | None:
    model = name(value)
    return model if model is None or provider is None else model.removeprefix(f"{provider}/") or model


def _operation(value: object) -> str | None:
    kind = name(value)
    return None if kind is None else _OPERATIONS.get(kind) or _OPERATIONS.get(kind.removeprefix("a")) or kind


def _http_status(payload: Json, metadata: Json) -> int | None:
    code = within(nested(payload.get("error_information")) or nested(metadata.get("error_information")), "error_code")
    text = str(code) if isinstance(code, (int, str)) and not isinstance(code, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) == 3 and 100 <= int(text) <= 599 else None


def _millis(start: datetime | None, end: datetime | None) -> int | None:
    if start is None or end is None or end < start:
        return None
    found = (end - start) // timedelta(milliseconds=1)
    return found if found < 2**31 else None


def _cache_hit(value: object) -> bool | None:
    said = value.lower() if isinstance(value, str) else value
    return True if said in (True, "true") else False if said in (False, "false") else None


def _tier(payload: Json, metadata: Json, usage: Json | None) -> dict[str, Any]:
    costs = nested(payload.get("cost_breakdown")) or nested(metadata.get("cost_breakdown"))
    served = name(within(costs, "service_tier")) or name((usage or {}).get("service_tier"))
    asked = name(within(payload, "model_parameters", "service_tier"))
    if served is None and asked not in (None, "auto"):
        return {"service_tier": asked, "tags": {"tier_basis": "requested"}}
    return {"service_tier": served}


def _units(usage: Json | None) -> dict[str, float] | None:
    searches = within(usage, "server_tool_use", "web_search_requests")
    known = isinstance(searches, int) and not isinstance(searches, bool) and searches > 0
    return {"web_searches": float(searches)} if known else None


def _identities(payload: Json, metadata: Json) -> dict[str, Any]:
    credential = key_id(metadata.get(f"{_KEY}hash")) or key_id(payload.get("api_key"))
    bound = known_fields(
        org=name(metadata.get(f"{_KEY}org_id")) or name(payload.get("organization_id")),
        team=name(metadata.get(f"{_KEY}team_id")) or name(payload.get("team_id")),
        project=name(metadata.get(f"{_KEY}project_id")),
        user=name(metadata.get(f"{_KEY}user_id")) or name(payload.get("user")),
        agent=name(payload.get("agent_id")),
        credential=credential,
    )
    tags = payload.get("request_tags")
    words = [word for one in tags if (word := label(one)) is not None] if isinstance(tags, list) else []
    said = known_fields(
        end_user=name(payload.get("end_user")) or name(metadata.get(f"{_KEY}end_user_id")),
        request_tags=",".join(words)[:1024] or None,
    )
    agent = payload.get("user_agent") or metadata.get("user_agent")
    return known_fields(
        **bound,
        auth_type="api_key" if credential else None,
        identity_trust="authenticated" if credential else "asserted" if bound else None,
        asserted=said or None,
        user_agent=name(agent[:256]) if isinstance(agent, str) else None,
    )


def _work(payload: Json, metadata: Json) -> dict[str, str]:
    """The run, the session, and what the caller said of the work in its request's metadata."""
    said: dict[str, Any] = {}
    for source in ("requester_metadata", "spend_logs_metadata"):
        holder = nested(metadata.get(source))
        said |= {field: held for field in _WORK if (held := label(holder.get(field))) is not None}
    if name(payload.get("agent_id")) is not None:
        said.pop("agent", None)
    return known_fields(run=name(payload.get("trace_id")), session=name(payload.get("session_id"))) | said


def _tags(payload: Json, metadata: Json, usage: Json | None) -> dict[str, str]:
    kinds = ("alias", "team_alias", "org_alias", "project_alias")
    aliases = {f"key_{kind}": name(metadata.get(f"{_KEY}{kind}")) for kind in kinds}
    unknown = unknown_keys(usage or {}, _KNOWN, "usage_object.")
    return known_fields(**aliases, unknown_usage=unknown, mcp_tool=name(payload.get("mcp_namespaced_tool_name")))
