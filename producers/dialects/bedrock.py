"""Bedrock's Converse responses, the last event of ConverseStream, and Bedrock's log of invocations. Pure.

`inputTokens` is what no cache touched; cache reads and writes are ADDITIVE to it (`cacheDetails` splits the writes by
time to live), and all of them are in `totalTokens`. A Converse body names no model: say it with `--set model=...`.
InvokeModel answers in the shape of the model's own maker: replay those as that dialect.
Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
"""

from typing import Any

from producers.dialects.bodies import Call, Stateless, body_dialect
from producers.dialects.leaves import ADDITIVE, Part, Side, check_total, side_of
from producers.dialects.values import (
    Json,
    as_count,
    as_millis,
    count,
    first_moment,
    known_fields,
    name,
    unknown_keys,
    within,
)
from schemas.errors import InvalidMessage, Reason

INPUT = Side(
    total="input_tokens",
    rest="input_uncached_tokens",
    base=("inputTokens",),
    parts=(
        Part("input_cache_read_tokens", ADDITIVE, ("cacheReadInputTokens", "cacheReadInputTokenCount")),
        Part(
            "input_cache_write_other_tokens",
            ADDITIVE,
            ("cacheWriteInputTokens", "cacheWriteInputTokenCount"),
            of_which=(("input_cache_write_5m_tokens", "written_5m"), ("input_cache_write_1h_tokens", "written_1h")),
        ),
    ),
)
OUTPUT = Side(total="output_tokens", rest="output_text_tokens", base=("outputTokens",))
_KNOWN = frozenset({
    "inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheReadInputTokenCount",
    "cacheWriteInputTokens", "cacheWriteInputTokenCount", "cacheDetails", "serverToolUsage",
})  # fmt: skip


def tokens(usage: Json) -> dict[str, int]:
    """Totals and leaves of a `usage` of Converse.

    Raises: InvalidMessage: a count is none, or leaves, sides and total do not agree.
    """
    written = {f"written_{ttl}": _written(usage, ttl) for ttl in ("5m", "1h")}
    fields = side_of({**usage, **written}, INPUT) | side_of(usage, OUTPUT)
    if fields:
        check_total(fields, count(usage, "totalTokens"), "totalTokens")
    return fields


def _written(usage: Json, ttl: str) -> int:
    details = usage.get("cacheDetails") or []
    if not isinstance(details, list) or not all(isinstance(one, dict) for one in details):
        raise InvalidMessage(Reason.WRONG_TYPE, "cacheDetails", "cacheDetails is no list of objects")
    return sum(as_count(one.get("inputTokens"), "cacheDetails") or 0 for one in details if one.get("ttl") == ttl)


def calls_of(body: Json) -> list[Call]:
    """The call of a response, of a stream's metadata event, or of a record of the invocation log.

    Raises: InvalidMessage: it is none of them, or its counts do not agree.
    """
    if isinstance(inner := body.get("metadata"), dict) and isinstance(inner.get("usage"), dict):
        body = inner
    if body.get("schemaType") == "ModelInvocationLog":
        return [_logged(body)]
    usage = body.get("usage")
    if usage is None and not ("output" in body and "stopReason" in body):
        raise InvalidMessage(Reason.MISSING_FIELD, "usage", "no usage object, and no response of Converse")
    if usage is not None and not isinstance(usage, dict):
        raise InvalidMessage(Reason.WRONG_TYPE, "usage", "usage is no object")
    used: dict[str, Any] = usage or {}
    fields = tokens(used)
    if used and not fields:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "usage", "the usage object has no count of Bedrock's shape")
    unknown = unknown_keys(used, _KNOWN, "usage.")
    data = known_fields(
        provider="bedrock",
        model=name(within(body, "trace", "promptRouter", "invokedModelId")) or name(body.get("modelId")),
        operation="chat",
        service_tier=name(within(body, "serviceTier", "type")),
        finish_reason=name(body.get("stopReason")),
        status="ok",
        usage_source="reported" if used else "missing",
        latency_ms=as_millis(within(body, "metrics", "latencyMs")),
        tags={"unknown_usage": unknown} if unknown else None,
    )
    return [Call(data=_short_model(data) | fields, id=name(within(body, "ResponseMetadata", "RequestId")))]


def _logged(record: Json) -> Call:
    """A record of the invocation log; its counts are those of Converse under other names."""
    said = {
        "inputTokens": within(record, "input", "inputTokenCount"),
        "cacheReadInputTokens": within(record, "input", "cacheReadInputTokenCount"),
        "cacheWriteInputTokens": within(record, "input", "cacheWriteInputTokenCount"),
        "outputTokens": within(record, "output", "outputTokenCount"),
    }
    fields = tokens(said)
    failed = name(record.get("errorCode"))
    data = known_fields(
        provider="bedrock",
        model=name(record.get("modelId")),
        operation="chat",
        region=name(record.get("inferenceRegion")) or name(record.get("region")),
        user=name(within(record, "identity", "arn")),
        status="error" if failed else "ok",
        usage_source="reported" if fields else "missing",
        identity_trust="authenticated" if name(within(record, "identity", "arn")) else None,
    )
    return Call(
        data=_short_model(data) | fields, id=name(record.get("requestId")), time=first_moment(record, ("timestamp",))
    )


def _short_model(data: dict[str, Any]) -> dict[str, Any]:
    """The model without the ARN around it."""
    model = data.get("model")
    return {**data, "model": model.rsplit("/", 1)[-1]} if model and model.startswith("arn:") else data


DIALECT = body_dialect(
    "bedrock", "Bedrock: Converse responses, stream metadata, invocation log", lambda: Stateless(calls_of)
)
