"""Real bodies of about a hundred models: each is read, and each count equals an independent extraction.

The bodies lie beside the checkout (shared/data, MIT, pydantic/genai-prices) and are not copied into it. Where we differ
is in `dialects_differences.json`, with the reason.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from producers.dialect import Draft
from producers.formats import dialect

BODIES = Path(__file__).parents[3] / "shared/data/provider_usage/usages_dev.json"
KNOWN = json.loads((Path(__file__).parent / "dialects_differences.json").read_text())
PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google", "bedrock": "aws", "cohere": "cohere"}
WRITES = tuple(f"input_cache_write_{ttl}_tokens" for ttl in ("5m", "30m", "1h", "12h", "other"))
COUNTS = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens",
    "output_reasoning_tokens", "input_image_tokens", "input_audio_tokens", "output_image_tokens", "web_searches",
)  # fmt: skip
"""What both sides say. The extractor's modalities contain what was cached of them, and it has no leaf for the rest."""

pytestmark = pytest.mark.skipif(
    not BODIES.exists(), reason="the providers' bodies are not beside this checkout (shared/data)"
)


def _format_of(body: dict[str, Any]) -> str:
    usage = body.get("usage", {})
    if "usageMetadata" in body:
        return "gemini"
    if "billed_units" in usage or "meta" in body:
        return "cohere"
    if "inputTokens" in usage:
        return "bedrock"
    return "openai" if {"prompt_tokens", "input_tokens_details"} & usage.keys() else "anthropic"


def _read(body: dict[str, Any]) -> list[Draft]:
    rows = list(dialect(_format_of(body)).read([json.dumps(body)]))
    assert [row for row in rows if not isinstance(row, Draft)] == []
    return [row for row in rows if isinstance(row, Draft)]


def _theirs(entry: dict[str, Any]) -> dict[str, int]:
    """What the extractor of the body's own provider says; the fuller one where it has several."""
    provider = PROVIDERS[_format_of(entry["body"])]
    own = [said["usage"] for said in entry["extracted"] if provider in said["provider_ids"]]
    if provider == "cohere":
        return dict(own[0])  # what is billed; the other one counts Cohere's own template too
    every: list[dict[str, int]] = own or [said["usage"] for said in entry["extracted"]]
    return max(every, key=lambda said: len(said.keys()))


def _ours(data: dict[str, Any], theirs: dict[str, int]) -> dict[str, int]:
    cached = {kind: theirs.get(f"cache_{kind}_read_tokens", 0) for kind in ("image", "audio")}
    return {
        "cache_read_tokens": data.get("input_cache_read_tokens", 0),
        "cache_write_tokens": sum(data.get(leaf, 0) for leaf in WRITES),
        "cache_write_5m_tokens": data.get("input_cache_write_5m_tokens", 0),
        "input_image_tokens": data.get("input_image_tokens", 0) + cached["image"],
        "input_audio_tokens": data.get("input_audio_tokens", 0) + cached["audio"],
        "web_searches": data.get("units", {}).get("web_searches", 0),
        **{name: data.get(name, 0) for name in ("input_tokens", "output_tokens", "output_reasoning_tokens")},
        "output_image_tokens": data.get("output_image_tokens", 0),
    }


@pytest.fixture(scope="module")
def entries() -> list[tuple[dict[str, Any], list[Draft]]]:
    """The bodies with their extractions, and what we read of each."""
    return [(entry, _read(entry["body"])) for entry in json.loads(BODIES.read_text())]


def test_every_count_equals_the_independent_extraction(entries: list[tuple[dict[str, Any], list[Draft]]]) -> None:
    """Of 812 bodies none is refused, and only the listed ones differ, only in the listed counts."""
    differ = []
    for index, (entry, drafts) in enumerate(entries):
        theirs = _theirs(entry)
        ours = _ours(drafts[0].data, theirs)
        if fields := [name for name in COUNTS if ours[name] != theirs.get(name, 0)]:
            differ.append({"index": index, "model": entry["model"], "fields": fields})
    assert len(entries) == 812
    assert differ == [{name: one[name] for name in ("index", "model", "fields")} for one in KNOWN["differences"]]


def test_calls_outside_the_totals_are_the_listed_ones(entries: list[tuple[dict[str, Any], list[Draft]]]) -> None:
    """A body is one call, but for iterations that its totals leave out."""
    more = [
        {"index": index, "kinds": [draft.data["request_kind"] for draft in drafts[1:]]}
        for index, (_, drafts) in enumerate(entries)
        if len(drafts) > 1
    ]
    assert more == [{name: one[name] for name in ("index", "kinds")} for one in KNOWN["more_calls"]]


def test_leaves_of_every_body_add_up(entries: list[tuple[dict[str, Any], list[Draft]]]) -> None:
    """The leaves of each side are disjoint: together they are its total."""
    for _, drafts in entries:
        for draft in drafts:
            for side in ("input", "output"):
                leaves = [
                    tokens
                    for name, tokens in draft.data.items()
                    if name.startswith(f"{side}_") and name != f"{side}_tokens"
                ]
                assert sum(leaves) == draft.data.get(f"{side}_tokens", 0)


def test_every_difference_has_a_reason() -> None:
    """The list explains itself."""
    assert [one for one in KNOWN["differences"] + KNOWN["more_calls"] if not one["reason"]] == []
