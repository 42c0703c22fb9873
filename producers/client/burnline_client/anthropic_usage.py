"""What a message of Anthropic's says of its call. Pure.

`input_tokens` is what no cache touched; cache reads and writes are added to it. Thinking is contained in
`output_tokens`. Iterations that are no message (compaction, an advisor's answer) are not in the totals: each is a call
of its own, of its own model. Only usage, names and states are read.
Source: anthropic's Usage and BetaUsage; `producers/dialects/anthropic.py` says the same of files.
"""

from __future__ import annotations

from typing import Any

from burnline_client.usage_leaves import Json, Part, Side, UnreadableUsageError, count, side_of
from burnline_client.values import known_fields, name, nested, unknown_keys

INPUT = Side(
    "input_tokens",
    "input_uncached_tokens",
    ("input_tokens",),
    (
        Part("input_cache_read_tokens", ("cache_read_input_tokens",), added=True),
        Part(
            "input_cache_write_other_tokens",
            ("cache_creation_input_tokens",),
            added=True,
            of_which=(
                ("input_cache_write_5m_tokens", "cache_creation.ephemeral_5m_input_tokens"),
                ("input_cache_write_1h_tokens", "cache_creation.ephemeral_1h_input_tokens"),
            ),
        ),
    ),
)
OUTPUT = Side(
    "output_tokens",
    "output_text_tokens",
    ("output_tokens",),
    (Part("output_reasoning_tokens", ("output_tokens_details.thinking_tokens",)),),
)
_KNOWN = frozenset({
    "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation",
    "output_tokens_details", "server_tool_use", "service_tier", "speed", "inference_geo", "iterations", "type",
    "model",
})  # fmt: skip
_UNITS = {"web_search_requests": "web_searches", "web_fetch_requests": "web_fetches"}


def tokens(usage: Json) -> dict[str, int]:
    """Totals and leaves of a usage object.

    Raises: UnreadableUsageError: a count is none, or a cache's parts are more than the whole.
    """
    if "prompt_tokens" in usage or "total_tokens" in usage:
        raise UnreadableUsageError("usage counts as OpenAI does")
    split = usage.get("cache_creation")
    if usage.get("cache_creation_input_tokens") is None and isinstance(split, dict):
        parts = [count(split, key) for key in ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")]
        usage = {**usage, "cache_creation_input_tokens": sum(part or 0 for part in parts)}
    return side_of(usage, INPUT) | side_of(usage, OUTPUT)


def calls_of(message: Json) -> list[dict[str, Any]]:
    """The fields of the calls that a message tells of: itself first, then iterations that its totals leave out.

    Raises: UnreadableUsageError: its counts do not agree, or its usage object has none that is known.
    """
    used = nested(message.get("usage"))
    fields = tokens(used)
    if used and not fields:
        raise UnreadableUsageError("the usage object has no count of Anthropic's shape")
    own_id, model = name(message.get("id")), name(message.get("model"))
    unknown = unknown_keys(used, _KNOWN, "usage.")
    data = known_fields(
        provider="anthropic",
        model=model,
        operation="chat",
        operation_id=own_id,
        **_tier_and_place(used),
        finish_reason=name(message.get("stop_reason")),
        status="ok",
        usage_source="reported" if used else "missing",
        units=_units(used),
        tags={"unknown_usage": unknown} if unknown else None,
    )
    return [data | fields, *(_iteration(one, used, own_id, model) for one in _apart(used))]


def _iteration(iteration: Json, used: Json, own_id: str | None, model: str | None) -> dict[str, Any]:
    data = known_fields(
        provider="anthropic",
        model=name(iteration.get("model")) or model,
        operation="chat",
        operation_id=own_id,
        request_kind=name(iteration.get("type")),
        **_tier_and_place(used),
        status="ok",
        usage_source="reported",
    )
    return data | tokens(iteration)


def _tier_and_place(usage: Json) -> dict[str, str]:
    place = name(usage.get("inference_geo"))
    return known_fields(
        service_tier="fast" if usage.get("speed") == "fast" else name(usage.get("service_tier")),
        inference_region=None if place == "not_available" else place,
    )


def _units(usage: Json) -> dict[str, float] | None:
    used = {unit: count(usage, f"server_tool_use.{field}") for field, unit in _UNITS.items()}
    return {unit: float(held) for unit, held in used.items() if held} or None


def _apart(usage: Json) -> list[dict[str, Any]]:
    found = usage.get("iterations")
    iterations = found if isinstance(found, list) else []
    return [one for one in iterations if isinstance(one, dict) and one.get("type") != "message"]
