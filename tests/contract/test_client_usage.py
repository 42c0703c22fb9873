"""The client reads a provider's usage as Burnline's own dialects do; two programs, one meaning."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnline_client import anthropic_usage, litellm_usage, openai_usage
from burnline_client.contract import usage_event
from burnline_client.usage_leaves import UnreadableUsageError
from producers.dialects import anthropic, litellm, openai
from producers.dialects.documents import Document, documents
from schemas.errors import InvalidMessage
from schemas.usage_codec import decode
from tests.golden.test_dialects_provider_usage import BODIES

GOLDEN = Path(__file__).parents[1] / "golden" / "dialects" / "litellm"
_AT = datetime(2026, 11, 22, tzinfo=UTC)
_counts = st.one_of(st.integers(0, 9), st.sampled_from([None, -1, 2.0, 2.5, True, "3", 10**13]))
_OPENAI = (
    "prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens", "cached_tokens",
    "reasoning_tokens", "cache_creation_input_tokens", "cost", "cost_in_usd_ticks", "seconds", "new_kind_tokens",
)  # fmt: skip
_DETAILS = ("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "reasoning_tokens", "text_tokens")
_ANTHROPIC = (
    "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "new_kind_tokens",
)  # fmt: skip


def _details(*names: str) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.just(7), st.dictionaries(st.sampled_from(names), _counts, max_size=3))


def _usages(names: tuple[str, ...], **nested: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda flat, deep: {**flat, **deep},
        st.dictionaries(st.sampled_from(names), _counts, max_size=5),
        st.fixed_dictionaries({}, optional=nested),
    )


_openai = _usages(
    _OPENAI,
    prompt_tokens_details=_details(*_DETAILS),
    completion_tokens_details=_details(*_DETAILS),
    input_tokens_details=_details(*_DETAILS),
    output_tokens_details=_details(*_DETAILS),
)
_anthropic = _usages(
    _ANTHROPIC,
    cache_creation=_details("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"),
    output_tokens_details=_details("thinking_tokens"),
    iterations=st.lists(
        st.fixed_dictionaries({"type": st.sampled_from(["message", "compaction"]), "input_tokens": _counts}), max_size=2
    ),
)


def _ours(client: Any, body: dict[str, Any]) -> list[dict[str, Any]] | str:
    try:
        found: list[dict[str, Any]] = client.calls_of(body)
    except UnreadableUsageError:
        return "refused"
    return found


def _theirs(dialect: Any, body: dict[str, Any]) -> list[dict[str, Any]] | str:
    try:
        return [call.data for call in dialect.calls_of(body)]
    except InvalidMessage:
        return "refused"


@pytest.mark.skipif(not BODIES.exists(), reason="the providers' bodies are not beside this checkout (shared/data)")
def test_the_client_reads_every_real_body_as_burnline_does() -> None:
    """Of the 812 real bodies those of the two shapes give the same fields, all of them."""
    bodies = [entry["body"] for entry in json.loads(BODIES.read_text())]
    mine = [body for body in bodies if isinstance(body.get("usage"), dict) and "usageMetadata" not in body]
    chosen = [
        (openai_usage, openai) if {"prompt_tokens", "input_tokens_details"} & body["usage"].keys() else
        (anthropic_usage, anthropic)
        for body in mine
    ]  # fmt: skip
    pairs = [
        (_ours(ours, body), _theirs(theirs, body))
        for body, (ours, theirs) in zip(mine, chosen, strict=True)
        if not {"billed_units", "inputTokens"} & body["usage"].keys()
    ]
    assert len(pairs) > 450
    assert [ours for ours, theirs in pairs if ours != theirs] == []


@settings(max_examples=100)
@given(usage=_openai, model=st.sampled_from(["gpt-4o", "google/gemini-2.5-pro", None]))
def test_openai_usage_is_read_as_burnline_does(usage: dict[str, Any], model: str | None) -> None:
    """Any usage object of this shape, broken ones too, gives the same fields or is refused by both."""
    body = {"id": "c", "object": "chat.completion", "model": model, "usage": usage, "service_tier": "flex"}
    if usage:
        assert _ours(openai_usage, body) == _theirs(openai, body)


@settings(max_examples=100)
@given(usage=_anthropic)
def test_anthropic_usage_is_read_as_burnline_does(usage: dict[str, Any]) -> None:
    """Any usage object of this shape, broken ones too, gives the same fields or is refused by both."""
    body = {"id": "m", "type": "message", "model": "claude", "usage": usage, "stop_reason": "end_turn"}
    if usage:
        assert _ours(anthropic_usage, body) == _theirs(anthropic, body)


def _payloads() -> list[dict[str, Any]]:
    rows = [litellm_documents(file) for file in ("payload.json", "shapes.jsonl", "refused.jsonl")]
    return [row for found in rows for row in found if "metadata" in row]


def litellm_documents(file: str) -> list[dict[str, Any]]:
    """The payloads of a golden file, batches opened."""
    with (GOLDEN / file).open(encoding="utf-8") as lines:
        found = [one.value for one in documents(lines) if isinstance(one, Document)]
    opened = [one.get("standard_logging_object", one) for one in found if isinstance(one, dict)]
    return [one for one in opened if isinstance(one, dict)]


@pytest.mark.parametrize("payload", _payloads(), ids=lambda payload: str(payload.get("id", "none")))
def test_litellm_payloads_are_read_as_burnline_does(payload: dict[str, Any]) -> None:
    """The logger in the gateway and the replay of its logs say the same of a call, id and time included."""
    ours = litellm_usage.call_of(payload)
    try:
        own, start, data = litellm.call_of(payload)
    except InvalidMessage:
        assert (ours.fields["usage_source"], "usage_refused" in ours.fields["tags"]) == ("missing", True)
    else:
        assert (ours.id, ours.time) == (own, start)
        assert ours.fields == data


@settings(max_examples=80)
@given(usage=_openai)
def test_what_the_client_reads_it_can_send(usage: dict[str, Any]) -> None:
    """Counts that were read make an event that Burnline takes."""
    found = _ours(openai_usage, {"model": "m", "usage": usage})
    if not isinstance(found, str):
        fields = {**found[0], "org": "acme"}
        decode(usage_event(source="s", id="i", time=_AT, fields=fields))
