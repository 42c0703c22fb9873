"""Session logs of coding agents: repeated rows are one request, files and folders read alike, truths hold."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from producers.dialect import Skipped
from producers.plan import prepare, read
from producers.stamp import Event, parse_sets

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DATA = Path(__file__).parents[3] / "shared/data"
ORG = ["org=acme"]


def _items(format_name: str, *paths: Path, sets: list[str] | None = None) -> list[Event | Skipped]:
    plan = prepare(format_name, [str(path) for path in paths], now=NOW, sets=parse_sets(sets or ORG))
    return list(read(plan, now=NOW))


def _data(items: list[Event | Skipped]) -> list[dict[str, Any]]:
    return [json.loads(item.value)["data"] for item in items if isinstance(item, Event)]


def _ids(items: list[Event | Skipped]) -> list[str]:
    return [item.id for item in items if isinstance(item, Event)]


@pytest.mark.skipif(not (DATA / "tracelab").exists(), reason="TraceLab is not beside this checkout (shared/data)")
def test_a_real_session_of_codex_is_nine_requests() -> None:
    """TraceLab's session: 9 requests, 1,912 output and 95,819 input tokens, by file and by folder, each time alike."""
    told = [_items("codex", DATA / "tracelab/codex" / name) for name in ("trace.json", "", "")]
    for items in told:
        data = _data(items)
        assert [item for item in items if isinstance(item, Skipped)] == []
        assert len(data) == 9
        assert sum(one["output_tokens"] for one in data) == 1912
        assert sum(one["input_tokens"] for one in data) == 95_819
        assert sum(one["input_cache_read_tokens"] for one in data) == 79_488
        assert {one["model"] for one in data} == {"gpt-5.4"}
    assert _ids(told[0]) == _ids(told[1]) == _ids(told[2])
    assert len(set(_ids(told[0]))) == 9


@pytest.mark.skipif(not (DATA / "ccusage").exists(), reason="ccusage's samples are not beside this checkout")
def test_samples_of_claude_code_are_read_at_any_depth() -> None:
    """Two projects, five messages; the cache stands beside the input."""
    data = _data(_items("claude-code", DATA / "ccusage/claude"))
    assert [(one["session"], one["input_tokens"], one["output_tokens"]) for one in data] == [
        ("session-alpha", 100 + 25 + 10, 50),
        ("session-alpha", 200 + 50 + 20, 75),
        ("session-alpha", 300 + 40, 125),
        ("session-beta", 50 + 5 + 15, 25),
        ("session-beta", 80 + 10 + 25, 35),
    ]
    assert [one["reported_cost_usd"] for one in data] == ["0.12", "0.34", "0.56", "0.03", "0.04"]


@pytest.mark.skipif(not (DATA / "ccusage").exists(), reason="ccusage's samples are not beside this checkout")
def test_samples_of_codex_keep_reasoning_inside_the_output() -> None:
    """Subset is declared for Codex: a sample whose totals count reasoning twice does not change it, and is marked."""
    data = _data(_items("codex", DATA / "ccusage/codex"))
    assert [(one["model"], one["input_tokens"], one["output_tokens"]) for one in data] == [
        ("gpt-5.2-codex", 1000, 125),
        ("gpt-5.3-codex", 2500, 300),
    ]
    assert [one["tags"]["total_tokens_reported"] for one in data] == ["1200", "3000"]


@pytest.mark.skipif(not (DATA / "litellm").exists(), reason="LiteLLM's payload is not beside this checkout")
def test_litellm_own_golden_payload_is_read() -> None:
    """LiteLLM's test payload: 10 and 20 tokens of gpt-4o at 0.000225 USD, no identity of a key."""
    data = _data(_items("litellm", DATA / "litellm"))
    assert [
        (one["provider"], one["model"], one["input_tokens"], one["output_tokens"], one["reported_cost_usd"])
        for one in data
    ] == [("openai", "gpt-4o", 10, 20, "0.000225")]
    assert {"credential", "user", "identity_trust", "asserted"} & data[0].keys() == set()


@pytest.mark.skipif(not (DATA / "mooncake").exists(), reason="Mooncake's trace is not beside this checkout")
def test_every_row_of_mooncake_is_a_request() -> None:
    """3,993 requests, with the lengths of the trace."""
    items = _items("mooncake", DATA / "mooncake/synthetic_trace.jsonl", sets=[*ORG, "provider=moonshot_ai", "model=k2"])
    data = _data(items)
    assert len(data) == len(items) == 3993
    assert (data[0]["input_tokens"], data[0]["output_tokens"]) == (40_160, 6)


def _message(output_tokens: int, *, request: str = "r", at: str = "2026-11-22T09:00:00Z") -> str:
    usage = {"input_tokens": 1, "output_tokens": output_tokens}
    row = {"timestamp": at, "requestId": request, "message": {"id": "m", "model": "claude-x", "usage": usage}}
    return json.dumps(row) + "\n"


def test_a_log_that_was_read_too_early_is_put_right_by_a_later_replay(tmp_path: Path) -> None:
    """The same id and time, with more rows a higher revision: the later event replaces the earlier."""
    log = tmp_path / "session.jsonl"
    log.write_text(_message(5))
    early = _items("claude-code", log)
    log.write_text(_message(5) + _message(5, at="2026-11-22T09:00:01Z") + _message(90, at="2026-11-22T09:00:02Z"))
    late = _items("claude-code", log)
    assert _ids(early) == _ids(late)
    assert [item.time for item in early if isinstance(item, Event)] == [
        item.time for item in late if isinstance(item, Event)
    ]
    assert [(one["output_tokens"], one["revision"]) for one in _data(early) + _data(late)] == [(5, 1), (90, 2)]


def test_a_copied_call_counts_in_one_file_only(tmp_path: Path) -> None:
    """Files of a session copy each other's rows; the first by name has the call, the others skip it."""
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.jsonl").write_text(_message(5))
    items = _items("claude-code", tmp_path)
    assert [item.reason if isinstance(item, Skipped) else "sent" for item in items] == ["sent", "repeated", "repeated"]


def test_a_folder_of_logs_holds_other_files_too(tmp_path: Path) -> None:
    """Only files of the names that the format has are read, at any depth; hidden folders are not."""
    for name in ("projects/web/s.jsonl", "projects/.old/s.jsonl", "settings.json", "projects/web/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_message(len(name)))
    assert [one["output_tokens"] for one in _data(_items("claude-code", tmp_path))] == [len("projects/web/s.jsonl")]


def test_labels_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    """A list or an object where a log names session, folder or branch costs the label, never the request."""
    row = json.loads(_message(5)) | {"sessionId": ["s"], "cwd": {"a": 1}, "gitBranch": 7, "version": "2.0"}
    (tmp_path / "odd.jsonl").write_text(json.dumps(row) + "\n")
    (told,) = _data(_items("claude-code", tmp_path))
    assert {"session", "project", "tags"} & told.keys() == set()
    assert (told["output_tokens"], told["user_agent"]) == (5, "claude-code/2.0")
