"""Laws of leaves: what a provider counted of known leaves is read back as these leaves, or refused for a reason."""

import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from producers.dialects import anthropic, bedrock, gemini, openai
from schemas.errors import InvalidMessage

EXAMPLES = int(os.environ.get("BURNLINE_LAW_EXAMPLES", "30"))
"""Cases per law; 100000 of them take some minutes."""

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
