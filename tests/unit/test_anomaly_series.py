"""What `burnline explain` draws of an anomaly."""

from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.anomaly_series import MOST_STEPS, Around, around, lines, series
from sinks.anomaly_questions import spent_by_step

AT = datetime(2026, 11, 23, 4, 2, 10, tzinfo=UTC)


def fired(**over: Any) -> dict[str, Any]:
    """A spike as the view has it."""
    evidence = {"since": "2026-11-23T03:59:00.000000Z", "expected": "2.1"}
    row = {"rule": "spike", "entity_type": "agent", "entity_id": "bot", "org": "acme", "at": AT, "threshold": "8"}
    return {**row, "evidence": evidence, **over}


def later(fired: dict[str, Any], *transitions: dict[str, Any]) -> Around | None:
    """What is shown when somebody looks a month later."""
    return around(fired, transitions, now=AT + timedelta(days=30))


def test_spending_is_drawn_from_before_it_began_until_after_it_was_said_last() -> None:
    """Minutes, idle ones too; the bar of each reaches as far as its share of the most, what is told has a mark."""
    window = later(fired(), fired())
    assert window is not None
    assert (window.step_sec, (window.until_us - window.since_us) // 60_000_000) == (60, 34)
    rows = [
        {"t": int(AT.timestamp()) // 60 * 60 - 60 * back, "usd": usd} for back, usd in ((0, 1.0), (1, 0.5), (9, 0.1))
    ]
    told = series(window, fired(), rows)
    assert [step["usd_per_hour"] for step in told["steps"] if step["usd_per_hour"]] == [6.0, 30.0, 60.0]
    drawn = list(lines(told))
    assert len(drawn) == 35
    assert drawn[0] == "USD/h, each 1 min; | expected 2.10, . not told up to 8.00"
    [dear] = [line for line in drawn if "04:02" in line]
    assert dear == f"2026-11-23 04:02  #|{'#' * 48}      60.00 <"
    assert [line for line in drawn if "03:40" in line] == [f"2026-11-23 03:40  .|.....{' ' * 43}       0.00"]


def test_long_anomalies_have_longer_steps() -> None:
    """Never more than so many lines; of those that last for days the newest."""
    for hours, step_sec in ((2, 300), (9, 900), (40, 3600), (400, 3600)):
        window = later(fired(), fired(), fired(at=AT + timedelta(hours=hours)))
        assert window is not None
        assert window.step_sec == step_sec
        assert (window.until_us - window.since_us) // (step_sec * 1_000_000) <= MOST_STEPS


def test_what_is_found_call_by_call_is_drawn_without_a_band() -> None:
    """A run has no usual rate, and its threshold is no rate at all: bars alone, and no mark."""
    run = fired(rule="runaway", entity_type="run", threshold="0.25")
    window = later(run, run)
    assert window is not None
    told = series(window, run, [{"t": int(AT.timestamp()) // 60 * 60, "usd": 1.0}])
    assert (told["expected"], told["told_from"]) == (None, None)
    head, *drawn = lines(told)
    assert head == "USD/h, each 1 min"
    assert [line for line in drawn if "04:02" in line] == [f"2026-11-23 04:02  {'#' * 50}      60.00"]
    assert [line for line in drawn if "04:01" in line] == [f"2026-11-23 04:01  {' ' * 50}       0.00"]


def test_what_is_yet_to_come_is_not_drawn_as_nothing() -> None:
    """Up to now, where that is before ten minutes after it was said last; and up to that, whatever a clock says."""
    for passed_sec, minutes in ((-600, 24), (0, 24), (60, 25), (540, 33), (600, 34), (86_400, 34)):
        window = around(fired(), [fired()], now=AT + timedelta(seconds=passed_sec))
        assert window is not None
        assert (passed_sec, (window.until_us - window.since_us) // 60_000_000) == (passed_sec, minutes)


def test_what_nobody_knows_the_cost_of_is_not_drawn_as_nothing() -> None:
    """A step whose calls all have no known price is null, and says so; one without a call is 0."""
    window = later(fired(rule="unapproved"), fired())
    assert window is not None
    minute = int(AT.timestamp()) // 60 * 60
    told = series(window, fired(rule="unapproved"), [{"t": minute, "usd": None}, {"t": minute + 60, "usd": 1.0}])
    by_minute = {step["t"][11:16]: step["usd_per_hour"] for step in told["steps"]}
    assert (by_minute["04:01"], by_minute["04:02"], by_minute["04:03"]) == (0.0, None, 60.0)
    assert [line for line in lines(told) if "04:02" in line] == [f"2026-11-23 04:02  {' ' * 50}  not known"]


def test_other_alerts_have_no_series() -> None:
    """Budgets, and kinds that events do not name."""
    assert later(fired(rule="threshold"), fired()) is None
    assert later(fired(entity_type="pool"), fired()) is None


def test_names_are_parameters() -> None:
    """A name from outside is never part of the question."""
    evil = "x' OR 1=1 --"
    asked = spent_by_step(org=evil, entity_type="agent", entity_id=evil, since=AT, until=AT, step_sec=60)
    assert evil not in asked.sql
    assert asked.parameters["entity_id"] == evil
