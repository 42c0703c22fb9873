"""New budgets are opened from the ledger against real engines: exactly, once, and whatever the sink dies at."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from schemas.directory import Team
from schemas.internal import MONEY_PAIRS, RATED_SCHEMA
from schemas.money import join_pico_usd, pico_usd
from schemas.periods import day_in, period_in
from schemas.policies import Budget
from tests.sink_world import DAY, SinkWorld, rated_row, wait_for

pytestmark = pytest.mark.real
NOW = DAY + timedelta(hours=15)
POLICIES = ("usage.policies", 0)


Sums = tuple[int, ...]


def budget(name: str, **changes: Any) -> Budget:
    """A budget of acme."""
    return Budget(**{"id": name, "org": "acme", "limit": Decimal(1), **changes})


def rows(first: int, count: int, *, policy_offset: int, end: datetime = NOW) -> list[dict[str, Any]]:
    """Rated events of the last forty days, some unpriced, some of another org."""
    found = []
    for number in range(first, first + count):
        row = rated_row(number, ts=end - timedelta(minutes=number * 97 % 57_600), policy_offset=policy_offset)
        if number % 5 == 0:
            ceiling = Decimal(number + 1).scaleb(-9)
            row |= {"cost_usd": None, "ceiling_cost_usd": ceiling, "pricing_status": "unpriced_model"}
        if number % 11 == 0:
            row |= {"org": "other"}
        if number % 3:
            row |= {"pool": "low" if number % 3 == 1 else "high"}
        found.append(row)
    return found


def batch(some: list[dict[str, Any]]) -> pa.RecordBatch:
    """The rows as rating sends them."""
    return pa.RecordBatch.from_pylist(some, schema=RATED_SCHEMA)


def spent(one: Budget, some: list[dict[str, Any]]) -> dict[tuple[str | None, int], Sums]:
    """By member and start of the period: requests, errors, unpriced, tokens, cost, ceilings; money in pico-USD."""
    found: dict[tuple[str | None, int], Sums] = {}
    for row in some:
        member = row[one.each] if one.each else None
        if row["org"] != one.org or any(row[name] != value for name, value in one.scope.items()):
            continue
        if one.each and member is None:
            continue
        start_us = start_in(one, int(row["ts"].timestamp()) * 1_000_000)
        if start_us is None:
            continue
        key, times = (member, start_us), one.multipliers.get(row.get("pool") or "", 1)
        new = (
            1,
            int(row["status"] == "error"),
            int(row["pricing_status"] != "priced"),
            row["input_tokens"] + row["output_tokens"],
            pico_usd(row["cost_usd"] or Decimal(0)),
            pico_usd(row["ceiling_cost_usd"] or Decimal(0)),
        )
        before = found.get(key, (0,) * len(new))
        found[key] = tuple(a + times * b for a, b in zip(before, new, strict=True))
    return found


def start_in(one: Budget, at_us: int) -> int | None:
    """The start of what is summed together, of a rolling budget the day; None where nothing counts."""
    if one.period == "rolling":
        return day_in(one.timezone, at_us).start_us
    period = period_in(one.calendar(), at_us)
    return None if period is None else period.start_us


def opened(world: SinkWorld, one: Budget) -> dict[tuple[str | None, int], Sums]:
    """The same, as the sink published it."""
    found: dict[tuple[str | None, int], Sums] = {}
    for _, header, message in world.adjustments():
        assert header.kind == "opening"
        for row in message.to_pylist():
            if row["entity_id"] != one.id:
                continue
            start_us = start_in(one, row["bucket_us"])
            if start_us is None:
                continue
            key = (row["member"], start_us)
            tokens = row["input_tokens"] + row["output_tokens"]
            money = (join_pico_usd(row[micro], row[remainder]) for micro, remainder in MONEY_PAIRS)
            new = (row["requests"], row["errors"], row["unpriced_requests"], tokens, *money)
            before = found.get(key, (0,) * len(new))
            found[key] = tuple(a + b for a, b in zip(before, new, strict=True))
    return found


def is_opened(world: SinkWorld, offset: int) -> bool:
    """Whether the sink has said that everything up to this policy offset is opened."""
    said = world.progress().get(POLICIES)
    return said is not None and said.next_offset > offset


@pytest.mark.timeout(300)
def test_an_opening_is_what_was_rated_before_the_budget_once_whatever_dies(world: SinkWorld) -> None:
    """Each budget's opening is the sum of the rows under a lower policy offset, by member and period, sent once.

    Nothing is opened before rating works under the policies on each lane and all that it rated before is stored.
    """
    before = rows(0, 700, policy_offset=0)
    world.send((0, batch(before[:300])), (2, batch(before[300:])))
    assert world.apply(budget("first", limit=Decimal(5)), Team(org="acme", id="team-3", name="Three")) == 0
    budgets = [
        budget("org"),
        budget("teams", each="team", period="week", timezone="America/New_York"),
        budget("agents", each="agent", scope={"model": "o3"}, period="day", timezone="Asia/Kolkata"),
        budget("hour", scope={"team": "team-3"}, period="hour", unit="tokens"),
        budget("none", scope={"team": "nobody"}),
        budget("fiscal", anchor="15", timezone="Asia/Kathmandu", multipliers={"low": 3, "high": 0}),
        budget("once", period="once", starts=NOW.date() - timedelta(days=20), ends=NOW.date() - timedelta(days=3)),
        budget("begun", starts=NOW.date() - timedelta(days=9), roll_over=True),
        budget("rolling", each="team", period="rolling", days=30, timezone="Europe/Berlin"),
    ]
    offset = world.apply(*budgets)
    assert offset == 1
    with world.sink(dies_at="summed, not opened") as process:
        wait_for(world.drained, what="drained")
        world.rating_says(policy_offset=1, log_time=NOW, lanes=(0, 1, 3))
        world.rating_says(policy_offset=0, log_time=NOW, lanes=(2,))
        world.send((1, batch(rows(700, 50, policy_offset=0))))
        world.send((1, batch(rows(750, 50, policy_offset=1))))
        before += rows(700, 50, policy_offset=0)
        wait_for(world.drained, what="drained")
        assert process.poll() is None
        world.rating_says(policy_offset=1, log_time=NOW, lanes=(2,))
        assert process.wait(60) == -9
    assert world.adjustments() == []
    with world.sink(dies_at="opened, not known") as process:
        world.rating_says(policy_offset=1, log_time=NOW)
        assert process.wait(60) == -9
    with world.sink():
        world.rating_says(policy_offset=1, log_time=NOW)
        world.send((1, batch(rows(800, 10, policy_offset=1))))
        wait_for(world.drained, what="drained")
    kept = {"hour": timedelta(hours=49), "day": timedelta(hours=49), "week": timedelta(days=14)}
    kept["rolling"] = timedelta(days=29)
    for one in budgets:
        kept_us = int((NOW - kept.get(one.period, timedelta(days=31))).timestamp()) * 1_000_000
        first_us = start_in(one, kept_us) or 0
        wanted, found = spent(one, before), opened(world, one)  # older periods are closed for good
        assert {key: sums for key, sums in found.items() if key[1] >= first_us} == {
            key: sums for key, sums in wanted.items() if key[1] >= first_us
        }, one.id
    assert opened(world, budget("hour", period="hour")) != {}
    assert [header.opened for _, header, _ in world.adjustments()] == [1]
    assert world.ask("SELECT entity_id, name, requests > 0 FROM entities WHERE in_directory") == [
        ("team-3", "Three", True)
    ]  # the same changes say who is who


def test_a_budget_on_an_empty_ledger_is_opened_by_an_empty_message(world: SinkWorld) -> None:
    """On an idle stack one empty message opens a budget soon after rating works under it; a new limit opens nothing."""
    with world.sink():
        wait_for(lambda: world.logged_count("storing") == 1, what="the sink stores")
        offset = world.apply(budget("a"))
        world.rating_says(policy_offset=offset)
        wait_for(lambda: is_opened(world, offset), what="opened")
        offset = world.apply(budget("a", limit=Decimal(7)))
        world.rating_says(policy_offset=offset)
        wait_for(lambda: is_opened(world, offset), what="opened again")
    said = [(header.kind, header.opened, rows.num_rows) for _, header, rows in world.adjustments()]
    assert said == [("opening", 0, 0), ("opening", 1, 0)]
