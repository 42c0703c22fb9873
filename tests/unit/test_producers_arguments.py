"""What a user gives to a replay is taken exactly, or refused with a sentence that says what to change."""

import gzip
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from producers.files import find
from producers.formats import FORMATS, dialect
from producers.pace import due_sec, parse_speed
from producers.plan import prepare, read
from producers.shift import parse_shift
from producers.stamp import Event, parse_sets
from schemas.errors import InputError

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SETS = {"org": "acme", "provider": "openai", "model": "gpt-4o"}
TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("team", "write FIELD=VALUE"),
        ("=x", "write FIELD=VALUE"),
        ("taem=x", "no such field"),
        ("team=", "at least 1 character"),
        ("input_tokens=5", "valid integer"),
        ("status=fine", "'ok', 'error'"),
        ("import_id=x", "every replay makes its own"),
        ("tags.=x", "at least 1 character"),
    ],
)
def test_a_wrong_set_is_refused(text: str, said: str) -> None:
    """Only fields that hold text can be set, within their bounds."""
    with pytest.raises(InputError, match=said):
        parse_sets([text])


def test_sets_are_taken_as_written() -> None:
    """A value may hold an equals sign; tags are named with a dot; the last of two wins."""
    assert parse_sets(["team=a=b", "tags.repo=web", "org=x", "org=y"]) == {
        "team": "a=b",
        "tags.repo": "web",
        "org": "y",
    }


@pytest.mark.parametrize(
    ("text", "shift"),
    [
        ("90s", timedelta(seconds=90)),
        ("-1.5h", timedelta(minutes=-90)),
        ("30d", timedelta(days=30)),
        ("0.000001s", timedelta(microseconds=1)),
    ],
)
def test_a_shift_is_a_number_and_a_unit(text: str, shift: timedelta) -> None:
    """Seconds, minutes, hours and days, to the microsecond."""
    assert parse_shift(text) == shift


@pytest.mark.parametrize("text", ["", "5", "5w", "1e3s", "s", "999999999999d"])
def test_a_wrong_shift_is_refused(text: str) -> None:
    """The message shows how a shift is written."""
    with pytest.raises(InputError, match="--shift"):
        parse_shift(text)


@pytest.mark.parametrize(("text", "speed"), [("max", None), ("1x", 1.0), ("60x", 60.0), ("0.5x", 0.5)])
def test_a_speed_is_a_multiple_or_max(text: str, speed: float | None) -> None:
    """`60x` is sixty times as fast as the events happened."""
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["0x", "fast", "-1x", "60"])
def test_a_wrong_speed_is_refused(text: str) -> None:
    """The message shows how a speed is written."""
    with pytest.raises(InputError, match="max, 1x"):
        parse_speed(text)


def test_pace_follows_event_time() -> None:
    """At 60x an event of one minute later is due one second later; one from before the first is due at once."""
    minute = timedelta(minutes=1)
    assert [due_sec(NOW + gap, first=NOW, speed=60.0) for gap in (minute, -minute)] == [1.0, 0.0]
    assert due_sec(NOW + minute, first=NOW, speed=None) == 0.0


def test_an_unknown_format_lists_the_known_ones() -> None:
    """The message names every format there is."""
    with pytest.raises(InputError, match=", ".join(sorted(FORMATS))):
        dialect("csv")


def test_fields_that_a_format_cannot_know_must_be_set(tmp_path: Path) -> None:
    """The message shows the flags to add."""
    file = tmp_path / "trace.csv"
    file.write_text(TRACE)
    with pytest.raises(InputError, match="add: --set provider=openai model=gpt-4o"):
        prepare("azure-llm", [str(file)], now=NOW, sets={"org": "acme"})


def test_missing_columns_are_named_with_the_file(tmp_path: Path) -> None:
    """A CSV of another kind is refused as a whole, before anything is sent."""
    file = tmp_path / "other.csv"
    file.write_text("TIMESTAMP,Tokens\n2023-11-16 18:17:03,4\n")
    with pytest.raises(InputError, match=r"other\.csv: .*missing: ContextTokens, GeneratedTokens"):
        prepare("azure-llm", [str(file)], now=NOW, sets=SETS)


def test_plain_gz_folder_and_standard_input_are_one_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the bytes come in changes neither the events nor the import id."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "trace.csv").write_text(TRACE)
    (tmp_path / "in" / ".hidden").write_text("not read")
    (tmp_path / "trace.csv.gz").write_bytes(gzip.compress(TRACE.encode()))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TRACE.encode())))
    paths = [str(tmp_path / "in" / "trace.csv"), str(tmp_path / "trace.csv.gz"), str(tmp_path / "in"), "-"]
    plans = [prepare("azure-llm", [path], now=NOW, sets=SETS) for path in paths]
    assert len({planned.import_id for planned in plans}) == 1
    assert len({tuple(item.value for item in read(p, now=NOW) if isinstance(item, Event)) for p in plans}) == 1


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, empty and broken inputs each say which path it is."""
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8b no gzip")
    (tmp_path / "empty").mkdir()
    for path, said in (("nowhere", "does not exist"), ("empty", "a folder without files")):
        with pytest.raises(InputError, match=said):
            find([str(tmp_path / path)])
    with pytest.raises(InputError, match=r"cannot read .*broken\.gz"):
        prepare("burnline", [str(tmp_path / "broken.gz")], now=NOW)
    with pytest.raises(InputError, match="no file was given"):
        find([])


def test_bytes_that_are_not_utf_8_skip_their_row_only(tmp_path: Path) -> None:
    """A row of broken bytes is skipped with its reason, and the rest is read."""
    file = tmp_path / "lines.jsonl"
    good = b'{"time":"2026-11-22T09:15:03Z","org":"acme","provider":"openai","model":"gpt-4o"}\n'
    file.write_bytes(good + b'{"org":"\xff"}\n' + good)
    told = list(read(prepare("burnline", [str(file)], now=NOW), now=NOW))
    assert [getattr(item, "reason", "event") for item in told] == ["event", "invalid_utf8", "event"]


def test_at_now_and_shift_exclude_each_other(tmp_path: Path) -> None:
    """Both together are refused."""
    file = tmp_path / "trace.csv"
    file.write_text(TRACE)
    with pytest.raises(InputError, match="--at now and --shift"):
        prepare("azure-llm", [str(file)], now=NOW, sets=SETS, at="now", shift=timedelta(1))


def test_the_printed_shift_repeats_a_replay_at_another_time(tmp_path: Path) -> None:
    """`--at now` today and `--shift` with what it printed tomorrow are the same import."""
    file = tmp_path / "trace.csv"
    file.write_text(TRACE)
    first = prepare("azure-llm", [str(file)], now=NOW, sets=SETS, at="now")
    later = NOW + timedelta(days=1)
    second = prepare("azure-llm", [str(file)], now=later, sets=SETS, shift=parse_shift(first.shift))
    assert (first.import_id, list(read(first, now=NOW))) == (second.import_id, list(read(second, now=later)))
    assert first.last_time == datetime(2026, 11, 22, 11, 59, 59, 979960, tzinfo=UTC)


def test_an_empty_file_is_a_plan_of_no_rows(tmp_path: Path) -> None:
    """Nothing to replay is not an error."""
    file = tmp_path / "empty.csv"
    file.write_text("")
    planned = prepare("azure-llm", [str(file)], now=NOW, sets=SETS, at="now")
    assert (planned.rows, planned.last_time, planned.shift) == (0, None, "0s")
