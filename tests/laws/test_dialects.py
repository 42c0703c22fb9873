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
from producers.dialects import anthropic, bedrock, gemini, openai
from producers.formats import FORMATS
from producers.stamp import Stamping, stamp
from schemas.errors import InvalidMessage
from schemas.usage import INPUT_LEAVES, OUTPUT_LEAVES
from schemas.usage_codec import decode

EXAMPLES = int(os.environ.get("BURNLINE_LAW_EXAMPLES", "60"))
"""Cases per law; 100000 of them take some minutes."""

READ = sorted(FORMATS.keys() - {"burnline", "azure-llm"})
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
    _hold(list(FORMATS[name].read(lines)))


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
    _hold(list(FORMATS[name].read(_made_up())))


_count = st.integers(0, 10**6)


@st.composite
def _leaves(draw: st.DrawFn, *names: str) -> dict[str, int]:
    return {name: draw(_count) for name in names}


def _total(leaves: dict[str, int], side: str) -> int:
    return sum(tokens for leaf, tokens in leaves.items() if leaf.startswith(side))


def _read_back(tokens: dict[str, int], leaves: dict[str, int]) -> None:
    """What was read has these leaves and no others, and their sums as totals."""
    expected = {leaf: held for leaf, held in leaves.items() if held}
    rests = {
        "input_uncached_tokens": leaves["input_uncached_tokens"],
        "output_text_tokens": leaves["output_text_tokens"],
    }
    totals = {"input_tokens": _total(leaves, "input"), "output_tokens": _total(leaves, "output")}
    assert tokens == {**expected, **rests, **totals}


_OPENAI = (
    "input_uncached_tokens", "input_cache_read_tokens", "input_cache_write_30m_tokens", "input_cache_write_12h_tokens",
    "input_cache_write_other_tokens", "input_audio_tokens", "input_image_tokens", "output_text_tokens",
    "output_reasoning_tokens", "output_audio_tokens", "output_image_tokens",
)  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None)
@given(_leaves(*_OPENAI), st.booleans(), st.booleans())
def test_openai_gives_back_the_leaves_that_were_put_in(leaves: dict[str, int], chat: bool, total: bool) -> None:  # noqa: FBT001  hypothesis gives them
    """Chat completions and responses alike: every count is inside its total."""
    into, out = ("prompt", "completion") if chat else ("input", "output")
    written = sum(leaves[f"input_cache_write_{ttl}_tokens"] for ttl in ("30m", "12h", "other"))
    usage: dict[str, Any] = {
        f"{into}_tokens": _total(leaves, "input"),
        f"{out}_tokens": _total(leaves, "output"),
        f"{into}_tokens_details": {
            "cached_tokens": leaves["input_cache_read_tokens"],
            "cache_write_tokens": written,
            "cache_write_tokens_details": {
                "ttl_30m_tokens": leaves["input_cache_write_30m_tokens"],
                "ttl_12h_tokens": leaves["input_cache_write_12h_tokens"],
            },
            "audio_tokens": leaves["input_audio_tokens"],
            "image_tokens": leaves["input_image_tokens"],
        },
        f"{out}_tokens_details": {
            kind: leaves[f"output_{kind}"] for kind in ("reasoning_tokens", "audio_tokens", "image_tokens")
        },
    }
    if total:
        usage["total_tokens"] = sum(leaves.values())
    _read_back(openai.tokens(usage), leaves)


@settings(max_examples=EXAMPLES, deadline=None)
@given(_leaves("input_uncached_tokens", "output_text_tokens", "output_reasoning_tokens"))
def test_reasoning_on_top_is_known_by_the_total_alone(leaves: dict[str, int]) -> None:
    """Where the total is the sum with reasoning added, reasoning is added; no name of a model decides it."""
    usage = {
        "prompt_tokens": leaves["input_uncached_tokens"],
        "completion_tokens": leaves["output_text_tokens"],
        "completion_tokens_details": {"reasoning_tokens": leaves["output_reasoning_tokens"]},
        "total_tokens": sum(leaves.values()),
    }
    _read_back(openai.tokens(usage), leaves)


@settings(max_examples=EXAMPLES, deadline=None)
@given(_leaves("input_uncached_tokens", "output_text_tokens", "output_reasoning_tokens"), st.integers(-5, 5))
def test_a_total_that_is_no_sum_is_refused(leaves: dict[str, int], off: int) -> None:
    """A grand total that fits neither reading of the reasoning ends in a reason, never in an event."""
    usage = {
        "prompt_tokens": leaves["input_uncached_tokens"],
        "completion_tokens": leaves["output_text_tokens"] + leaves["output_reasoning_tokens"],
        "completion_tokens_details": {"reasoning_tokens": leaves["output_reasoning_tokens"]},
        "total_tokens": sum(leaves.values()) + off,
    }
    fits = off == 0 or off == leaves["output_reasoning_tokens"]
    try:
        tokens = openai.tokens(usage)
    except InvalidMessage:
        assert not fits
    else:
        assert fits
        assert tokens["input_tokens"] + tokens["output_tokens"] == usage["total_tokens"]


_ANTHROPIC = (
    "input_uncached_tokens", "input_cache_read_tokens", "input_cache_write_5m_tokens", "input_cache_write_1h_tokens",
    "input_cache_write_other_tokens", "output_text_tokens",
)  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None)
@given(_leaves(*_ANTHROPIC, "output_reasoning_tokens"))
def test_anthropic_gives_back_the_leaves_that_were_put_in(leaves: dict[str, int]) -> None:
    """Cache counts stand beside the input, thinking stands in the output."""
    written = [leaves[f"input_cache_write_{ttl}_tokens"] for ttl in ("5m", "1h", "other")]
    usage = {
        "input_tokens": leaves["input_uncached_tokens"],
        "cache_read_input_tokens": leaves["input_cache_read_tokens"],
        "cache_creation_input_tokens": sum(written),
        "cache_creation": {"ephemeral_5m_input_tokens": written[0], "ephemeral_1h_input_tokens": written[1]},
        "output_tokens": _total(leaves, "output"),
        "output_tokens_details": {"thinking_tokens": leaves["output_reasoning_tokens"]},
    }
    _read_back(anthropic.tokens(usage), leaves)


@settings(max_examples=EXAMPLES, deadline=None)
@given(_leaves(*_ANTHROPIC))
def test_bedrock_gives_back_the_leaves_that_were_put_in(leaves: dict[str, int]) -> None:
    """Cache counts stand beside the input, and all of them are in the total."""
    written = [leaves[f"input_cache_write_{ttl}_tokens"] for ttl in ("5m", "1h", "other")]
    usage = {
        "inputTokens": leaves["input_uncached_tokens"],
        "cacheReadInputTokens": leaves["input_cache_read_tokens"],
        "cacheWriteInputTokens": sum(written),
        "cacheDetails": [{"ttl": "5m", "inputTokens": written[0]}, {"ttl": "1h", "inputTokens": written[1]}],
        "outputTokens": leaves["output_text_tokens"],
        "totalTokens": sum(leaves.values()),
    }
    _read_back(bedrock.tokens(usage), leaves)


_GEMINI = (
    "input_uncached_tokens", "input_cache_read_tokens", "input_audio_tokens", "input_image_tokens",
    "output_text_tokens", "output_reasoning_tokens", "output_audio_tokens", "output_image_tokens",
)  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None)
@given(_leaves(*_GEMINI), st.data())
def test_gemini_gives_back_the_leaves_that_were_put_in(leaves: dict[str, int], data: st.DataObject) -> None:
    """Tool prompts and thoughts stand beside, the cache stands inside, and takes what it holds of each modality."""
    tool = data.draw(st.integers(0, leaves["input_uncached_tokens"]))
    tool_images = data.draw(st.integers(0, leaves["input_image_tokens"]))
    cached_audio = data.draw(st.integers(0, leaves["input_cache_read_tokens"]))
    usage = {
        "promptTokenCount": _total(leaves, "input") - tool - tool_images,
        "toolUsePromptTokenCount": tool + tool_images,
        "cachedContentTokenCount": leaves["input_cache_read_tokens"],
        "candidatesTokenCount": _total(leaves, "output") - leaves["output_reasoning_tokens"],
        "thoughtsTokenCount": leaves["output_reasoning_tokens"],
        "totalTokenCount": sum(leaves.values()),
        "promptTokensDetails": [
            {"modality": "AUDIO", "tokenCount": leaves["input_audio_tokens"] + cached_audio},
            {"modality": "IMAGE", "tokenCount": leaves["input_image_tokens"] - tool_images},
        ],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": cached_audio}],
        "toolUsePromptTokensDetails": [{"modality": "DOCUMENT", "tokenCount": tool_images}],
        "candidatesTokensDetails": [
            {"modality": "AUDIO", "tokenCount": leaves["output_audio_tokens"]},
            {"modality": "IMAGE", "tokenCount": leaves["output_image_tokens"]},
        ],
    }
    said = {name: count for name, count in usage.items() if count != 0}  # protobuf's JSON leaves zeros out
    _read_back(
        gemini.tokens({**said, "totalTokenCount": usage["totalTokenCount"], "promptTokenCount": 0} | said), leaves
    )


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
