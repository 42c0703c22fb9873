"""A report of log files without a stack counts each request once, prices it, and sums exactly."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from deploy.cli.app import app
from deploy.local_lines import Asked, columns_of
from deploy.local_report import LocalReport, local_report
from producers.local import local_rows
from producers.plan import prepare, read
from producers.stamp import Event
from schemas.errors import InputError
from streams.rating.preview import priced_lines
from tests.laws.rating_events import PRICES

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
GOLDEN = Path(__file__).parents[1] / "golden/dialects"


def answer(number: int, at: str, *, tokens: int = 100, model: str = "claude-sonnet-4-20250514") -> dict[str, Any]:
    """A row of Claude Code's log that tells of one answer."""
    usage = {"input_tokens": tokens, "output_tokens": 50, "cache_read_input_tokens": 10}
    return {
        "timestamp": at, "sessionId": f"session-{number % 2}", "cwd": "/srv/ana/shop", "requestId": f"req-{number}",
        "type": "assistant", "message": {"id": f"msg-{number}", "model": model, "usage": usage},
    }  # fmt: skip


def log(folder: Path, rows: Sequence[dict[str, Any]], name: str = "a.jsonl") -> Path:
    """The rows as a log of the folder."""
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def report_of(path: Path, format_name: str = "claude-code", **asked: Any) -> LocalReport:
    """The report of the files at a path."""
    return local_report(local_rows(format_name, [str(path)]), Asked(**asked), PRICES, now=NOW)


def test_rows_that_tell_of_one_request_count_once(tmp_path: Path) -> None:
    """A streamed answer's rows, and copies in another file, are one request; the last row of it counts."""
    rows = [answer(1, "2026-01-09T10:00:00Z", tokens=1), answer(1, "2026-01-09T10:00:01Z", tokens=100)]
    log(tmp_path, rows)
    log(tmp_path, rows, "copy.jsonl")
    found = report_of(tmp_path)
    (line,) = found.lines
    assert (found.calls, line["requests"], line["input_tokens"], found.skipped) == (1, 1, 110, {"repeated": 1})


def test_days_are_those_of_the_zone(tmp_path: Path) -> None:
    """20:00 UTC is the next day in Kolkata; weeks begin on Monday, months on the first."""
    log(tmp_path, [answer(1, "2026-01-31T17:00:00Z"), answer(2, "2026-01-31T20:00:00Z")])
    kolkata = ZoneInfo("Asia/Kolkata")
    days = {period: [str(line["period"]) for line in report_of(tmp_path, period=period, zone=kolkata).lines]
            for period in ("daily", "weekly", "monthly")}  # fmt: skip
    assert days == {
        "daily": ["2026-01-31", "2026-02-01"],
        "weekly": ["2026-01-26"],
        "monthly": ["2026-01-01", "2026-02-01"],
    }


def test_lines_follow_period_and_dimensions(tmp_path: Path) -> None:
    """Sessions have first and last time; dimensions follow the period; total has none."""
    log(tmp_path, [answer(number, f"2026-01-09T1{number}:00:00Z") for number in range(4)])
    (first, second) = report_of(tmp_path, period="session", by=("model", "project")).lines
    assert (first["session"], first["requests"], first["project"]) == ("session-0", 2, "shop")
    assert (first["first_ts"], second["last_ts"]) == (
        datetime(2026, 1, 9, 10, tzinfo=UTC), datetime(2026, 1, 9, 13, tzinfo=UTC)
    )  # fmt: skip
    (total,) = report_of(tmp_path, period="total").lines
    assert list(total) == columns_of(Asked(period="total"))
    assert list(first) == columns_of(Asked(period="session", by=("model", "project")))


def test_bounds_are_half_open(tmp_path: Path) -> None:
    """The first moment counts, the last does not."""
    log(tmp_path, [answer(1, "2026-01-09T10:00:00Z"), answer(2, "2026-01-09T11:00:00Z")])
    since, until = datetime(2026, 1, 9, 10, tzinfo=UTC), datetime(2026, 1, 9, 11, tzinfo=UTC)
    assert report_of(tmp_path, since=since, until=until).calls == 1
    assert report_of(tmp_path, since=until).calls == 1


def test_what_has_no_price_is_told_apart(tmp_path: Path) -> None:
    """Unpriced requests are counted as such and cost nothing known; what they may cost stands beside."""
    log(tmp_path, [answer(1, "2026-01-09T10:00:00Z"), answer(2, "2026-01-09T11:00:00Z", model="northwind-7b")])
    (line,) = report_of(tmp_path).lines
    assert (line["requests"], line["unpriced_requests"], line["priced_to_all_requests_ratio"]) == (2, 1, 0.5)
    assert line["cost_usd"] == Decimal("0.001053")
    assert line["ceiling_cost_usd"] > 0


@pytest.mark.parametrize("format_name", sorted(folder.name for folder in GOLDEN.iterdir()))
def test_a_local_report_sums_what_a_replay_would_send(format_name: str) -> None:
    """Over the golden cases of every dialect: the same requests, tokens and cost as its events in a stack."""
    cases = [case for case in GOLDEN.joinpath(format_name).iterdir()
             if not case.name.endswith((".expected.jsonl", ".sets.txt", "refused.jsonl"))]  # fmt: skip
    for case in sorted(cases):
        sets_file = case.with_name(case.name.split(".")[0] + ".sets.txt")
        given = sets_file.read_text().split() if sets_file.exists() else ["org=acme", "time=2026-11-22T09:00:00Z"]
        sets = dict(pair.split("=", 1) for pair in given)
        events = [item.value for item in read(prepare(format_name, [str(case)], now=NOW, sets=sets), now=NOW)
                  if isinstance(item, Event)]  # fmt: skip
        lines = [line["pricing"] for line in priced_lines(events, append_time_us=int(NOW.timestamp() * 1e6))]
        local = local_report(local_rows(format_name, [str(case)], sets=sets), Asked(period="total"), PRICES, now=NOW)
        cost = sum((Decimal(line["cost_usd"]) for line in lines if line["cost_usd"] is not None), Decimal(0))
        assert (local.calls, cost) == (len(events), local.lines[0]["cost_usd"] if local.lines else 0), case.name


def test_what_is_in_no_line_is_said(tmp_path: Path) -> None:
    """A call that names no session is counted as such where a line is a session; a file of no call says so itself."""
    nameless = {name: value for name, value in answer(1, "2026-01-09T10:00:00Z").items() if name != "sessionId"}
    log(tmp_path, [nameless, answer(2, "2026-01-09T10:00:00Z")])
    found = report_of(tmp_path, period="session")
    assert (found.calls, found.skipped) == (1, {"no_session": 1})
    assert report_of(tmp_path, period="session", until=datetime(2026, 1, 9, tzinfo=UTC)).skipped == {}
    (tmp_path / "a.jsonl").write_text('{"type": "user", "message": {"content": "hello"}}\n')
    said = CliRunner().invoke(app, ["report", "daily", "--local", "claude-code", str(tmp_path)])
    assert (said.exit_code, said.stdout) == (0, "nothing was used\n")
    assert f"nothing in {tmp_path} tells of a call in the format claude-code" in said.stderr


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    """A dimension or format that does not exist is named, with those that do."""
    log(tmp_path, [answer(1, "2026-01-09T10:00:00Z")])
    with pytest.raises(InputError, match="dimension 'colour' is not known; allowed are agent"):
        report_of(tmp_path, by=("colour",))
    with pytest.raises(InputError, match="claude-cod"):
        report_of(tmp_path, "claude-cod")


def test_command_prints_tables_json_and_csv(tmp_path: Path) -> None:
    """The command needs no stack; --json and --csv have all columns."""
    log(tmp_path, [answer(1, "2026-01-09T10:00:00Z"), answer(2, "2026-01-10T10:00:00Z")])
    arguments = ["report", "daily", "--local", "claude-code", str(tmp_path)]
    plain, as_json, as_csv = (
        CliRunner().invoke(app, [*arguments, *more]) for more in ([], ["--json", "--by", "model"], ["--csv"])
    )
    assert [run.exit_code for run in (plain, as_json, as_csv)] == [0, 0, 0]
    assert "2026-01-10" in plain.stdout
    (first, _) = json.loads(as_json.stdout)["rows"]
    assert (first["model"], first["cost_usd"]) == ("claude-sonnet-4-20250514", "0.001053")
    head, *cells = list(csv.reader(io.StringIO(as_csv.stdout)))
    assert (head, len(cells)) == (columns_of(Asked()), 2)
