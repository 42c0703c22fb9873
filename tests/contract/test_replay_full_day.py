"""The simulated day at the demo's size, and of other ends and seeds. Apart from the laws, because it takes seconds."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import Any

import msgspec
import pytest

from producers.simulator import DEFAULT_EVENTS, Day, simulate
from producers.simulator.ledger import cost_pico_usd, leaves_of
from producers.simulator.models import UNPRICED
from tests.contract.replay_concluding import alerts_of

END = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SIZES = [4_000, DEFAULT_EVENTS]


@lru_cache
def day(events: int) -> Day:
    """The day of a size."""
    return simulate(end=END, events=events)


@lru_cache
def unique(events: int) -> tuple[dict[str, Any], ...]:
    """Each event once, as plain JSON, by (source, id)."""
    seen = {(e["source"], e["id"]): e for e in map(msgspec.json.decode, day(events).lines)}
    return tuple(seen.values())


def at(event: dict[str, Any]) -> datetime:
    """When the call was made."""
    return datetime.fromisoformat(event["time"])


@pytest.mark.parametrize("events", SIZES)
def test_the_number_of_events_is_about_what_was_asked(events: int) -> None:
    """Within a tenth."""
    assert abs(len(unique(events)) - events) < events / 10


@pytest.mark.parametrize("events", SIZES)
def test_the_shared_key_is_the_only_shared_one(events: int) -> None:
    """In each of the last two hours nine people use one key from eleven addresses or more; no other has two users."""
    told = day(events).ledger["planted"]["shared_key"]
    users, addresses = defaultdict(set), defaultdict(set)
    for event in unique(events):
        data, hours_left = event["data"], int((END - at(event)) / HOUR)
        users[data["credential"], min(hours_left, 2)].add(data.get("user"))
        addresses[data["credential"], min(hours_left, 2)].add(data["client_address_hash"])
    for hours_left in (0, 1):
        assert len(users[told["credential"], hours_left]) == 9
        assert len(addresses[told["credential"], hours_left]) >= 11
    assert users[told["credential"], 2] == {told["owner"]}
    assert {len(found) for (key, _), found in users.items() if key != told["credential"]} == {1}
    assert max(len(found) for (key, _), found in addresses.items() if key != told["credential"]) <= 2


@pytest.mark.parametrize("events", SIZES)
def test_the_runaway_agent_is_the_only_loop(events: int) -> None:
    """One tool call is repeated hundreds of times until the end, at 10 to 30 times the agent's usual rate."""
    told = day(events).ledger["planted"]["runaway_agent"]
    calls = Counter(event["data"].get("tool_call_hash") for event in unique(events))
    del calls[None]
    assert calls.pop(told["tool_call_hash"]) == told["requests"]
    assert max(calls.values(), default=0) <= 2
    assert 10 <= told["times_usual_rate"] <= 30
    last = max(at(e) for e in unique(events) if e["data"].get("tool_call_hash") == told["tool_call_hash"])
    assert END - last < timedelta(seconds=60)


def _five_minute_costs_usd(entity: str) -> dict[str, list[float]]:
    costs: dict[tuple[str, int], float] = defaultdict(float)
    for event in unique(DEFAULT_EVENTS):
        if entity in event["data"]:
            cost = cost_pico_usd(event["data"], leaves_of(event["data"]), END) or 0
            costs[event["data"][entity], int((at(event) - END) / timedelta(minutes=5))] += cost / 1e12
    found: dict[str, list[float]] = defaultdict(list)
    for (name, _), spent in costs.items():
        found[name].append(spent)
    return found


def test_nobody_else_spends_like_the_runaway() -> None:
    """Against its own median of five minutes, only the runaway (and its key) ever spends 10 times and 5 USD/h more."""
    told = day(DEFAULT_EVENTS).ledger["planted"]["runaway_agent"]
    for entity, expected in (("agent", {told["agent"]}), ("credential", {told["credential"]}), ("user", set())):
        stands_out = {
            name
            for name, costs in _five_minute_costs_usd(entity).items()
            if max(costs) > 10 * median(costs) and (max(costs) - median(costs)) * 12 > 5
        }
        assert stands_out == expected


def test_other_seeds_and_ends_share_no_identity() -> None:
    """Two different days in one stack never look like duplicates of each other."""
    days = [
        day(4_000),
        simulate(end=END, events=4_000, seed=8),
        simulate(end=END + timedelta(microseconds=1), events=4_000),
    ]
    ids = [{(event["source"], event["id"]) for event in map(msgspec.json.decode, told.lines)} for told in days]
    assert len(set.union(*ids)) == sum(map(len, ids))


def test_the_zone_of_the_end_does_not_matter() -> None:
    """The same instant written in another zone is the same day."""
    elsewhere = END.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert simulate(end=elsewhere, events=4_000) == day(4_000)


@pytest.mark.parametrize("end", [END, datetime(2026, 12, 1, 0, 0, tzinfo=UTC), datetime(2026, 12, 1, 3, 0, tzinfo=UTC)])
def test_exactly_one_budget_is_crossed(end: datetime) -> None:
    """The planted team crosses every threshold within the month of the day's end; all others stay far below."""
    told = simulate(end=end, events=4_000).ledger
    assert told["planted"]["over_budget_team"]["budget_id"] == told["budgets"][0]["id"]
    first, *others = told["budgets"]
    assert list(first["crossed"]) == ["0.5", "0.8", "1"]
    times = [datetime.fromisoformat(text) for text in first["crossed"].values()]
    assert all(before <= after for before, after in pairwise(times))
    assert datetime.fromisoformat(first["period_start"]) <= times[0]
    assert times[-1] < end
    assert len(others) == 4
    for budget in others:
        assert budget["crossed"] == {}
        assert budget["spent_pico_usd"] / 1e12 < float(budget["limit_usd"]) / 100


def test_rating_and_burn_name_what_is_planted_and_nobody_else() -> None:
    """One spike (the agent, its key and its team), a shared key, a team over its budget, a model without a price."""
    told = day(DEFAULT_EVENTS)
    planted = told.ledger["planted"]
    alerts = [alert for alert in alerts_of(told) if alert["rule"] != "burn_rate"]
    assert {alert["status"] for alert in alerts} == {"firing"}
    found = sorted((alert["rule"], alert["entity_id"], alert["level"]) for alert in alerts)
    agent, key = planted["runaway_agent"], planted["shared_key"]
    expected = [
        ("shared_credential", key["credential"], "shared"),
        ("spike", agent["agent"], "spike"),
        ("spike", agent["credential"], "spike"),
        ("spike", agent["team"], "spike"),
        *(("threshold", planted["over_budget_team"]["team"], level) for level in ("0.5", "0.8", "1")),
        ("unpriced_model", UNPRICED.name, "unpriced"),
    ]
    assert found == sorted(expected)
