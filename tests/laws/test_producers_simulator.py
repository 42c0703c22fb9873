"""Laws of the simulated day: its ledger is true, its bytes are always the same, and only what is planted stands out."""

import json
import tomllib
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.simulator import Day, simulate, write_day
from producers.simulator.dice import Dice
from producers.simulator.prices import LEAVES
from schemas.errors import InputError
from schemas.money import pico_usd
from schemas.outcomes import decode_outcome
from schemas.policies import Budget
from schemas.usage_codec import decode

END = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SMALL = 4_000
HOUR = timedelta(hours=1)


DIGEST = "b985cfbcd2d3a19b6c74e423c7d0933e1c0cd25acf08b3ff4bd1927ba0b82f28"
"""Of the day of `SMALL` events that ends at `END`; a change that is meant changes it here."""


@lru_cache
def day() -> Day:
    """The day that most laws are told of."""
    return simulate(end=END, events=SMALL)


@lru_cache
def unique() -> tuple[dict[str, Any], ...]:
    """Each event once, as plain JSON, by (source, id)."""
    seen = {(e["source"], e["id"]): e for e in map(json.loads, day().lines)}
    return tuple(seen.values())


def at(event: dict[str, Any]) -> datetime:
    """When the call was made."""
    return datetime.fromisoformat(event["time"])


def naive_cost_pico_usd(data: dict[str, Any], when: datetime) -> int | None:
    """The price of the whole event by genai-prices' own front door."""
    writes_5m, writes_1h = (data.get(f"input_cache_write_{ttl}_tokens", 0) for ttl in ("5m", "1h"))
    usage = Usage(
        input_tokens=data["input_tokens"],
        output_tokens=data["output_tokens"],
        cache_read_tokens=data.get("input_cache_read_tokens", 0),
        cache_write_tokens=writes_5m + writes_1h,
        cache_write_1h_tokens=writes_1h,
        output_reasoning_tokens=data.get("output_reasoning_tokens", 0),
    )
    try:
        price = calc_price(usage, data["model"], provider_id=data["provider"], genai_request_timestamp=when)
    except LookupError:
        return None
    return pico_usd(Decimal(price.total_price))


def test_every_line_passes_the_contract() -> None:
    """Burnline refuses no event of the day, and each has the fields of the ledger's dimensions."""
    for line in day().lines:
        event = decode(line)
        assert event.data.team
        assert event.data.credential
        assert event.data.user or event.data.agent


def test_ledger_equals_a_naive_recount() -> None:
    """Counting the file without repeated (source, id), priced event by event by genai-prices, gives the ledger."""
    totals: Counter[str] = Counter()
    by_team: Counter[str] = Counter()
    for event in unique():
        data = event["data"]
        cost = naive_cost_pico_usd(data, at(event))
        totals["requests"] += 1
        totals["errors"] += data["status"] == "error"
        totals["unpriced_requests"] += cost is None
        totals["cost_pico_usd"] += cost or 0
        by_team[data["team"]] += cost or 0
        completed = decode(json.dumps(event).encode()).data
        for name in ("input_tokens", "output_tokens", *LEAVES):
            totals[name] += getattr(completed, name)
    ledger = day().ledger
    assert dict(totals) == ledger["total"]
    assert dict(by_team) == {team: sums["cost_pico_usd"] for team, sums in ledger["by"]["team"].items()}
    assert ledger["unique_events"] == len(unique())
    assert ledger["events_sent"] == len(day().lines) == len(unique()) + ledger["duplicates"]
    assert ledger["total"]["unpriced_requests"] > 0


@pytest.mark.parametrize("dimension", ["org", "business_unit", "team", "credential", "model", "hour"])
def test_parts_add_up_to_the_whole(dimension: str) -> None:
    """Every event has one org, unit, team, key, model and hour; their sums are the total."""
    ledger = day().ledger
    for name, total in ledger["total"].items():
        assert sum(sums[name] for sums in ledger["by"][dimension].values()) == total


def test_a_copy_is_the_same_bytes_and_comes_later() -> None:
    """About two in a hundred lines come twice, unchanged; about one in a hundred comes more than five minutes late."""
    places = defaultdict(list)
    for place, line in enumerate(day().lines):
        places[line].append(place)
    assert len(places) == len(unique())
    assert {len(found) for found in places.values()} == {1, 2}
    ledger = day().ledger
    assert 0.01 < ledger["duplicates"] / len(unique()) < 0.03
    newest, late = at(json.loads(day().lines[0])), 0
    for line in places:
        newest = max(newest, at(json.loads(line)))
        late += newest - at(json.loads(line)) > timedelta(minutes=6)
    assert 0.5 * ledger["late_events"] < late <= ledger["late_events"]
    assert 0.003 < ledger["late_events"] / len(unique()) < 0.02


def test_the_day_is_the_24_hours_before_its_end() -> None:
    """No event lies outside, and the last one is at most some seconds old at the end."""
    times = sorted(at(event) for event in unique())
    assert END - 24 * HOUR <= times[0] < END - 24 * HOUR + timedelta(minutes=5)
    assert END - timedelta(seconds=60) < times[-1] < END


def test_attempts_of_one_operation_are_one_success_after_refusals() -> None:
    """A retry shares its operation with the refused attempt, which took nothing."""
    operations = defaultdict(list)
    for event in unique():
        operations[event["data"]["operation_id"]].append(event["data"])
    retried = [attempts for attempts in operations.values() if len(attempts) > 1]
    assert retried
    for attempts in retried:
        assert {(a["attempt"], a["status"]) for a in attempts} <= {(1, "error"), (2, "ok")}
        assert all(a["input_tokens"] == 0 for a in attempts if a["status"] == "error")


def test_the_same_arguments_give_the_same_bytes_on_every_machine() -> None:
    """The digest was written on one machine and holds on all."""
    told = day()
    digest = sha256(
        b"\n".join(told.lines + told.outcomes) + json.dumps(told.ledger).encode() + told.budgets_toml.encode()
    ).hexdigest()
    assert digest == DIGEST


def test_budgets_file_says_what_the_ledger_says() -> None:
    """The TOML holds the ledger's budgets, each one a valid policy, and one rule of each kind."""
    policies = tomllib.loads(day().budgets_toml, parse_float=Decimal)
    budgets = [Budget.model_validate(table) for table in policies["budget"]]
    told = day().ledger["budgets"]
    assert [(b.id, b.scope.get("team"), str(b.limit)) for b in budgets] == [
        (t["id"], t["team"], t["limit_usd"]) for t in told
    ]
    assert policies["horizon"] == [{"org": "northwind", "live_horizon": "48h"}]
    assert len(policies["spike_rule"]) == len(policies["shared_credential_rule"]) == 1


def test_a_written_day_is_the_simulated_one(tmp_path: Path) -> None:
    """The four files hold the events in sending order, the outcomes, the ledger and the policies."""
    written = write_day(tmp_path / "new" / "folder", end=END, events=4_000)
    told = day()
    assert written.events.read_bytes().splitlines() == told.lines
    assert written.outcomes.read_bytes().splitlines() == told.outcomes
    assert json.loads(written.ledger.read_text()) == told.ledger == written.truth
    assert written.budgets.read_text() == told.budgets_toml


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"end": datetime(2026, 1, 1)}, "with a zone"),  # noqa: DTZ001  naive on purpose
        ({"end": END, "events": 3_999}, "from 4000"),
        ({"end": datetime(1999, 1, 1, tzinfo=UTC)}, "between 2001"),
    ],
)
def test_impossible_days_are_refused(arguments: dict[str, Any], said: str) -> None:
    """The message says what to give instead."""
    with pytest.raises(InputError, match=said):
        simulate(**arguments)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**64), st.integers(1, 10**9), st.integers(0, 1500))
def test_sizes_are_positive_and_balanced_around_their_median(seed: int, middle: int, spread_milli: int) -> None:
    """No draw is zero or negative, and it stays within 3.5 standard deviations of the logarithm."""
    dice = Dice(seed)
    sizes = [dice.size(middle, spread_milli=spread_milli) for _ in range(40)]
    most = middle * float((Decimal(spread_milli) * 35 / 10_000).exp())
    assert all(1 <= size <= most + 1 for size in sizes)


def test_what_came_of_the_day_cost_what_led_to_it() -> None:
    """Outcomes pass the contract, come after all their calls, and their costs are a naive recount."""
    told = [decode_outcome(line) for line in day().outcomes]
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    by_place = defaultdict(list)
    for event in unique():
        for place in ("run", "session"):
            by_place[place, event["data"].get(place)].append(event)
    for outcome in told:
        led = by_place["run", outcome.data.run] if outcome.data.run else by_place["session", outcome.data.session]
        assert led
        assert max(at(e) for e in led) < outcome.time <= END
        line = sums[outcome.data.outcome_type]
        line[0] += 1
        line[1] += outcome.data.accepted is True
        line[2] += sum(naive_cost_pico_usd(e["data"], at(e)) or 0 for e in led)
    assert {kind: list(line.values()) for kind, line in day().ledger["outcomes"].items()} == sums


def test_the_second_of_two_equal_questions_is_what_is_wasted() -> None:
    """Each fingerprint is asked twice, the second time minutes after the answer; the ledger has what that cost."""
    asked: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in sorted(unique(), key=at):
        if "prompt_fingerprint" in event["data"]:
            asked[event["data"]["prompt_fingerprint"]].append(event)
    seconds = [pair[1] for pair in asked.values() if len(pair) > 1]
    for first, second in (pair for pair in asked.values() if len(pair) > 1):
        answered = at(first) + timedelta(milliseconds=first["data"]["latency_ms"])
        assert timedelta(minutes=2) <= at(second) - answered < timedelta(minutes=6)
    told = day().ledger["planted"]["asked_twice"]
    wasted = sum(naive_cost_pico_usd(e["data"], at(e)) or 0 for e in seconds)
    assert (told["requests"], told["cost_pico_usd"]) == (len(seconds), wasted)
    assert len(seconds) >= 40
