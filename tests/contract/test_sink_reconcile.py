"""Reconciling on request and at night against real engines: what was broken by hand is whole again, and is told."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from schemas.requests import ForgetRequest
from tests.sink_world import SinkWorld, rated_rows, wait_for

pytestmark = pytest.mark.real
START = datetime.combine(datetime.now(UTC).date() - timedelta(days=30), datetime.min.time(), UTC)
SINCE = START.date()
NEXT, UNTIL, LATER = (SINCE + timedelta(days=days) for days in (1, 2, 8))


def rows(first: int, count: int, *, maybe_duplicate: bool = False) -> pa.RecordBatch:
    """Events of long ago, sixty a day."""
    step = timedelta(minutes=24)
    numbers = range(first, first + count)
    return rated_rows(numbers, start=START, step=step, received_at=START, maybe_duplicate=maybe_duplicate)


@pytest.fixture(autouse=True)
def stored(world: SinkWorld) -> None:
    """Three hundred events over three days, and thirty late copies, stored by a sink that does nothing at night."""
    world.send((0, rows(0, 150)), (2, rows(150, 150)))
    with world.sink(reconcile_hour=-1):
        wait_for(world.drained, what="drained")
        world.send((1, rows(0, 30, maybe_duplicate=True)), counted=False)
        wait_for(world.drained, what="drained")


def broken_rollup(world: SinkWorld) -> None:
    """A rollup says more than the ledger on the first day."""
    world.command(f"INSERT INTO usage_15m_store (t, org, requests, cost_usd) VALUES ('{SINCE} 10:00:00', 'x', 5, 7)")


def runs(world: SinkWorld) -> list[tuple[Any, ...]]:
    """Each run: id, reason, state, days, days that were unequal, events compared, events stored again."""
    return world.ask(
        "SELECT reconciliation_id, reason, state, days, days_unequal, events_compared, events_restored"
        " FROM reconciliations WHERE kind = 'run' ORDER BY at"
    )


def done(world: SinkWorld, run_id: str) -> bool:
    """Whether the run has ended."""
    return any(run[0] == run_id and run[2] != "running" for run in runs(world))


@pytest.mark.timeout(300)
def test_a_request_repairs_rollups_and_lost_events_and_says_so(world: SinkWorld) -> None:
    """Wrong and missing rows are mended on the days asked for; a second run finds nothing; naive sums are right."""
    broken_rollup(world)
    lost = "id IN ('call-3', 'call-70', 'call-299')"  # on the first two days, and one on the last
    world.command(f"ALTER TABLE usage_events_store DELETE WHERE {lost} SETTINGS mutations_sync = 1")
    assert set(world.wrong_views()) >= {"usage_events", "usage_15m"}
    with world.sink(reconcile_hour=-1):
        world.request_reconcile("first", since=SINCE, until=UNTIL)
        wait_for(lambda: done(world, "first"), what="the first run")
        assert world.sums("usage_events")[0] == 299
        world.request_reconcile("second", since=SINCE, until=LATER)
        world.request_reconcile("third", since=SINCE, until=LATER)
        wait_for(lambda: done(world, "third"), what="the third run")
    assert world.wrong_views() == {}
    assert runs(world) == [
        ("first", "request", "done", 2, 2, 270, 2),
        ("second", "request", "done", 3, 1, 330, 1),
        ("third", "request", "done", 3, 0, 330, 0),
    ]
    found = world.ask(
        "SELECT reconciliation_id, toString(day), rollup, requests_ledger - requests_before, rows_repaired > 0"
        " FROM reconciliations WHERE kind = 'difference' ORDER BY at, day, rollup"
    )
    assert found[0] == ("first", str(SINCE), "usage_15m", -6, True)  # five too many, and the event stored again
    assert ("first", str(NEXT), "usage_events", 1, True) in found
    assert {row[0] for row in found} == {"first", "second"}
    assert world.progress()["internal.requests", 0].next_offset == 3


@pytest.mark.timeout(300)
def test_a_missed_night_is_made_up_at_start_once(world: SinkWorld) -> None:
    """A sink that was down at the hour compares what was touched since; the next start has nothing to make up."""
    broken_rollup(world)
    for _ in range(2):
        with world.sink(reconcile_hour=datetime.now(UTC).hour):
            wait_for(lambda: bool(runs(world)) and runs(world)[-1][2] == "done", what="the nightly run")
            world.request_reconcile("x", since=SINCE, until=SINCE)
            wait_for(lambda: done(world, "x"), what="a request after the night")
    assert world.wrong_views() == {}
    assert [run[1:] for run in runs(world) if run[0] != "x"] == [("nightly", "done", 4, 1, 330, 0)]


@pytest.mark.timeout(300)
def test_a_user_is_forgotten_on_request_and_nonsense_is_passed_over(world: SinkWorld) -> None:
    """What nobody can read is one error line. A dry run only counts; then no table names the user, and sums stay.

    Asked again there is nothing to forget, and nothing to reconcile.
    """
    world.produce("internal.requests", b"nonsense")
    asked = ForgetRequest(request_id="", org="acme", user="user-7", pseudonym="forgotten:1", budgets=())
    with world.sink(reconcile_hour=-1):
        for name in ("count", "forget", "again"):
            world.request(msgspec.structs.replace(asked, request_id=name, dry_run=name == "count"))
        wait_for(lambda: done(world, "again"), what="all three")
    assert world.logged_count("a request that cannot be read is passed over") == 1
    messages = dict(world.ask("SELECT reconciliation_id, message FROM reconciliations WHERE kind = 'run'"))
    counted, forgotten, again = (json.loads(messages[name]) for name in ("count", "forget", "again"))
    assert counted == forgotten
    assert (counted["usage_events_store"] > 0, set(again.values())) == (True, {0})
    assert world.wrong_views() == {}
    users = "SELECT user, count() FROM usage_events WHERE user IN ('user-7', 'forgotten:1') GROUP BY user"
    assert world.ask(users) == [("forgotten:1", counted["usage_events_store"])]
