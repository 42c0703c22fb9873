"""How the command line reads what people type, and how it prints what others wrote."""

import csv
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.main import get_command

from deploy.cli import main
from deploy.cli.app import app
from deploy.cli.output import plain
from deploy.cli.replay import spread_sets
from deploy.csv_safe import to_csv
from deploy.moments import moment
from producers.formats import FORMATS
from schemas.errors import InputError

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
HEAVY = ("confluent_kafka", "clickhouse_connect", "pyarrow", "numpy", "pydantic", "faust", "rich.table", "psutil")


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (["a.csv", "--set", "org=acme"], ["a.csv", "--set", "org=acme"]),
        (["a.csv", "--set", "org=acme", "team=code"], ["a.csv", "--set", "org=acme", "--set", "team=code"]),
        (["--set", "org=acme", "a.csv", "b=c"], ["--set", "org=acme", "a.csv", "b=c"]),
        (["--set", "a=1", "b=2", "--speed", "max"], ["--set", "a=1", "--set", "b=2", "--speed", "max"]),
        (["--set", "a=1", "--set", "b=2", "c=3"], ["--set", "a=1", "--set", "b=2", "--set", "c=3"]),
        (["--set", "a=1", "./x=y.csv"], ["--set", "a=1", "./x=y.csv"]),
        (["a.csv", "--set"], ["a.csv", "--set"]),
        (["--set", "--dry-run"], ["--set", "--dry-run"]),
    ],
)
def test_one_set_takes_many_pairs(typed: list[str], read: list[str]) -> None:
    """`--set a=1 b=2` is `--set a=1 --set b=2`; a path is never taken for a pair."""
    assert spread_sets(typed) == read


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("24h", datetime(2026, 11, 21, 9, 30, tzinfo=UTC)),
        ("2w", datetime(2026, 11, 8, 9, 30, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 10, 31, 23, tzinfo=UTC)),
        ("2026-11-01T12:00", datetime(2026, 11, 1, 11, tzinfo=UTC)),
        ("2026-11-01T12:00:00Z", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("2026-11-01T12:00:00+05:30", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_moment_is_read_as_people_mean_it(text: str, at: datetime) -> None:
    """A length of time is before now, a bare date begins in the asked zone, an offset is kept."""
    assert moment(text, now=NOW, zone=ZoneInfo("Europe/Berlin")) == at


@pytest.mark.parametrize("text", ["", "yesterday", "24", "-1h", "2026-13-01", "1y"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    """The refusal names the flag and shows how to write it."""
    with pytest.raises(InputError, match="--until"):
        moment(text, now=NOW, flag="--until")


def test_csv_cells_never_run_and_numbers_stay_numbers() -> None:
    """A cell that a spreadsheet would run gets an apostrophe; negative numbers do not."""
    row = ["=cmd|' /C calc'!A0", "+1-800", "@SUM(A1)", "\tx", "-1.5", "-1e3", "plain", None, "-x", 3, "a,b"]
    printed = next(csv.reader(io.StringIO(to_csv([row]))))
    assert printed == [
        "'=cmd|' /C calc'!A0", "'+1-800", "'@SUM(A1)", "'\tx", "-1.5", "-1e3", "plain", "", "'-x", "3", "a,b",
    ]  # fmt: skip


def test_printed_text_cannot_drive_a_terminal() -> None:
    """Escape sequences and direction marks of names are shown as replacement characters."""
    assert plain("a\x1b[31mred\u202e\nb") == "a\ufffd[31mred\ufffd\nb"


def test_help_imports_nothing_heavy() -> None:
    """`burnline --help` is quick because no command's own imports have run."""
    code = f"import sys, deploy.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its whole name."""
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for child, found in children.items():
        yield from leaves(found, f"{name} {child}")


def test_every_command_has_help_and_examples() -> None:
    """`burnline COMMAND --help` says what it does and shows how to call it by its own name."""
    for name, command in leaves(get_command(app), "burnline"):
        assert command.help, name
        assert name in (command.epilog or ""), name


def test_help_of_replay_lists_every_format() -> None:
    """A format that is added is in the help."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy", "replay", "--help"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"Formats: {', '.join(sorted(FORMATS))}." in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["apply"], 2, "name at least one file"),
        (["apply", "no-such-file.toml"], 1, "cannot read no-such-file.toml"),
        (["no-such-command"], 2, "No such command"),
        (["up", "--kafka-port", "70000"], 1, "a port is a number from 1 to 65535"),
        (["report", "--tz", "Mars"], 2, "IANA time zone"),
        (["report", "--json", "--csv"], 2, "choose one"),
        (["replay", "no-such-format", "x"], 2, "is not known; known are"),
        (["status"], 1, "no stack found here"),
        (["drain"], 1, "no stack found here"),
        (
            ["sql", "SELECT 1 FORMAT JSON"],
            2,
            "leave FORMAT out of the query, and write --format Pretty|",
        ),
    ],
)
def test_failure_is_a_sentence_and_a_code(  # noqa: PLR0913, PLR0917  three fixtures and a row of the table
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    """1 = failed, 2 = asked for wrongly; one sentence on standard error, no trace, and nothing was started."""
    for name in os.environ:
        if name.startswith("BURNLINE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["burnline", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    assert (end.value.code, printed.out) == (code, "")
    assert said in " ".join(printed.err.split())
    assert "Traceback" not in printed.err
    assert not (tmp_path / ".burnline" / "stack.json").exists()
