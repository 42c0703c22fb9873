"""What each format of outcomes makes of its cases is the file beside them: the outcomes, or why none.

`BURNLINE_WRITE_GOLDEN=1` writes what is meant. Every text of the cases holds a canary, which no outcome may hold.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from producers.dialect import Skipped
from producers.formats import FORMATS
from producers.outcome_stamp import TOPIC, check_outcome_set
from producers.plan import prepare, read
from producers.stamp import Event, parse_sets
from schemas.errors import InputError
from schemas.outcomes import decode_outcome

FOLDER = Path(__file__).parent / "outcomes"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CANARY = "CANARY"
CASES = sorted(path for path in FOLDER.rglob("*") if path.is_file() and not path.name.endswith(".expected.jsonl"))


def items(
    path: Path, *sets: str, format_name: str = "", at: Literal["original", "now"] = "original"
) -> list[Event | Skipped]:
    """What a replay of the file sends and skips."""
    given = parse_sets(sets or ["org=acme"], check=check_outcome_set)
    return list(read(prepare(format_name or path.parent.name, [str(path)], now=NOW, sets=given, at=at), now=NOW))


def told(path: Path) -> list[dict[str, Any]]:
    """The same, as the golden file has it."""
    rows: list[dict[str, Any]] = []
    for item in items(path):
        if isinstance(item, Skipped):
            rows.append({"row": item.row, "skipped": str(item.reason), "message": item.message})
            continue
        decode_outcome(item.value)
        event = json.loads(item.value)
        del event["data"]["import_id"]
        rows.append({"row": item.row, "key": item.key.decode(), "event": event})
    return rows


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_outcomes_are_read_as_their_golden_file(case: Path) -> None:
    """Every row becomes the outcomes, or is skipped for the reason, that the golden file says; none holds a text."""
    golden = case.with_name(f"{case.name.split('.')[0]}.expected.jsonl")
    actual = told(case)
    if os.environ.get("BURNLINE_WRITE_GOLDEN"):
        golden.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in actual))
    assert [json.loads(line) for line in golden.read_text().splitlines()] == actual
    assert CANARY not in json.dumps(actual)


def test_every_format_of_outcomes_has_golden_cases() -> None:
    """A format without a case is not held to anything."""
    assert {case.parent.name for case in CASES} == {name for name, one in FORMATS.items() if one.topic == TOPIC}


def test_an_outcome_keeps_its_own_id_unless_time_is_moved() -> None:
    """So that a correction replaces it whatever is set; a shifted replay is another set of outcomes."""
    path = FOLDER / "gitlab" / "deliveries.jsonl"

    def ids(*sets: str, at: Literal["original", "now"] = "original") -> set[str]:
        return {item.id for item in items(path, *sets, at=at) if isinstance(item, Event)}

    assert ids("org=acme") == ids("org=acme", "team=code")
    assert not ids("org=acme") & ids("org=acme", at="now")
    moved = [item for item in items(path, at="now") if isinstance(item, Event)]
    assert max(item.time for item in moved) == NOW


def test_rows_without_a_time_have_the_one_that_is_set(tmp_path: Path) -> None:
    """A scan that says no time is of the time that `--set` says; ids of rows that have none tell settings apart."""
    path = tmp_path / "o.csv"
    path.write_text("outcome_type,task\nviewed,T-1\nviewed,T-1\n")
    sets = ("org=acme", "time=2026-11-22T09:00:00Z")
    found = [item for item in items(path, *sets, format_name="outcomes") if isinstance(item, Event)]
    assert {item.time for item in found} == {NOW - timedelta(hours=3)}
    assert len({item.id for item in found}) == 2
    other = items(path, *sets, "team=ops", format_name="outcomes")
    assert not {item.id for item in found} & {item.id for item in other if isinstance(item, Event)}


def test_a_later_scan_without_a_time_replaces_an_earlier(tmp_path: Path) -> None:
    """What it has fixed is fixed: its revision is as late as the time that is set."""
    path = tmp_path / "scan.sarif"
    revisions = []
    for day, state in ((20, "new"), (21, "absent")):
        result = {"ruleId": "py/x", "baselineState": state}
        path.write_text(json.dumps({"runs": [{"tool": {"driver": {"name": "x"}}, "results": [result]}]}))
        [item] = items(path, "org=acme", f"time=2026-11-{day}T09:00:00Z", format_name="sarif")
        assert isinstance(item, Event)
        revisions.append((item.id, json.loads(item.value)["data"]["revision"]))
    (first, before), (second, after) = revisions
    assert (first == second, before < after) == (True, True)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("accepted=true", "no such text"),
        ("import_id=x", "no such text"),
        ("model=gpt", "no such text"),
        ("time=noon", "write RFC 3339"),
    ],
)
def test_only_texts_of_an_outcome_are_set(said: str, why: str) -> None:
    """What is no text of an outcome is refused before anything is read."""
    with pytest.raises(InputError, match=why):
        parse_sets([said], check=check_outcome_set)
