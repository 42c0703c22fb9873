"""OpenAI's chat completions and responses, embeddings, realtime, and servers that speak like it. Pure.

Azure, OpenRouter, Groq, Mistral, DeepSeek, xAI, Fireworks, Together and others answer in this shape: say which it was
with `--set provider=groq`; the body does not.
Cached, cache write, audio, image and reasoning counts are SUBSET of the totals. One exception is read from the
provider's own total, never from a model's name: where `total_tokens` is the sum with the reasoning on top, reasoning is
ADDITIVE (xAI: "reasoning token consumption is counted separately from completion_tokens, but in total_tokens").
Google's endpoint of this shape says nothing of its thoughts but in `total_tokens`: for `gemini` models what the total
has more is reasoning.
Source: OpenAI's CompletionUsage and ResponseUsage; https://docs.x.ai (consumption and rate limits).
"""

from dataclasses import replace
from typing import Any

from producers.dialects.bodies import Call, Stateless, body_dialect
from producers.dialects.leaves import ADDITIVE, SUBSET, Part, Side, check_total, sides_of
from producers.dialects.values import (
    Json,
    amount,
    count,
    first_moment,
    known_fields,
    name,
    unknown_keys,
    usd_text,
    within,
)  # fmt: skip
from schemas.errors import InvalidMessage, Reason

_PROMPT = "prompt_tokens_details."
_INPUT = "input_tokens_details."
_SPOKEN = "input_token_details."  # realtime says it in the singular

INPUT = Side(
    total="input_tokens",
    rest="input_uncached_tokens",
    base=("prompt_tokens", "input_tokens"),
    parts=(
        Part(
            "input_cache_read_tokens",
            SUBSET,
            (
                f"{_PROMPT}cached_tokens",
                f"{_INPUT}cached_tokens",
                f"{_SPOKEN}cached_tokens",
                f"{_INPUT}cache_read_input_tokens",
                "prompt_cache_hit_tokens",
                "cached_tokens",
                "cached_prompt_text_tokens",
                "cache_read_input_tokens",
            ),
        ),
        Part(
            "input_cache_write_other_tokens",
            SUBSET,
            (f"{_PROMPT}cache_write_tokens", f"{_INPUT}cache_write_tokens"),
            of_which=(
                ("input_cache_write_30m_tokens", f"{_PROMPT}cache_write_tokens_details.ttl_30m_tokens"),
                ("input_cache_write_12h_tokens", f"{_PROMPT}cache_write_tokens_details.ttl_12h_tokens"),
                ("input_cache_write_30m_tokens", f"{_INPUT}cache_write_tokens_details.ttl_30m_tokens"),
                ("input_cache_write_12h_tokens", f"{_INPUT}cache_write_tokens_details.ttl_12h_tokens"),
            ),
        ),
        Part(
            "input_audio_tokens",
            SUBSET,
            (f"{_PROMPT}audio_tokens", f"{_INPUT}audio_tokens", f"{_SPOKEN}audio_tokens"),
            less=(f"{_SPOKEN}cached_tokens_details.audio_tokens",),
        ),
        Part(
            "input_image_tokens",
            SUBSET,
            (f"{_PROMPT}image_tokens", f"{_INPUT}image_tokens", f"{_SPOKEN}image_tokens"),
            less=(f"{_SPOKEN}cached_tokens_details.image_tokens",),
        ),
    ),
)
_REASONING = Part(
    "output_reasoning_tokens",
    SUBSET,
    ("completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens", "reasoning_tokens"),
)
_OUTPUT_PARTS = tuple(
    Part(f"output_{kind}_tokens", SUBSET, tuple(f"{where}.{kind}_tokens" for where in wheres))
    for kind in ("audio", "image")
    for wheres in [("completion_tokens_details", "output_tokens_details", "output_token_details")]
)
OUTPUT = Side(
    total="output_tokens",
    rest="output_text_tokens",
    base=("completion_tokens", "output_tokens"),
    parts=(_REASONING, *_OUTPUT_PARTS),
)
OUTPUT_REASONING_ADDED = replace(OUTPUT, parts=(replace(_REASONING, how=ADDITIVE), *_OUTPUT_PARTS))

_KNOWN = frozenset({
    "prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens", "prompt_tokens_details",
    "completion_tokens_details", "input_tokens_details", "output_tokens_details", "input_token_details",
    "output_token_details", "prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "cached_tokens",
    "cached_prompt_text_tokens", "cache_read_input_tokens", "reasoning_tokens", "type", "seconds", "service_tier",
    # times, in seconds
    "prompt_time", "completion_time", "queue_time", "total_time",
    # money and searches
    "cost", "cost_details", "is_byok", "cost_in_usd_ticks", "num_sources_used", "num_search_queries",
    "search_context_size", "server_tool_use", "server_tool_use_details", "citation_tokens", "prompt_audio_seconds",
    # a server's own cache of prefixes, which nobody bills apart
    "num_cached_tokens",
})  # fmt: skip
_UNITS = {
    "seconds": "audio_seconds",
    "prompt_audio_seconds": "input_audio_seconds",
    "num_search_queries": "web_searches",
    "num_sources_used": "web_sources",
    "citation_tokens": "citation_tokens",
}
_OPERATIONS = {
    "chat.completion": "chat", "chat.completion.chunk": "chat", "response": "chat", "realtime.response": "chat",
    "text_completion": "text_completion", "list": "embeddings",
}  # fmt: skip
_UNDER_WAY = {"in_progress", "queued"}


def tokens(usage: Json, *, model: str | None = None) -> dict[str, int]:
    """Totals and leaves of a usage object; see above for what is subset and what is additive.

    Raises: InvalidMessage: a count is none, or leaves, sides and total do not agree.
    """
    if "prompt_tokens" not in usage and "cache_creation_input_tokens" in usage:
        said = "usage counts cache writes beside the input, as Anthropic does; replay it as anthropic"
        raise InvalidMessage(Reason.NOT_AN_EVENT, "usage", said)
    total = count(usage, "total_tokens")
    fields = sides_of(usage, INPUT, OUTPUT, out_apart=OUTPUT_REASONING_ADDED, total=total)
    known = fields.get("input_tokens", 0) + fields.get("output_tokens", 0)
    is_silent = "output_tokens" in fields and not fields.get("output_reasoning_tokens")
    if total is not None and is_silent and known < total and _is_gemini(model):
        thoughts = total - known
        return fields | {"output_tokens": fields["output_tokens"] + thoughts, "output_reasoning_tokens": thoughts}
    if fields:
        check_total(fields, total, "total_tokens")
    return fields


def _is_gemini(model: str | None) -> bool:
    return model is not None and model.removeprefix("google/").removeprefix("models/").startswith("gemini")


def units(usage: Json) -> dict[str, float] | None:
    """What is billed beside tokens; None where nothing is."""
    said = {unit: amount(usage.get(field)) for field, unit in _UNITS.items()}
    searches = amount(within(usage, "server_tool_use", "web_search_requests"))
    said["web_searches"] = searches or said["web_searches"]
    return {unit: held for unit, held in said.items() if held} or None


def calls_of(body: Json) -> list[Call]:
    """The call of a body; none for a piece of a stream that has no usage yet.

    Raises: InvalidMessage: it is no such body, or its counts do not agree.
    """
    usage = body.get("usage")
    kind, state = str(body.get("object")), str(body.get("status"))
    if not isinstance(usage, dict):
        usage = within(body, "x_groq", "usage") or usage
    if usage is None and (kind == "chat.completion.chunk" or state in _UNDER_WAY):
        return []
    if usage is None and _is_piece(body):
        return []
    if not isinstance(usage, dict) and not (usage is None and kind in _OPERATIONS and name(body.get("model"))):
        raise InvalidMessage(Reason.MISSING_FIELD, "usage", "no usage object, and no body of OpenAI's shape")
    model = name(body.get("model"))
    used: dict[str, Any] = usage if isinstance(usage, dict) else {}
    fields = tokens(used, model=model)
    billed = units(used)
    if used and not fields and not billed:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "usage", "the usage object has no count of OpenAI's shape")
    data = known_fields(
        provider="openai",
        model=model,
        operation=_OPERATIONS.get(kind),
        service_tier=name(body.get("service_tier")) or name(used.get("service_tier")),
        finish_reason=_finish_reason(body),
        status={"failed": "error", "cancelled": "cancelled"}.get(state, "ok"),
        usage_source="reported" if used else "missing",
        reported_cost_usd=_cost(used),
        units=billed,
        tags=_tags(used),
    )
    return [Call(data=data | fields, id=name(body.get("id")), time=first_moment(body, ("created_at", "created")))]


def _is_piece(body: Json) -> bool:
    """A stream event that carries no response, like `response.output_text.delta`."""
    kind = body.get("type")
    return isinstance(kind, str) and kind.startswith("response.") and "response" not in body


def _finish_reason(body: Json) -> str | None:
    choices = body.get("choices")
    if isinstance(choices, list) and choices:
        return name(within(choices[0], "finish_reason"))
    return name(within(body, "incomplete_details", "reason"))


def _cost(usage: Json) -> str | None:
    """What the server says that it charged: OpenRouter in USD, xAI in ticks of 1e-10 USD."""
    ticks = usage.get("cost_in_usd_ticks")
    if isinstance(ticks, int) and not isinstance(ticks, bool):
        return usd_text(f"{ticks}e-10")
    return usd_text(usage.get("cost"))


def _tags(usage: Json) -> dict[str, str] | None:
    unknown = unknown_keys(usage, _KNOWN, "usage.")
    return {"unknown_usage": unknown} if unknown else None


DIALECT = body_dialect(
    "openai",
    "response bodies of OpenAI (chat, responses, batch, streams) and of servers that speak like it",
    lambda: Stateless(calls_of),
)
