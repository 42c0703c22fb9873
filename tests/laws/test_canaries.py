"""Prompts and secrets planted in every string of every golden body reach no event, row, sum or dead letter."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from producers.dialect import Skipped
from producers.formats import FORMATS
from producers.stamp import Stamping, parse_sets, stamp
from schemas.errors import InputError, InvalidMessage
from tests.laws.rating_events import batch, new_lane, records

FOLDER = Path(__file__).parents[1] / "golden" / "dialects"
_STRING = re.compile(r'(?:"(?P<name>[^"\\]{1,60})"\s*:\s*)?(?P<value>"(?:[^"\\]|\\.)*")(?!\s*:)')
_SETS = "org=acme time=2026-11-22T09:00:00Z"
PROMPT = "canary of a prompt: tell me about the merger; " * 12
SHORT = "canary of a prompt"
SECRET = "sk-proj-canary1234567890abcdef"
NAMES = {
    "anthropic": {"id", "model"},
    "cohere": {"id", "finish_reason"},
    "gemini": {"responseId"},
    "litellm": {"api_key", "call_type", "litellm_call_id", "request_id", "session_id", "trace_id"},
    "openai": {"id", "model"},
    "openmeter": {"id", "source", "subject", "type"},
}
"""By format, the fields whose string becomes a name in the event: what stands there is never content."""


_LOGS = {"claude-code", "codex"}


def _cases() -> Iterator[Path]:
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and not path.name.endswith((".expected.jsonl", ".sets.txt")):
            yield path


def _format(case: Path) -> str:
    return case.relative_to(FOLDER).parts[0]


def _planted(case: Path, canary: str) -> Iterator[tuple[str | None, str]]:
    """(name of the field, the file with the canary in place of one string), for every string."""
    text = case.read_text()
    rows_stand_alone = case.suffix == ".jsonl" and _format(case) not in _LOGS
    for piece in text.splitlines() if rows_stand_alone else [text]:
        for found in _STRING.finditer(piece):
            yield found["name"], piece[: found.start("value")] + json.dumps(canary) + piece[found.end("value") :]


def _outputs(case: Path, text: str) -> Iterator[bytes]:
    """All that is said of the file: events and their keys, reasons, then what rating makes of the events."""
    sets = case.with_name(case.name.split(".")[0] + ".sets.txt")
    given = parse_sets((sets.read_text() if sets.exists() else _SETS).split())
    stamping = Stamping(format=_format(case), sets=given, shift=timedelta(0), import_id="import-1")
    values = []
    try:
        for row in FORMATS[_format(case)].read(text.splitlines()):
            if isinstance(row, Skipped):
                yield f"{row.reason} {row.message}".encode()
                continue
            try:
                event = stamp(row, stamping, salt=b"0" * 16)
            except InvalidMessage as refusal:
                yield f"{refusal.path} {refusal.message}".encode()
                continue
            values.append(event.value)
            yield from (event.value, event.key, event.source.encode())
    except InputError as error:
        yield str(error).encode()
    if any(b"canary" in value for value in values):
        yield from (output.value for output in new_lane().step(batch(records(values))).outputs)


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case.relative_to(FOLDER))) for case in _cases()])
def test_no_prompt_and_no_secret_passes_a_dialect(case: Path) -> None:
    """A text of a prompt's length, or a secret, in place of any string of a body is in nothing that comes out."""
    leaks = [
        (name, canary[:10])
        for canary in (PROMPT, SECRET)
        for name, text in _planted(case, canary)
        if any(b"canary" in said for said in _outputs(case, text))
    ]
    assert leaks == []


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case.relative_to(FOLDER))) for case in _cases()])
def test_only_names_are_carried(case: Path) -> None:
    """Of all strings of a body only those of the listed fields become part of an event, however short a text is."""
    carried = {name for name, text in _planted(case, SHORT) if any(b"canary" in said for said in _outputs(case, text))}
    assert carried <= NAMES.get(_format(case), set())
