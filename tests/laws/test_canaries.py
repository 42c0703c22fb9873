"""Prompts and secrets planted in every string of every golden body reach no event, row, sum or dead letter."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog

from producers.dialect import Skipped
from producers.formats import FORMATS
from producers.stamp import Stamping, parse_sets, stamp
from schemas.errors import InputError, InvalidMessage
from schemas.internal import from_arrow_bytes
from schemas.policies import Budget
from streams.ports import Output
from tests.laws.rating_events import batch, event, new_lane, raw, record, records

FOLDER = Path(__file__).parents[1] / "golden" / "dialects"
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"(?P<names>\s*:)?')
_SETS = "org=acme time=2026-11-22T09:00:00Z"
PROMPT = "canary of a prompt: tell me about the merger; " * 24
SHORT = "canary of a prompt"
SECRET = "sk-proj-canary1234567890abcdef"
NAMES: dict[str, set[str]] = {
    "anthropic": {
        "id", "inference_geo", "model", "service_tier", "stop_reason", "type",
    },
    "bedrock": {
        "RequestId", "arn", "modelId", "region", "requestId", "stopReason",
    },
    "claude-code": {
        "agentId", "cwd", "gitBranch", "id", "model", "requestId", "service_tier", "sessionId", "stop_reason",
        "version",
    },
    "codex": {
        "cli_version", "cwd", "forked_from_id", "id", "model", "model_provider", "originator",
    },
    "cohere": {
        "finish_reason", "id",
    },
    "gemini": {
        "finishReason", "modelVersion", "model_version", "responseId", "response_id", "trafficType",
    },
    "litellm": {
        "agent_id", "api_key", "call_type", "custom_llm_provider", "end_user", "litellm_call_id", "model",
        "model_group", "purpose", "request_id", "request_tags", "service_tier", "session_id", "task",
        "team_id", "trace_id", "user", "user_agent", "user_api_key_alias", "user_api_key_hash",
        "user_api_key_project_id", "user_api_key_team_alias", "user_api_key_team_id", "user_api_key_user_id",
    },
    "openai": {
        "finish_reason", "id", "model", "service_tier",
    },
    "openmeter": {
        "id", "model", "provider", "route", "source", "subject", "team", "type",
    },
    "otel": {
        "cloud.region", "deployment.environment.name", "error.type", "gen_ai.agent.name",
        "gen_ai.conversation.id", "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model",
        "gen_ai.response.finish_reasons", "gen_ai.response.id", "gen_ai.response.model",
        "openai.request.service_tier", "openai.response.service_tier", "service.name", "spanId", "traceId",
        "user.id",
    },
}  # fmt: skip
"""By format, the fields whose string becomes a name in the event: what stands there is never content."""
TEXTS = {("user_agent", PROMPT)}
"""The one field that a text of any length can stand in, cut: a header that programs write."""
_LOGS = {"claude-code", "codex"}


def _cases() -> Iterator[Path]:
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and not path.name.endswith((".expected.jsonl", ".sets.txt")):
            yield path


def _format(case: Path) -> str:
    return case.relative_to(FOLDER).parts[0]


def _planted(case: Path, canary: str) -> Iterator[tuple[str, str]]:
    """(name of the field before it, the file with the canary in place of one string), for every string."""
    text = case.read_text()
    rows_stand_alone = case.suffix == ".jsonl" and _format(case) not in _LOGS
    for piece in text.splitlines(keepends=True) if rows_stand_alone else [text]:
        name = attribute = ""
        for found in _STRING.finditer(piece):
            if found["names"]:
                name = found.group().rstrip(" :")[1:-1]
                continue
            attribute = found.group()[1:-1] if name == "key" else attribute
            of = attribute if name == "stringValue" else name  # OTLP names attributes by a string beside the value
            yield of, piece[: found.start()] + json.dumps(canary) + piece[found.end() :]


def _outputs(case: Path, text: str) -> Iterator[bytes]:
    """All that is said of the file: events and their keys, reasons, then what rating makes of the events."""
    sets = case.with_name(case.name.split(".")[0] + ".sets.txt")
    given = parse_sets((sets.read_text() if sets.exists() else _SETS).split())
    stamping = Stamping(format=_format(case), sets=given, shift=timedelta(0), import_id="import-1")
    values = []
    try:
        for row in FORMATS[_format(case)].read(text.splitlines(keepends=True)):
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
        if (name, canary) not in TEXTS and any(b"canary" in said for said in _outputs(case, text))
    ]
    assert leaks == []


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case.relative_to(FOLDER))) for case in _cases()])
def test_only_names_are_carried(case: Path) -> None:
    """Of all strings of a body only those of the listed fields become part of an event, however short a text is."""
    carried = {name for name, text in _planted(case, SHORT) if any(b"canary" in said for said in _outputs(case, text))}
    assert carried <= NAMES.get(_format(case), set())


LIVE = [
    {"credential": SECRET}, {"user_agent": f"curl/8 {SECRET}"}, {"user_agent": f"Bearer {SECRET}"},
    {"tags": {"note": f"key is {SECRET}"}}, {"tags": {SECRET: "x"}}, {"asserted": {"credential": SECRET}},
    {"secret_of_mine": f"{SECRET} of mine"}, {"messages": [{"content": PROMPT}]}, {"prompt": SHORT},
    {"tags": {"x": "y"}, "messages": SHORT},
]  # fmt: skip
HEADERS = [("authorization", f"Bearer {SECRET}".encode()), (SECRET, b"x"), ("ce_note", SECRET.encode())]


@pytest.mark.parametrize("planted", LIVE, ids=lambda planted: "-".join(planted)[:40])
@pytest.mark.parametrize("is_good", [True, False])
def test_nothing_that_rating_sends_holds_what_was_planted_in_an_event(
    planted: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    *,
    is_good: bool,
) -> None:
    """Rows, sums, identities or the dead letter, and what is logged; headers and keys of records were planted, too."""
    good = event(**planted) if is_good else {**event(**planted), "time": "yesterday"}
    lane = new_lane(Budget(id="each", org="acme", each="credential", limit=Decimal(0)))
    planted_record = record(raw(good), key=SECRET.encode(), headers=HEADERS)
    with structlog.testing.capture_logs() as logs:
        outputs = lane.step(batch([planted_record])).outputs
    assert len(outputs) > 1
    for output in outputs:
        said = [output.value, output.key or b"", *(value for _, value in output.headers or ())]
        said += [str(from_arrow_bytes(output.value).to_pylist()).encode()] if _is_arrow(output) else []
        assert not any(b"canary" in one for one in said), output.topic
    assert "canary" not in str(logs) + caplog.text


def _is_arrow(output: Output) -> bool:
    return output.topic in {"internal.rated", "internal.deltas", "internal.steps"} and bool(output.value)
