"""What a body of OpenAI's shape says of its call: chat, responses, embeddings, images, transcriptions. Pure.

Cached, cache write, audio, image and reasoning counts are contained in the totals. Where `total_tokens` is the sum only
with the reasoning on top (xAI), reasoning is added; for `gemini` models what the total has more is reasoning.
Only usage, names and states are read; no content of a message ever is.
Source: OpenAI's CompletionUsage and ResponseUsage; `producers/dialects/openai.py` says the same of files.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from burnline_client.usage_leaves import (
    Json,
    Part,
    Side,
    UnreadableUsageError,
    check_total,
    count,
    sides_of,
    total_of,
)
from burnline_client.values import amount, known_fields, name, nested, unknown_keys, usd_text, within

_PROMPT = "prompt_tokens_details."
_INPUT = "input_tokens_details."
_SPOKEN = "input_token_details."

INPUT = Side(
    "input_tokens",
    "input_uncached_tokens",
    ("prompt_tokens", "input_tokens"),
    (
        Part(
            "input_cache_read_tokens",
            (
                *(f"{where}cached_tokens" for where in (_PROMPT, _INPUT, _SPOKEN)), f"{_INPUT}cache_read_input_tokens",
                "prompt_cache_hit_tokens", "cached_tokens", "cached_prompt_text_tokens", "cache_read_input_tokens",
            ),
        ),
        Part(
            "input_cache_write_other_tokens",
            (f"{_PROMPT}cache_write_tokens", f"{_INPUT}cache_write_tokens"),
            of_which=tuple(
                (f"input_cache_write_{ttl}_tokens", f"{where}cache_write_tokens_details.ttl_{ttl}_tokens")
                for where in (_PROMPT, _INPUT)
                for ttl in ("30m", "12h")
            ),
        ),
        *(
            Part(
                f"input_{kind}_tokens",
                tuple(f"{where}{kind}_tokens" for where in (_PROMPT, _INPUT, _SPOKEN)),
                less=(f"{_SPOKEN}cached_tokens_details.{kind}_tokens",),
            )
            for kind in ("audio", "image")
        ),
    ),
)  # fmt: skip
_REASONING = Part(
    "output_reasoning_tokens",
    ("completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens", "reasoning_tokens"),
)
_OUTPUT_PARTS = tuple(
    Part(
        f"output_{kind}_tokens",
        tuple(
            f"{where}.{kind}_tokens"
            for where in ("completion_tokens_details", "output_tokens_details", "output_token_details")
        ),
    )
    for kind in ("audio", "image")
)
OUTPUT = Side(
    "output_tokens", "output_text_tokens", ("completion_tokens", "output_tokens"), (_REASONING, *_OUTPUT_PARTS)
)
OUTPUT_REASONING_ADDED = replace(OUTPUT, parts=(replace(_REASONING, added=True), *_OUTPUT_PARTS))

_KNOWN = frozenset({
    "prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens", "prompt_tokens_details",
    "completion_tokens_details", "input_tokens_details", "output_tokens_details", "input_token_details",
    "output_token_details", "prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "cached_tokens",
    "cached_prompt_text_tokens", "cache_read_input_tokens", "reasoning_tokens", "type", "seconds", "service_tier",
    "prompt_time", "completion_time", "queue_time", "total_time",
    "cost", "cost_details", "is_byok", "cost_in_usd_ticks", "num_sources_used", "num_search_queries",
    "search_context_size", "server_tool_use", "server_tool_use_details", "citation_tokens", "prompt_audio_seconds",
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


def tokens(usage: Json, *, model: str | None = None) -> dict[str, int]:
    """Totals and leaves of a usage object.

    Raises: UnreadableUsageError: a count is none, or leaves, sides and total do not agree.
    """
    if "prompt_tokens" not in usage and "cache_creation_input_tokens" in usage:
        raise UnreadableUsageError("usage counts cache writes beside the input, as Anthropic does")
    total = count(usage, "total_tokens")
    fields = sides_of(usage, INPUT, OUTPUT, out_apart=OUTPUT_REASONING_ADDED, total=total)
    is_silent = "output_tokens" in fields and not fields.get("output_reasoning_tokens")
    if total is not None and is_silent and total_of(fields) < total and _is_gemini(model):
        thoughts = total - total_of(fields)
        return fields | {"output_tokens": fields["output_tokens"] + thoughts, "output_reasoning_tokens": thoughts}
    if fields:
        check_total(fields, total)
    return fields


def _is_gemini(model: str | None) -> bool:
    short = (model or "").removeprefix("google/").removeprefix("models/")
    return short.startswith("gemini")


def calls_of(body: Json) -> list[dict[str, Any]]:
    """The fields of the call that a body tells of; a body without usage is `missing`, not zero.

    Raises: UnreadableUsageError: its counts do not agree, or its usage object has none that is known.
    """
    used = nested(body.get("usage")) or nested(within(body, "x_groq", "usage"))
    model = name(body.get("model"))
    fields = tokens(used, model=model)
    billed = _units(used)
    if used and not fields and not billed:
        raise UnreadableUsageError("the usage object has no count of OpenAI's shape")
    unknown = unknown_keys(used, _KNOWN, "usage.")
    data = known_fields(
        provider="openai",
        model=model,
        operation=_OPERATIONS.get(str(body.get("object"))),
        service_tier=name(body.get("service_tier")) or name(used.get("service_tier")),
        finish_reason=_finish_reason(body),
        status={"failed": "error", "cancelled": "cancelled"}.get(str(body.get("status")), "ok"),
        usage_source="reported" if used else "missing",
        reported_cost_usd=_cost(used),
        units=billed,
        tags={"unknown_usage": unknown} if unknown else None,
    )
    return [data | fields]


def _units(usage: Json) -> dict[str, float] | None:
    said = {unit: amount(usage.get(field)) for field, unit in _UNITS.items()}
    searches = amount(within(usage, "server_tool_use", "web_search_requests"))
    said["web_searches"] = searches or said["web_searches"]
    return {unit: held for unit, held in said.items() if held} or None


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
