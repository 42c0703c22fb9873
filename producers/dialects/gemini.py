"""Gemini's and Vertex AI's responses, their streams and the Live API. Pure.

Tool-use prompts are ADDITIVE to `promptTokenCount` and thoughts to `candidatesTokenCount`; cached content is SUBSET of
the prompt. Modalities are SUBSET, and overlap the cache: what was read from the cache is a cache read, whatever its
modality. Documents are counted as images, which is how they are tokenised; video and text stay `uncached` and `text`,
for they have no leaf. Counts of zero are left out by protobuf's JSON, so beside a `totalTokenCount` a missing one is 0.
Source: https://ai.google.dev/api/generate-content (UsageMetadata).
"""

from collections.abc import Iterable
from typing import Any

from producers.dialects.bodies import Call, Stateless, body_dialect
from producers.dialects.leaves import ADDITIVE, SUBSET, Part, Side, check_total, side_of
from producers.dialects.values import Json, as_count, first_moment, known_fields, name, unknown_keys, within
from schemas.errors import InvalidMessage, Reason

INPUT = Side(
    total="input_tokens",
    rest="input_uncached_tokens",
    base=("promptTokenCount",),
    base_may_be_zero=True,
    parts=(
        Part("input_cache_read_tokens", SUBSET, ("cachedContentTokenCount",)),
        Part("input_uncached_tokens", ADDITIVE, ("toolUsePromptTokenCount",), less=("tool_audio", "tool_image")),
        Part("input_audio_tokens", SUBSET, ("prompt_audio",), less=("cached_audio",)),
        Part("input_image_tokens", SUBSET, ("prompt_image",), less=("cached_image",)),
        Part("input_audio_tokens", ADDITIVE, ("tool_audio",)),
        Part("input_image_tokens", ADDITIVE, ("tool_image",)),
    ),
)
OUTPUT = Side(
    total="output_tokens",
    rest="output_text_tokens",
    base=("candidatesTokenCount",),
    base_may_be_zero=True,
    parts=(
        Part("output_reasoning_tokens", ADDITIVE, ("thoughtsTokenCount",)),
        Part("output_audio_tokens", SUBSET, ("candidates_audio",)),
        Part("output_image_tokens", SUBSET, ("candidates_image",)),
    ),
)
_DETAILS = {
    "prompt": ("promptTokensDetails", "promptTokenDetails"),
    "cached": ("cacheTokensDetails",),
    "tool": ("toolUsePromptTokensDetails",),
    "candidates": ("candidatesTokensDetails", "responseTokensDetails"),
}
_MODALITIES = {"audio": ("AUDIO",), "image": ("IMAGE", "DOCUMENT")}
_COUNTS = (
    "promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount",
    "cachedContentTokenCount", "totalTokenCount",
)  # fmt: skip
_KNOWN = frozenset([*_COUNTS, *(name for names in _DETAILS.values() for name in names), "trafficType", "serviceTier"])
_TIERS = {"ON_DEMAND_FLEX": "flex", "ON_DEMAND_PRIORITY": "priority"}
_FINISHED = {"promptFeedback", "candidates", "modelVersion"}


def tokens(usage: Json) -> dict[str, int]:
    """Totals and leaves of a `usageMetadata`.

    Raises: InvalidMessage: a count is none, or leaves, sides and total do not agree.
    """
    flat: dict[str, Any] = {field: usage.get(field) for field in _COUNTS}
    for side, lists in _DETAILS.items():
        for kind, modalities in _MODALITIES.items():
            flat[f"{side}_{kind}"] = _of_modality(usage, lists, modalities) or None
    if usage.get("cachedContentTokenCount") and not usage.get("cacheTokensDetails"):
        # Nobody says which modality was cached: then only the prompt as a whole is known.
        flat["prompt_audio"] = flat["prompt_image"] = None
    fields = side_of(flat, INPUT) | side_of(flat, OUTPUT)
    total = as_count(flat["totalTokenCount"], "totalTokenCount")
    if total is not None and "input_tokens" in fields:
        fields = {"output_tokens": 0, "output_text_tokens": 0} | fields
    check_total(fields, total, "totalTokenCount")
    return fields


def _of_modality(usage: Json, lists: Iterable[str], modalities: tuple[str, ...]) -> int:
    found: Any = next((usage[field] for field in lists if usage.get(field) is not None), [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidMessage(Reason.WRONG_TYPE, "usageMetadata", "a list of token details is none")
    return sum(as_count(one.get("tokenCount"), "tokenCount") or 0 for one in found if one.get("modality") in modalities)


def calls_of(body: Json) -> list[Call]:
    """The call of a response; none for a piece of a stream that has no usage yet.

    Raises: InvalidMessage: it is no such response, or its counts do not agree.
    """
    body = _camel(body)
    usage = body.get("usageMetadata")
    if usage is None and not _FINISHED & body.keys():
        raise InvalidMessage(Reason.MISSING_FIELD, "usageMetadata", "no usageMetadata, and no response of Gemini's")
    if usage is not None and not isinstance(usage, dict):
        raise InvalidMessage(Reason.WRONG_TYPE, "usageMetadata", "usageMetadata is no object")
    used = _camel(usage or {})
    if "candidatesTokenCount" not in used and "responseTokenCount" in used:
        used["candidatesTokenCount"] = used.pop("responseTokenCount")
    finish = _finish_reason(body)
    if not used and finish is None and "promptFeedback" not in body:
        return []
    fields = tokens(used)
    if used and not fields:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "usageMetadata", "usageMetadata has no count of Gemini's shape")
    traffic = name(used.get("trafficType"))
    data = known_fields(
        provider="google",
        model=_model(body),
        operation="generate_content",
        service_tier=_TIERS.get(str(traffic)) or name(used.get("serviceTier")),
        finish_reason=finish,
        status="blocked" if within(body, "promptFeedback", "blockReason") else "ok",
        usage_source="reported" if used else "missing",
        tags=_tags(used, traffic),
    )
    own_id = name(body.get("responseId"))
    return [Call(data=data | fields, id=own_id, time=first_moment(body, ("createTime",)))]


def _model(body: Json) -> str | None:
    model = name(body.get("modelVersion")) or name(body.get("model"))
    return None if model is None else model.removeprefix("models/")


def _finish_reason(body: Json) -> str | None:
    candidates = body.get("candidates")
    return name(within(candidates[0], "finishReason")) if isinstance(candidates, list) and candidates else None


def _tags(usage: Json, traffic: str | None) -> dict[str, str] | None:
    unknown = unknown_keys(usage, _KNOWN, "usageMetadata.")
    return known_fields(traffic_type=traffic, unknown_usage=unknown) or None


def _camel(value: Json) -> dict[str, Any]:
    """The object as the API says it; the Python SDK's dumps say it with underscores."""
    return {_spelt(field): _camel_details(held) for field, held in value.items()}


def _camel_details(value: Any) -> Any:  # noqa: ANN401  foreign JSON
    if isinstance(value, list):
        return [_camel_details(one) for one in value]
    return {_spelt(field): held for field, held in value.items()} if isinstance(value, dict) else value


def _spelt(field: str) -> str:
    first, *rest = field.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


DIALECT = body_dialect("gemini", "responses of Gemini and Vertex AI, whole or streamed", lambda: Stateless(calls_of))
