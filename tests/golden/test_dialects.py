"""What each dialect makes of its cases is the file beside them: the events with their leaves and price, or why none.

A case is a file or a folder in `tests/golden/dialects/FORMAT/`; `CASE.sets.txt` holds its `--set` (else `_SETS`), and
`CASE.expected.jsonl` what comes of it. A change that is meant is written with `BURNLINE_WRITE_GOLDEN=1`, and read in
the diff. Every content field of the cases holds a canary, which no event may hold.
"""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from producers.dialect import Skipped
from producers.formats import FORMATS
from producers.plan import Plan, prepare, read
from producers.stamp import Event, parse_sets
from streams.rating.preview import priced_lines

FOLDER = Path(__file__).parent / "dialects"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CANARY = b"CANARY"
_SETS = ["org=acme", "time=2026-11-22T09:00:00Z"]
_NO_CASE = (".expected.jsonl", ".sets.txt")


def _cases() -> Iterator[Path]:
    for folder in sorted(FOLDER.iterdir()):
        yield from (path for path in sorted(folder.iterdir()) if not path.name.endswith(_NO_CASE))


def _beside(case: Path, suffix: str) -> Path:
    return case.with_name(case.name.split(".")[0] + suffix)


def _plan(case: Path) -> Plan:
    sets = _beside(case, ".sets.txt")
    given = sets.read_text().split() if sets.exists() else _SETS
    return prepare(case.parent.name, [str(case)], now=NOW, sets=parse_sets(given))


def _told(case: Path) -> list[dict[str, Any]]:
    plan = _plan(case)
    items = list(read(plan, now=NOW))
    events = [item for item in items if isinstance(item, Event)]
    append_time_us = int(NOW.timestamp() * 1_000_000)
    lines = iter(list(priced_lines((event.value for event in events), append_time_us=append_time_us)))
    rows: list[dict[str, Any]] = [{"rows": plan.rows, "sent": len(events)}]
    for item in items:
        if isinstance(item, Skipped):
            rows.append({"row": item.row, "skipped": str(item.reason), "message": item.message})
            continue
        pricing = next(lines)["pricing"]
        priced = {name: pricing[name] for name in ("pricing_status", "cost_usd")}
        leaves = {leaf: f"{said['count']} x {said['rate_usd']}" for leaf, said in pricing["leaves"].items()}
        event = json.loads(item.value)
        del event["data"]["import_id"]
        rows.append({"row": item.row, "event": event, "price": {**priced, "leaves": leaves}})
    return rows


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.parent.name}/{case.name}") for case in _cases()])
def test_dialect_reads_its_golden_case(case: Path) -> None:
    """Every call becomes the event, at the price, or is skipped for the reason, that the golden file says."""
    golden = _beside(case, ".expected.jsonl")
    actual = _told(case)
    if os.environ.get("BURNLINE_WRITE_GOLDEN"):
        golden.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in actual))
    assert [json.loads(line) for line in golden.read_text().splitlines()] == actual


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.parent.name}/{case.name}") for case in _cases()])
def test_no_event_holds_content(case: Path) -> None:
    """Text of prompts, answers and errors reaches no event, and no reason for a skipped row."""
    items = list(read(_plan(case), now=NOW))
    assert [
        item for item in items if CANARY in (item.value if isinstance(item, Event) else item.message.encode())
    ] == []


def test_every_dialect_has_golden_cases() -> None:
    """A format without a case is not held to anything; tables and series have theirs in `golden/producers`."""
    tables = {"burnline", "azure-llm", "charges", "servegen"}
    of_usage = {name for name, one in FORMATS.items() if one.topic != "usage.outcomes"}  # see test_outcomes.py
    assert {folder.name for folder in FOLDER.iterdir()} == of_usage - tables
