"""Laws of dialects: whatever is read, leaves add up or the row is skipped for a reason, and nothing ever raises."""

import json
import os
import random
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.dialect import Draft, Row, Skipped
from producers.formats import FORMATS
from producers.stamp import Stamping, stamp
from schemas.errors import InvalidMessage
from schemas.usage import INPUT_LEAVES, OUTPUT_LEAVES
from schemas.usage_codec import decode

EXAMPLES = int(os.environ.get("BURNLINE_LAW_EXAMPLES", "30"))
"""Cases per law; 100000 of them take some minutes."""

READ = sorted(
    {name for name, one in FORMATS.items() if one.topic != "usage.outcomes"} - {"burnline", "azure-llm", "charges"}
)
_LENGTHS = json.dumps({"0": {"input_tokens": "{1: 0.25, 2: 0.75}", "output_tokens": "{3: 1.0}"}})
BEFORE = {"servegen": [json.dumps({"file": "m/chunk-0-trace.csv", "beside": _LENGTHS})]}
"""Lines that a format's files begin with, whatever people wrote behind them."""
SETS = {"org": "acme", "provider": "openai", "model": "gpt-4o", "time": "2026-11-22T09:00:00Z"}
STAMPING = Stamping(format="any", sets=SETS, shift=timedelta(0), import_id="import-1")

_SPELT_WORDS = """
id type object model created time timestamp usage usageMetadata response body result message status choices
prompt_tokens completion_tokens total_tokens input_tokens output_tokens prompt_tokens_details
completion_tokens_details input_tokens_details output_tokens_details cached_tokens cache_write_tokens
reasoning_tokens audio_tokens image_tokens cache_read_input_tokens cache_creation_input_tokens cache_creation
ephemeral_5m_input_tokens ephemeral_1h_input_tokens thinking_tokens iterations server_tool_use service_tier
promptTokenCount candidatesTokenCount thoughtsTokenCount toolUsePromptTokenCount cachedContentTokenCount
totalTokenCount promptTokensDetails cacheTokensDetails modality tokenCount modelVersion responseId candidates
inputTokens outputTokens totalTokens cacheReadInputTokens cacheWriteInputTokens cacheDetails ttl metadata
schemaType billed_units meta specversion data tokens source subject litellm_call_id call_type usage_object spend
startTime endTime attempted_retries request_tags custom_llm_provider cache_hit resourceSpans scopeSpans spans
attributes key value traceId spanId startTimeUnixNano payload info last_token_usage total_token_usage sessionId
requestId custom_id error output stopReason delta hash_ids input_length output_length
"""
_WORDS = _SPELT_WORDS.split()
_SPELT_TEXTS = """
chat.completion message message_start message_delta message_stop event_msg token_count session_meta turn_context
1.0 input ModelInvocationLog acompletion AUDIO IMAGE 5m gen_ai.usage.input_tokens gen_ai.operation.name
"""
_TEXTS = _SPELT_TEXTS.split()
_words = st.sampled_from(_WORDS)
_texts = st.sampled_from(_TEXTS) | st.text(max_size=6)
_scalars = st.none() | st.booleans() | st.integers(-5, 50) | st.integers() | st.floats() | _texts | st.just(10**400)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=4), max_leaves=8
)
_objects = st.dictionaries(_words, _values, max_size=5)
_junk = st.text(max_size=20).map(lambda text: text.replace("\n", " ").replace("\r", " ")) | st.sampled_from(
    ["\udcff", "[", "{", "]", "}", '{"a', "[" * 2000, "data: {}", "===== record 1 ====="]
)


def _line(value: object) -> str:
    return json.dumps(value, allow_nan=True)


def _counted(draft: Draft) -> None:
    """Each side of a draft has a total that is the sum of its leaves, or is not there at all."""
    for total, leaves in (("input_tokens", INPUT_LEAVES), ("output_tokens", OUTPUT_LEAVES)):
        known = [draft.data[leaf] for leaf in leaves if leaf in draft.data]
        assert min(known, default=0) >= 0
        if known:
            assert sum(known) <= draft.data.get(total, sum(known))


def _hold(rows: list[Row]) -> None:
    """What is accepted adds up, and passes the contract unless it is refused there; what is skipped has a reason."""
    salt = STAMPING.salt()
    for row in rows:
        if isinstance(row, Skipped):
            assert row.reason
            assert row.message
            continue
        _counted(row)
        try:
            event = stamp(row, STAMPING, salt=salt)
        except InvalidMessage:
            continue
        data = decode(event.value).data
        for total, leaves in (("input_tokens", INPUT_LEAVES), ("output_tokens", OUTPUT_LEAVES)):
            if getattr(data, total) is not None:
                assert sum(getattr(data, leaf) for leaf in leaves) == getattr(data, total)


@pytest.mark.parametrize("name", READ)
@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(st.lists(_objects.map(_line) | _values.map(_line) | _junk, max_size=6))
def test_no_json_makes_a_dialect_raise(name: str, lines: list[str]) -> None:
    """Any JSON and any junk is read to its end; what is accepted passes the contract, with leaves that add up."""
    _hold(list(FORMATS[name].read([*BEFORE.get(name, []), *lines])))


class _Dice:
    """JSON made at random of the words that dialects look for; the same seed makes the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  no secret

    def value(self, depth: int = 0) -> object:
        """An object, more often than not; deep down a count, mostly."""
        kind = self._random.random()
        if depth < 5 and kind < (0.9 if depth < 2 else 0.35):
            return {self._random.choice(_WORDS): self.value(depth + 1) for _ in range(self._random.randrange(1, 9))}
        if depth < 5 and kind < 0.5:
            return [self.value(depth + 1) for _ in range(self._random.randrange(4))]
        odd: object = self._random.choice(
            [None, True, -1, 1.5, "7", "", [], {}, 10**13, 10**400, self._random.choice(_TEXTS)]
        )
        return odd if kind > 0.85 else self._random.randrange(40)


@cache
def _made_up() -> list[str]:
    dice = _Dice(7)
    return [json.dumps(dice.value()) for _ in range(15 * EXAMPLES)]


@pytest.mark.parametrize("name", READ)
def test_no_made_up_json_makes_a_dialect_raise(name: str) -> None:
    """The same for far more documents, which are made of the words that dialects look for."""
    _hold(list(FORMATS[name].read([*BEFORE.get(name, []), *_made_up()])))


_count = st.integers(0, 10**6)


def _spelt(bodies: list[dict[str, Any]]) -> list[str]:
    """The same bodies as JSON lines, as an array, as pretty objects one after the other, as server-sent events."""
    lines = [json.dumps(body) for body in bodies]
    return [
        "\n".join(lines),
        json.dumps(bodies),
        json.dumps(bodies, indent=2),
        json.dumps(bodies, indent=0),
        "[\n" + ",\n".join(lines) + "\n]",
        "\n".join(json.dumps(body, indent=2) for body in bodies),
        "".join(f"data: {line}\n\n" for line in lines),
    ]


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.tuples(_count, _count, st.text(max_size=8)), min_size=1, max_size=5))
def test_the_layout_of_a_file_changes_nothing(calls: list[tuple[int, int, str]]) -> None:
    """Lines, arrays and pretty objects of the same bodies are the same calls."""
    bodies = [
        {"id": f"c{place}", "object": "chat.completion", "created": 1795338903, "model": "gpt-4o",
         "choices": [{"message": {"content": text}}], "usage": {"prompt_tokens": into, "completion_tokens": out}}
        for place, (into, out, text) in enumerate(calls)
    ]  # fmt: skip
    read = [
        [(draft.id, draft.time, draft.data) for draft in FORMATS["openai"].read(spelt.splitlines(keepends=True))
         if isinstance(draft, Draft)]
        for spelt in _spelt(bodies)
    ]  # fmt: skip
    assert [len(drafts) for drafts in read] == [len(calls)] * len(read)
    assert all(drafts == read[0] for drafts in read)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=1, max_size=20).map(
        lambda rows: [(message, sum(more for other, more in rows[: at + 1] if other == message))
                      for at, (message, _) in enumerate(rows)]
    )
)  # fmt: skip
def test_a_message_of_claude_code_counts_once_with_its_last_row(rows: list[tuple[int, int]]) -> None:
    """However rows of several streamed messages interleave, each message is one request with its last usage."""
    start = datetime(2026, 11, 22, 9, tzinfo=UTC)
    lines = [
        json.dumps(
            {
                "timestamp": (start + timedelta(seconds=at)).isoformat(),
                "requestId": f"r{message}",
                "message": {
                    "id": f"m{message}",
                    "model": "claude-x",
                    "usage": {"input_tokens": 1, "output_tokens": out},
                },
            }
        )
        for at, (message, out) in enumerate(rows)
    ]
    drafts = [row for row in FORMATS["claude-code"].read(lines) if isinstance(row, Draft)]
    last = {f"m{message}/r{message}": out for message, out in rows}
    first = {
        f"m{message}/r{message}": start + timedelta(seconds=at) for at, (message, _) in reversed([*enumerate(rows)])
    }
    assert {draft.id: draft.data["output_tokens"] for draft in drafts} == last
    assert {draft.id: draft.time for draft in drafts} == first
    assert len(drafts) == len(last)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**5), st.integers(0, 10**5), st.integers(1, 3)), max_size=8))
def test_repeated_rows_of_codex_are_one_request(requests: list[tuple[int, int, int]]) -> None:
    """However often a row is written again, the requests, their ids and their sums stay the same."""
    drafts = []
    for repeat in (False, True):
        total = [0, 0]
        lines = [json.dumps({"type": "session_meta", "payload": {"id": "s"}})]
        for into, out, times in requests:
            total = [total[0] + into, total[1] + out]
            info = {
                "total_token_usage": {"input_tokens": total[0], "output_tokens": total[1]},
                "last_token_usage": {"input_tokens": into, "output_tokens": out},
                "model": "gpt-5.4",
            }
            row = {"timestamp": "2026-11-22T09:00:00Z", "type": "event_msg"}
            line = json.dumps({**row, "payload": {"type": "token_count", "info": info}})
            lines += [line] * (times if repeat else 1)
        drafts.append([(row.id, row.data) for row in FORMATS["codex"].read(lines) if isinstance(row, Draft)])
    assert drafts[0] == drafts[1]
    assert len({own for own, _ in drafts[0]}) == len(requests)
    assert sum(data["output_tokens"] for _, data in drafts[0]) == sum(out for _, out, _ in requests)
