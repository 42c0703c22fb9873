"""Every JSON format takes documents as lines, an array, over many lines, alone or in a folder: the same calls."""

import json
from pathlib import Path
from typing import Any

import pytest

from producers.dialect import Draft
from producers.files import find
from producers.formats import dialect
from producers.local import local_rows

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = {
    "openai": "dialects/openai/chat.json",
    "anthropic": "dialects/anthropic/message.json",
    "gemini": "dialects/gemini/response.json",
    "bedrock": "dialects/bedrock/converse.json",
    "cohere": "dialects/cohere/bodies.jsonl",
    "litellm": "dialects/litellm/payload.json",
    "openmeter": "dialects/openmeter/events.jsonl",
    "otel": "dialects/otel/trace.json",
    "claude-code": "dialects/claude-code/session.jsonl",
    "codex": "dialects/codex/session.jsonl",
    "mooncake": "dialects/mooncake/trace.jsonl",
    "burnline": "producers/burnline.jsonl",
}


def documents_of(path: Path) -> list[Any]:
    """The JSON documents of a golden file."""
    text = path.read_text()
    try:
        found = json.loads(text)
    except ValueError:
        return [one for line in text.splitlines() if line.strip() and (one := _read(line)) is not None]
    return found if isinstance(found, list) else [found]


def _read(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def calls(format_name: str, folder: Path) -> list[tuple[str | None, dict[str, Any]]]:
    """The calls in a folder: their ids, as far as they have any of their own, and what they say."""
    rows = local_rows(format_name, [str(folder)], sets={"time": "2026-11-22T09:00:00Z"})
    return [(row.id, row.data) for row in rows if isinstance(row, Draft)]


@pytest.mark.parametrize("format_name", sorted(CASES))
def test_shapes_of_files_do_not_matter(format_name: str, tmp_path: Path) -> None:
    """Lines, one array, indented documents: the same calls, in order; two files in a folder hold those of both."""
    documents = documents_of(GOLDEN / CASES[format_name])
    shapes = {
        "lines": "".join(f"{json.dumps(one)}\n" for one in documents),
        "array": json.dumps(documents),
        "indented": "\n".join(json.dumps(one, indent=2) for one in documents),
        "indented array": json.dumps(documents, indent=1),
    }
    found = {}
    for shape, text in shapes.items():
        folder = tmp_path / shape.replace(" ", "-")
        folder.mkdir()
        (folder / "a.jsonl").write_text(text)
        found[shape] = calls(format_name, folder)
    assert len(found["lines"]) > 0
    for shape, said in found.items():
        assert said == found["lines"], shape
    assert len(find([str(tmp_path / "lines")], dialect(format_name).files)) == 1


@pytest.mark.parametrize("format_name", sorted(CASES.keys() - {"codex", "claude-code"}))
def test_a_single_document_is_a_file(format_name: str, tmp_path: Path) -> None:
    """One document alone gives the calls that it gives among others."""
    documents = documents_of(GOLDEN / CASES[format_name])
    together, apart = tmp_path / "together", []
    together.mkdir()
    (together / "a.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in documents))
    for number, one in enumerate(documents):
        alone = tmp_path / f"alone-{number}"
        alone.mkdir()
        (alone / "a.jsonl").write_text(json.dumps(one))
        apart += [data for _, data in calls(format_name, alone)]
    assert len(apart) >= len(calls(format_name, together)) > 0
