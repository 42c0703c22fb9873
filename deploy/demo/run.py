"""Runs the demo: a fresh stack, the simulated day through it, and what came out. I/O; the checks are in `checks.py`."""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deploy.apply import Request, apply_files
from deploy.demo.checks import Check, budget_checks, entity_checks, planted_checks, total_checks, value_checks
from deploy.stack.down import stop_stack
from deploy.stack.drain import drain
from deploy.stack.find import Stack
from deploy.stack.layout import layout_at
from deploy.stack.ports import CLICKHOUSE_PORT, KAFKA_PORT, Wanted, is_free
from deploy.stack.record import read_record
from deploy.stack.up import start_stack
from deploy.store_client import rows
from deploy.valuing import valued, wasted
from producers.replay import Progress, prepare, run
from producers.simulator import WrittenDay, write_day
from schemas.errors import FatalError
from sinks import queries

START_SEC = 120.0
DRAIN_SEC = 120.0
JUDGED_SEC = 100.0
"""Anomalies are judged at full minutes, so the last word on the day takes up to that long and a little more."""

Say = Callable[[str], None]
Shown = Callable[[int], AbstractContextManager[Callable[[Progress], None]]]
"""Shows how far a replay of so many rows is, while it runs."""


@dataclass(frozen=True)
class Outcome:
    """What the demo leads to: the stack (running), the day, every check, and the alerts that fire."""

    stack: Stack
    day: WrittenDay
    checks: list[Check]
    alerts: list[dict[str, Any]]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether everything came out as the ledger says."""
        return all(check.passed for check in self.checks)


def run_demo(state_dir: Path, *, events: int, say: Say, shown: Shown) -> Outcome:
    """The stack in `state_dir` runs, started afresh, and the day has gone all the way.

    Raises: FatalError: a part did not become healthy, or the day did not get through in time.
    """
    began = time.monotonic()
    _start_afresh(state_dir, say)
    say("[1/5] starting Kafka, ClickHouse and the workers")
    wanted = Wanted(kafka=None if is_free(KAFKA_PORT) else 0, clickhouse=None if is_free(CLICKHOUSE_PORT) else 0)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BURNLINE_")}
    layout = layout_at(state_dir)
    stack = start_stack(layout, environment, wanted, timeout_sec=START_SEC, say=lambda text: say(f"      {text}")).stack
    day = write_day(layout.root / "day", end=datetime.now(UTC), events=events)
    facts = day.truth
    say(
        f"[2/5] a working day of {facts['org']}: {facts['unique_events']:,} events, "
        f"{facts['duplicates']:,} of them sent twice, {facts['late_events']:,} late"
    )
    _apply(stack, day, say)
    say("[4/5] replaying the day into usage.events")
    plan = prepare("burnline", [str(day.events)], now=datetime.now(UTC), sets={})
    with shown(plan.rows) as show:
        outcome = run(plan, stack.kafka(), now=datetime.now(UTC), on_progress=show)
    say(f"      sent {outcome.sent:,} of {outcome.rows:,} rows, skipped {outcome.skipped_count:,}")
    plan = prepare("outcomes", [str(day.outcomes)], now=datetime.now(UTC), sets={})
    brought = run(plan, stack.kafka(), now=datetime.now(UTC), on_progress=lambda _progress: None)
    say(f"      and {brought.sent:,} outcomes: changes, tickets, leads that came of it")
    say("[5/5] waiting until all of it is rated, judged and stored; anomalies are judged once a minute")
    missing = drain(stack.kafka(), timeout_sec=DRAIN_SEC)
    if missing:
        raise FatalError(f"not through after {DRAIN_SEC:.0f} s: {'; '.join(map(str, missing))}")
    alerts = _judged(stack, day)
    checks = [
        *_sum_checks(stack, day),
        *budget_checks(facts, budgets(stack), alerts),
        *planted_checks(facts, alerts),
        *value_checks(facts, *bought(stack)),
    ]
    return Outcome(stack, day, checks, alerts, time.monotonic() - began)


def _start_afresh(state_dir: Path, say: Say) -> None:
    """What an earlier demo left is gone: the day ends now, so an old one would mix with it."""
    layout = layout_at(state_dir)
    record = read_record(layout)
    if record is not None:
        say(f"removing the earlier demo in {state_dir}")
        stop_stack(Stack(layout, record), drain_sec=0, say=lambda _text: None)
        shutil.rmtree(layout.root)


def _apply(stack: Stack, day: WrittenDay, say: Say) -> None:
    say(f"[3/5] {len(day.truth['budgets'])} budgets and the rules come into force")
    request = Request((day.budgets,), actor="demo")
    applied = apply_files(stack.kafka(), request, now=datetime.now(UTC), timeout_sec=START_SEC)
    if applied.missing:
        raise FatalError(f"the budgets are not in force in: {', '.join(applied.missing)}")


def _sum_checks(stack: Stack, day: WrittenDay) -> list[Check]:
    """Every total of the events and of the rollup, and every team, user, agent and model."""
    settings = stack.clickhouse()
    checks: list[Check] = []
    for view in ("usage_events", "usage_15m"):
        query = queries.totals(view)
        checks += total_checks(day.truth, rows(settings, query.sql, query.parameters)[0], view=view)
    for entity_type in ("team", "user", "agent", "credential"):
        query = queries.top(entity_type, limit=100_000)
        found = {row["entity_id"]: row for row in rows(settings, query.sql, query.parameters)}
        checks += entity_checks(day.truth, found, entity_type=entity_type)
    return checks


def _judged(stack: Stack, day: WrittenDay) -> list[dict[str, Any]]:
    """The alerts, once the planted ones are among them or their time is up."""
    deadline = time.monotonic() + JUDGED_SEC
    while True:
        query = queries.alerts(limit=1000)
        found: list[dict[str, Any]] = rows(stack.clickhouse(), query.sql, query.parameters)
        if all(check.passed for check in planted_checks(day.truth, found)) or time.monotonic() > deadline:
            return found
        time.sleep(1)


def burning(stack: Stack, entity_type: str) -> list[Mapping[str, Any]]:
    """The dearest entities of a type over the last hour."""
    query = queries.burning_now(window_sec=3600, entity_type=entity_type, limit=5)
    return list(rows(stack.clickhouse(), query.sql, query.parameters))


def spent(stack: Stack, entity_type: str) -> list[Mapping[str, Any]]:
    """The entities of a type that cost most over the whole day."""
    query = queries.top(entity_type, limit=5)
    return list(rows(stack.clickhouse(), query.sql, query.parameters))


def budgets(stack: Stack) -> list[Mapping[str, Any]]:
    """How every budget stands now."""
    query = queries.budgets_left(now=datetime.now(UTC))
    return list(rows(stack.clickhouse(), query.sql, query.parameters))


def bought(stack: Stack) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What each type of outcome cost, and the findings of waste, of the last two days."""
    until = datetime.now(UTC) + timedelta(minutes=5)
    since, settings = until - timedelta(days=2), stack.clickhouse()
    units = valued(settings, [], since=since, until=until, filters={})["units"]
    return units, wasted(settings, [], since=since, until=until, filters={})["findings"]


def use_cases(stack: Stack) -> list[Mapping[str, Any]]:
    """Each use case as its quadrant says at the end of the newest week in which it was used."""
    sql = "SELECT * FROM value_quadrants ORDER BY use_case, week DESC LIMIT 1 BY use_case"
    return list(rows(stack.clickhouse(), sql, {}))
