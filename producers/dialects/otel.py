"""OpenTelemetry's GenAI spans as OTLP/JSON: what exporters post to /v1/traces, and what they write to files. Pure.

`gen_ai.usage.input_tokens` contains all input and `output_tokens` all output: cache, modality and reasoning are SUBSET.
Names that changed are read under every name they had (`ALIASES`); what stands under `gen_ai.usage.` with a name that
nobody here knows is named in the tag `unknown_usage`, so that a renamed count is seen and not lost in silence.
A span is a call if it is of the GenAI conventions and of an operation that calls a model. Spans of agents and workflows
sum up the calls inside them: they are skipped as `sum_of_calls`. Other spans are passed over. Only the attributes named
here are read; none of them holds content.
Source: open-telemetry/semantic-conventions-genai, and semantic-conventions before 2026-05-05.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from producers.dialect import Dialect, Draft, Lines, Row, Skipped
from producers.dialects.bodies import FILES
from producers.dialects.documents import documents
from producers.dialects.leaves import SUBSET, Part, Side, check_total, side_of
from producers.dialects.otlp import Span, spans_of
from producers.dialects.values import as_count, known_fields, label, millis, name, unknown_keys, usd_text
from schemas.errors import InvalidMessage, Reason

USAGE = "gen_ai.usage."
ALIASES: dict[str, tuple[str, ...]] = {
    "input": ("input_tokens", "prompt_tokens"),
    "output": ("output_tokens", "completion_tokens"),
    "total": ("total_tokens",),
    "cache_read": (
        "cache_read.input_tokens", "cache_read_input_tokens", "cache_read_tokens", "input_cached_tokens",
        "input_tokens.cached",
    ),
    "cache_write": (
        "cache_write.input_tokens", "cache_creation.input_tokens", "cache_creation_input_tokens", "cache_write_tokens",
    ),
    "reasoning": ("reasoning.output_tokens", "reasoning_tokens"),
    "input_audio": ("audio.input_tokens",),
    "input_image": ("image.input_tokens",),
    "input_text": ("text.input_tokens",),
    "input_video": ("video.input_tokens",),
    "output_audio": ("audio.output_tokens",),
    "output_text": ("text.output_tokens",),
}  # fmt: skip
"""Each meaning under its names after `gen_ai.usage.`, the current one first; the first that is there counts."""

INPUT = Side(
    total="input_tokens",
    rest="input_uncached_tokens",
    base=("input",),
    parts=(
        Part("input_cache_read_tokens", SUBSET, ("cache_read",)),
        Part("input_cache_write_other_tokens", SUBSET, ("cache_write",)),
        Part("input_audio_tokens", SUBSET, ("input_audio",)),
        Part("input_image_tokens", SUBSET, ("input_image",)),
    ),
)
OUTPUT = Side(
    total="output_tokens",
    rest="output_text_tokens",
    base=("output",),
    parts=(
        Part("output_reasoning_tokens", SUBSET, ("reasoning",)),
        Part("output_audio_tokens", SUBSET, ("output_audio",)),
    ),
)
_MONEY = frozenset({"cost", "cost.amount", "cost.currency", "cost.source"})
_KNOWN = _MONEY | {alias for names in ALIASES.values() for alias in names}
_NO_CALL = frozenset({"execute_tool", "create_agent", "invoke_agent", "invoke_workflow", "plan"})
_SIGNS = ("gen_ai.request.model", "gen_ai.response.model", "gen_ai.operation.name")

FIELDS: dict[str, tuple[str, ...]] = {
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "requested_model": ("gen_ai.request.model",),
    "operation": ("gen_ai.operation.name",),
    "session": ("gen_ai.conversation.id", "session.id"),
    "agent": ("gen_ai.agent.name", "gen_ai.agent.id"),
    "task_template": ("gen_ai.workflow.name",),
    "tool": ("gen_ai.tool.name",),
    "user": ("enduser.id", "user.id"),
    "service": ("service.name",),
    "environment": ("deployment.environment.name", "deployment.environment"),
    "region": ("cloud.region",),
    "hosting": ("cloud.platform",),
}
"""Names of the contract, and the attributes of the span or its resource that say them, the current one first."""


def tokens(attributes: Mapping[str, object]) -> dict[str, int]:
    """Totals and leaves of a span's attributes.

    Raises: InvalidMessage: a count is none, or leaves and totals do not agree.
    """
    said: dict[str, Any] = {}
    for meaning, names in ALIASES.items():
        found = [attributes[USAGE + alias] for alias in names if attributes.get(USAGE + alias) is not None]
        if found:
            said[meaning] = as_count(_number(found[0]), USAGE + names[0])
    fields = side_of(said, INPUT) | side_of(said, OUTPUT)
    if fields:
        check_total(fields, said.get("total"), f"{USAGE}total_tokens")
    return fields


def _number(value: object) -> object:
    """OTLP/JSON writes 64-bit numbers as text."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20 else value


def row_of(span: Span, row: int) -> Row | None:
    """What a span is: a call, none for a reason, or None where it has nothing to do with a model."""
    said = span.attributes
    used = {key.removeprefix(USAGE): value for key, value in said.items() if key.startswith(USAGE)}
    operation = name(said.get("gen_ai.operation.name"))
    if not used and (operation in _NO_CALL or not any(name(said.get(sign)) for sign in _SIGNS)):
        return None
    if operation in _NO_CALL:
        return Skipped(row, "sum_of_calls", f"a span of {operation} sums up the calls inside it, which are counted")
    try:
        fields = tokens(said)
    except InvalidMessage as verdict:
        return Skipped(row, verdict.reason, verdict.message)
    if not span.id:
        return Skipped(row, Reason.MISSING_FIELD, "a span without traceId and spanId")
    data = _data(span, used) | {"usage_source": "reported" if fields else "missing"} | fields
    return Draft(row, "", span.start, data, None, span.id)


def _data(span: Span, used: Mapping[str, object]) -> dict[str, Any]:
    said = {**span.resource, **span.attributes}
    names = {field: _first_name(said, attributes) for field, attributes in FIELDS.items()}
    tier = _first_name(said, ("openai.response.service_tier", "gen_ai.openai.response.service_tier"))
    asked = _first_name(said, ("openai.request.service_tier", "gen_ai.openai.request.service_tier"))
    asked = None if asked == "auto" else asked
    reasons = said.get("gen_ai.response.finish_reasons")
    tags = known_fields(
        unknown_usage=unknown_keys(used, _KNOWN, USAGE),
        tier_basis="requested" if tier is None and asked else None,
        response_id=_first_name(said, ("gen_ai.response.id",)),
        error_type=_first_name(said, ("error.type",)),
    )
    return known_fields(
        **names,
        model=_first_name(said, ("gen_ai.response.model", "gen_ai.request.model")),
        service_tier=tier or asked,
        run=span.trace_id,
        identity_trust="asserted" if names["user"] else None,
        finish_reason=label(reasons[0]) if isinstance(reasons, list) and reasons else name(reasons),
        status="error" if span.failed else "ok",
        latency_ms=millis(span.start, span.end),
        reported_cost_usd=_cost(used),
        tags=tags or None,
    )


def _first_name(said: Mapping[str, object], attributes: tuple[str, ...]) -> str | None:
    return next((found for attribute in attributes if (found := label(said.get(attribute))) is not None), None)


def _cost(used: Mapping[str, object]) -> str | None:
    """OpenLIT's cost in USD, and the draft of the conventions where its currency is USD."""
    if used.get("cost.currency", "USD") != "USD":
        return None
    return usd_text(used.get("cost.amount", used.get("cost")))


def read(lines: Lines) -> Iterator[Row]:
    """One row per span that calls a model."""
    for found in documents(lines):
        if isinstance(found, Skipped):
            yield found
            continue
        try:
            spans = spans_of(found.value)
        except InvalidMessage as verdict:
            yield Skipped(found.row, verdict.reason, verdict.message)
            continue
        yield from (row for span in spans if (row := row_of(span, found.row)) is not None)


DIALECT = Dialect(name="otel", about="OpenTelemetry GenAI spans, OTLP/JSON", read=read, needs=("org",), files=FILES)
