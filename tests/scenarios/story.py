"""A folder's story as a log of `internal.deltas`: its policy files and its events; README.md says how to write one."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Any

from deploy.policy_files import PolicyFile, read_policies
from deploy.policy_files.changes import Author, change_between, key_from
from deploy.policy_files.shapes import duration_sec
from schemas.errors import InputError
from schemas.money import pico_usd
from schemas.policies import ENTITY_TYPES, Acknowledgement, Budget
from tests.scenarios.burn_log import SEC, BurnLog, PolicyHistory, Row, us

HERE = Path(__file__).parent
_AUTHOR = Author(actor="story", at=datetime(2026, 1, 1, tzinfo=UTC), files=())
_REMOVE, _ACKNOWLEDGE = "# --remove ", "# --acknowledge "
LEDGER, CORRECTION = "ledger", "correction"
"""Lanes that are none: what an opening brings, and signed rows."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of `events.csv`, spelled out: one event, or None for a tick."""

    log_us: int
    lane: str
    policy_offset: int
    event: Mapping[str, str] | None
    event_us: int = 0


def stories() -> list[str]:
    """The names of all folders that tell a story."""
    return sorted(path.parent.name for path in HERE.glob("*/events.csv"))


def policies_of(folder: Path) -> PolicyHistory:
    """Each `policies*.toml` in order of name is one `burnline apply`; a line `# --remove KIND/ORG/ID` removes.

    A line `# --acknowledge ALERT_ID WHO` is `burnline alerts ack`.

    Raises: PolicyError: a mistake in a file. InputError: a file changes nothing.
    """
    history = PolicyHistory()
    for path in sorted(folder.glob("policies*.toml")):
        before = history.latest()[1]
        content = path.read_bytes()
        lines = content.decode().splitlines()
        removes = [key_from(line.removeprefix(_REMOVE), before) for line in lines if line.startswith(_REMOVE)]
        wanted = () if _only_comments(lines) else read_policies([PolicyFile(path.name, content)])
        acks = [line.removeprefix(_ACKNOWLEDGE).split() for line in lines if line.startswith(_ACKNOWLEDGE)]
        wanted = (*wanted, *(Acknowledgement(org="acme", id=alert_id, by=by) for alert_id, by in acks))
        change = change_between(before, wanted, removes, author=_AUTHOR)
        if change is None:
            raise InputError(f"{path} changes nothing")
        history.append(change.model_dump())
    return history


def _only_comments(lines: Sequence[str]) -> bool:
    return all(line.startswith("#") or not line.strip() for line in lines)


def lines_of(folder: Path, *, first_policy: int) -> Iterator[Line]:
    """The rows of `events.csv`, repetitions spelled out."""
    policy, before_us = first_policy, 0
    with (folder / "events.csv").open(newline="") as file:
        for cells in csv.DictReader(line for line in file if line.strip() and not line.startswith("#")):
            cell = {name: (value or "").strip() for name, value in cells.items()}
            policy = int(cell.get("policy") or policy)
            log_us = before_us = _moment_us(cell["at"], before_us)
            lane = cell.get("lane") or "0"
            if not cell.get("event") and not cell.get("who"):
                yield from _ticks(cell, log_us, lane, policy)
                continue
            start_us = _moment_us(cell.get("event") or "+0s", log_us)
            end_us = _moment_us(cell["until"], start_us) if cell.get("until") else start_us + 1
            for event_us in range(start_us, end_us, _every_us(cell)):
                moved_us = event_us - start_us if cell.get("log_step") else 0
                yield Line(log_us + moved_us, lane, policy, cell, event_us)


def _moment_us(text: str, from_us: int) -> int:
    """A time, or `+5m` or `-2h` from another."""
    if text[0] in "+-":
        return from_us + duration_sec(text[1:]) * SEC * (1 if text[0] == "+" else -1)
    return us(text)


def _every_us(cell: Mapping[str, str]) -> int:
    return round(float(cell.get("every") or 1) * SEC)


def _ticks(cell: Mapping[str, str], log_us: int, lane: str, policy: int) -> Iterator[Line]:
    end_us = _moment_us(cell["until"], log_us) if cell.get("until") else log_us + 1
    for at_us in range(log_us, end_us, _every_us(cell)):
        yield Line(at_us, lane, policy, None)


def rows_of(line: Line, budgets: Sequence[Budget]) -> Iterator[Row]:
    """The deltas of an event: its org, every entity that it names, every budget that it matches."""
    cell = line.event or {}
    org = cell.get("org") or "acme"
    who = dict(pair.split("=") for pair in cell.get("who", "").split())
    keys: list[tuple[str, str, str | None, int]] = []
    if line.lane != LEDGER:
        keys += [("org", org, None, 1), *((kind, name, None, 1) for kind, name in who.items() if kind in ENTITY_TYPES)]
    for budget in budgets:
        if budget.org == org and all(who.get(key) == name for key, name in budget.scope.items()):
            member = who.get(budget.each) if budget.each else None
            if not budget.each or member:
                keys.append(("budget", budget.id, member, budget.multipliers.get(who.get("pool", ""), 1)))
    live = line.lane not in {LEDGER, CORRECTION} and cell.get("live") != "no"
    for kind, name, member, times in keys:
        numbers = {**_numbers(cell, times=times), **_sketches(cell, kind)}
        yield Row(org, kind, name, line.event_us, **numbers, member=member, live=live)


def _numbers(cell: Mapping[str, str], *, times: int) -> dict[str, Any]:
    cost = Decimal(cell.get("cost_usd") or 0)
    once = {
        "cost_pico": pico_usd(cost),
        "tokens": int(cell.get("tokens") or 0),
        "requests": int(cell.get("requests") or (-1 if cost < 0 else 1)),
        "unpriced": int(bool(cell.get("ceiling_usd"))),
        "ceiling_pico": pico_usd(Decimal(cell.get("ceiling_usd") or 0)),
    }
    return {name: number * times for name, number in once.items()}


def _sketches(cell: Mapping[str, str], kind: str) -> dict[str, Any]:
    if kind != "credential":
        return {}
    return {name: _hashes(name, int(cell.get(name) or 0)) for name in ("users", "addresses")}


def _hashes(kind: str, count: int) -> tuple[int, ...]:
    names = (f"{kind}-{number}" for number in range(1, count + 1))
    return tuple(int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") for name in names)


def log_of(folder: Path, policies: PolicyHistory) -> BurnLog:
    """The whole story as a log of `internal.deltas`; where it has a ledger, budgets are open once that was heard."""
    lines = list(lines_of(folder, first_policy=min(0, policies.latest()[0])))
    named = {line.lane for line in lines} - {"all", LEDGER, CORRECTION}
    log = BurnLog(lanes=max(map(int, named), default=0) + 1, opens=LEDGER not in {line.lane for line in lines})
    for (log_us, lane, policy), group in groupby(lines, key=lambda line: (line.log_us, line.lane, line.policy_offset)):
        in_force = policies.at(policy).values() if policy >= 0 else ()
        budgets = [entry.policy for entry in in_force if isinstance(entry.policy, Budget)]
        rows = [row for line in group if line.event is not None for row in rows_of(line, budgets)]
        log.policy_offset = policy
        if lane in {LEDGER, CORRECTION}:
            log.correct(rows, opened=policy if lane == LEDGER else -1)
            continue
        for number in range(log.lanes) if lane == "all" else (int(lane),):
            log.say(log_us, rows, lane=number)
    return log
