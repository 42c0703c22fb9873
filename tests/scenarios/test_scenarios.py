"""Every folder beside this file that holds an `events.csv` is a story; README.md says how to write one."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from schemas.money import pico_usd
from schemas.policies import ENTITY_TYPES, Budget
from tests.scenarios.burn_log import SEC, BurnLog, PolicyHistory, Row, alerts, as_fields, new_lane, run, us

HERE = Path(__file__).parent
SCENARIOS = sorted(path.parent.name for path in HERE.glob("*/events.csv"))


@dataclass(frozen=True, slots=True)
class Line:
    """A row of `events.csv`, spelled out: one event, or None for a tick."""

    log_us: int
    lane: str
    policy_offset: int
    event: dict[str, str] | None
    event_us: int = 0


def read_policies(folder: Path) -> list[dict[str, Any]]:
    """The changes of `policies.json`, none where there is no such file."""
    path = folder / "policies.json"
    return json.loads(path.read_text()) if path.exists() else []


def read_lines(folder: Path, *, first_policy: int) -> Iterator[Line]:
    """The rows of `events.csv`, repetitions spelled out."""
    policy = first_policy
    with (folder / "events.csv").open(newline="") as file:
        for cells in csv.DictReader(line for line in file if line.strip() and not line.startswith("#")):
            cell = {name: (value or "").strip() for name, value in cells.items()}
            policy = int(cell.get("policy") or policy)
            log_us, lane = us(cell["at"]), cell.get("lane") or "0"
            if not cell.get("event"):
                yield from _ticks(cell, log_us, lane, policy)
                continue
            start_us = us(cell["event"])
            end_us = us(cell["until"]) if cell.get("until") else start_us + 1
            for event_us in range(start_us, end_us, round(float(cell.get("every") or 1) * SEC)):
                moved_us = event_us - start_us if cell.get("log_step") else 0
                yield Line(log_us + moved_us, lane, policy, cell, event_us)


def _ticks(cell: dict[str, str], log_us: int, lane: str, policy: int) -> Iterator[Line]:
    end_us = us(cell["until"]) if cell.get("until") else log_us + 1
    for at_us in range(log_us, end_us, round(float(cell.get("every") or 1) * SEC)):
        yield Line(at_us, lane, policy, None)


def rows_of(line: Line, budgets: Sequence[Budget]) -> Iterator[Row]:
    """The deltas of an event: its org, every entity that it names, every budget that it matches."""
    cell = line.event or {}
    org = cell.get("org") or "acme"
    who = dict(pair.split("=") for pair in cell["who"].split())
    keys: list[tuple[str, str, str | None]] = [("org", org, None)]
    keys += [(kind, name, None) for kind, name in who.items() if kind in ENTITY_TYPES]
    for budget in budgets:
        if budget.org == org and all(who.get(key) == name for key, name in budget.scope.items()):
            member = who.get(budget.each) if budget.each else None
            if not budget.each or member:
                keys.append(("budget", budget.id, member))
    for kind, name, member in keys:
        yield Row(
            org,
            kind,
            name,
            line.event_us,
            cost_pico=pico_usd(Decimal(cell.get("cost_usd") or 0)),
            tokens=int(cell.get("tokens") or 0),
            unpriced=int(bool(cell.get("ceiling_usd"))),
            ceiling_pico=pico_usd(Decimal(cell.get("ceiling_usd") or 0)),
            member=member,
            live=cell.get("live") != "no",
            users=_hashes("user", int(cell.get("users") or 0)) if kind == "credential" else (),
            addresses=_hashes("address", int(cell.get("addresses") or 0)) if kind == "credential" else (),
        )


def _hashes(kind: str, count: int) -> tuple[int, ...]:
    names = (f"{kind}-{number}" for number in range(1, count + 1))
    return tuple(int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") for name in names)


def log_of(folder: Path, policies: PolicyHistory) -> BurnLog:
    """The whole story as a log of `internal.deltas`."""
    lines = list(read_lines(folder, first_policy=min(0, policies.latest()[0])))
    log = BurnLog(lanes=max((int(line.lane) for line in lines if line.lane != "all"), default=0) + 1)
    for (log_us, lane, policy), group in groupby(lines, key=lambda line: (line.log_us, line.lane, line.policy_offset)):
        in_force = policies.at(policy).values() if policy >= 0 else ()
        budgets = [entry.policy for entry in in_force if isinstance(entry.policy, Budget)]
        rows = [row for line in group if line.event is not None for row in rows_of(line, budgets)]
        for number in range(log.lanes) if lane == "all" else (int(lane),):
            log.say(log_us, rows, lane=number, policy_offset=policy)
    return log


@pytest.mark.parametrize("name", SCENARIOS)
def test_story_leads_to_its_alerts(name: str) -> None:
    """Every alert of the story is expected, in order, with the fields that the story is about."""
    folder = HERE / name
    policies = PolicyHistory(read_policies(folder))
    lane = new_lane(policies)
    found = [as_fields(alert) for alert in alerts(run(lane, log_of(folder, policies).records))]
    wanted = [json.loads(line) for line in (folder / "expected_alerts.jsonl").read_text().splitlines() if line.strip()]
    brief = ("at", "status", "rule", "level", "entity_type", "entity_id", "member", "notify", "value")
    told = "\n".join(json.dumps({key: alert[key] for key in brief}) for alert in found)
    assert len(wanted) == len(found), told
    for expected, actual in zip(wanted, found, strict=True):
        assert expected == {key: actual[key] for key in expected}, told


def test_stories_were_found() -> None:
    """The runner looks where the stories are."""
    assert "threshold_ladder" in SCENARIOS
