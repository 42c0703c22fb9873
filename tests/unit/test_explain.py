"""`burnline explain`: which window and baseline an alert has, by which policy it was judged, and what is printed."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deploy.alert_subject import Subject, against, subject_of
from deploy.bridging import PricesThen, notes
from deploy.cli.explain import subject_from
from deploy.explaining import fired_by, one_alert
from deploy.policy_log import Logged
from deploy.policy_then import key_of_alert, policy_then
from schemas.errors import InputError
from schemas.policies import Budget, BudgetIncrease, Key, OnePolicy, PolicyChange
from sinks.bridge_questions import FILTERS, Span, charges_between, drivers_of, sums_between
from streams.bridge.bridge import bridge
from streams.rating.price_rules import Prices
from tests.laws.rating_events import BOOK
from tests.unit.test_bridge_pricing import DEAL

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
NOW = datetime(2026, 11, 22, 9, 15, 4, tzinfo=UTC)
MONTHLY = Budget(id="code-monthly", org="acme", scope={"team": "code"}, limit=Decimal(1000))
KEY = ("budget", "acme", "code-monthly")


def alert(name: str, **changes: Any) -> dict[str, Any]:
    """The golden alert of that name, as a row of `alert_events`: times without a zone, no number missing."""
    row: dict[str, Any] = json.loads((EXAMPLES / f"alert.{name}.json").read_text())["data"]
    row |= {field: row[field] or "" for field in ("budget_id", "member", "owner", "runbook_url")}
    for field in ("at", "opened_at", "period_start", "period_end"):
        row[field] = datetime.fromisoformat(row[field]).replace(tzinfo=None) if row[field] else None
    return row | {field: Decimal(row[field]) for field in ("value", "threshold")} | changes


def subject(row: dict[str, Any], budget: Budget | None = None) -> Subject:
    """What the alert is about: it is about something."""
    found = subject_of(row, budget)
    assert found is not None
    return found


def day(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_running_period_is_held_against_as_much_of_the_one_before() -> None:
    """Of a month that is 21 days old: the first 21 days of the month before; no more than that month has."""
    row = alert("budget_threshold", at=NOW, period_start=day("2026-11-01"), period_end=day("2026-12-01"))
    found = subject(row, MONTHLY)
    assert found.filters["org"] == "acme"
    assert found.filters["team"]
    assert found.span == Span(day("2026-11-01"), NOW)
    (baseline,) = found.baselines
    assert baseline.span == Span(day("2026-10-01"), day("2026-10-22T09:15:04"))
    dates = {"at": day("2026-03-31T12:00"), "period_start": day("2026-03-01"), "period_end": day("2026-04-01")}
    march = alert("budget_threshold", **dates)
    assert subject(march, MONTHLY).baselines[0].span == Span(day("2026-02-01"), day("2026-03-01"))
    assert found.with_charges


def test_a_period_that_is_over_is_held_against_all_of_the_one_before() -> None:
    """Months of 30 and 31 days, in the budget's own time zone and from its anchor; a one-off has none before it."""
    berlin = MONTHLY.model_copy(update={"timezone": "Europe/Berlin", "anchor": "15"})
    bounds = {"period_start": day("2026-10-14T22:00:00"), "period_end": day("2026-11-14T23:00:00")}
    found = subject(alert("budget_threshold", rule="commitment", at=NOW, **bounds), berlin)
    assert found.span == Span(bounds["period_start"], bounds["period_end"])
    assert found.baselines[0].span == Span(day("2026-09-14T22:00:00"), day("2026-10-14T22:00:00"))
    for unknown in (None, MONTHLY.model_copy(update={"period": "once"})):
        once = subject(alert("budget_threshold", at=NOW, **bounds), unknown)
        assert once.baselines[0].span.until == bounds["period_start"]
        assert once.baselines[0].what == "as much time right before"


def test_rolling_days_are_held_against_the_days_before_them() -> None:
    """Seven days with today among them, in the budget's time zone; the baseline ends at the same time of day."""
    rolling = MONTHLY.model_copy(update={"period": "rolling", "days": 7, "timezone": "Europe/Berlin"})
    found = subject(alert("budget_threshold", at=NOW, period_start=None, period_end=None), rolling)
    assert found.span == Span(day("2026-11-15T23:00:00"), NOW)
    assert found.baselines[0].span == Span(day("2026-11-08T23:00:00"), NOW - timedelta(days=7))


def test_other_windows_are_held_against_a_week_before_first() -> None:
    """A rung's long window, a spike's hour: then a day before, then right before; charges are in no window."""
    found = subject(alert("budget_burn_rate", at=NOW), MONTHLY)
    seconds = timedelta(seconds=int(alert("budget_burn_rate")["evidence"]["long_window_sec"]))
    assert found.span == Span(NOW - seconds, NOW)
    assert [one.span.since for one in found.baselines] == [
        NOW - seconds - back for back in (timedelta(days=7), timedelta(days=1), seconds)
    ]
    spike = subject(alert("spike", at=NOW))
    assert spike.filters == {"org": "acme", "agent": "review-bot"}
    assert spike.span == Span(NOW - timedelta(hours=1), NOW)
    assert not spike.with_charges
    three_days = subject(alert("budget_burn_rate", at=NOW, evidence={"long_window_sec": "259200"}), MONTHLY)
    assert len(three_days.baselines) == 2, "a day before would overlap"
    assert subject_of(alert("renewal"), None) is None, "a contract has no calls"


def test_peers_are_explained_by_the_weeks_that_were_judged() -> None:
    """They end before the alert does; what they are held against are the weeks before them."""
    judged = {"window_sec": str(28 * 86_400), "until": "2026-11-16T00:00:00.000000Z"}
    peers = subject(alert("spike", at=NOW, rule="peer", topic="alerts.value", evidence=judged))
    assert peers.span == Span(day("2026-10-19"), day("2026-11-16"))
    assert [one.what for one in peers.baselines] == ["as much time right before"]


def test_a_chosen_baseline_is_as_long_as_the_window_and_does_not_reach_into_it() -> None:
    """`--against` says where it begins."""
    span = Span(NOW - timedelta(days=2), NOW)
    assert against(span, NOW - timedelta(days=9)).span == Span(NOW - timedelta(days=9), NOW - timedelta(days=7))
    assert against(span, NOW - timedelta(days=3)).span == Span(NOW - timedelta(days=3), NOW - timedelta(days=2))


def changed(offset: int, hours: int, actor: str, *sets: OnePolicy, removes: tuple[Key, ...] = ()) -> Logged:
    """A change so many hours before now."""
    at = NOW - timedelta(hours=hours)
    change = PolicyChange(
        change_id=str(offset), actor=actor, at=at.isoformat(), files=("budgets.toml",), sets=sets, removes=removes
    )
    return Logged(offset, at, change)


LOG = [
    changed(1, 9, "ana", MONTHLY),
    changed(2, 8, "ben", DEAL),
    changed(3, 7, "chloe", MONTHLY.model_copy(update={"limit": Decimal(500)})),
    changed(4, 6, "dana", BudgetIncrease(id="more", org="acme", budget="code-monthly", amount=Decimal(9), ends=NOW)),
    changed(5, 2, "eve", removes=(KEY,)),
]


def test_the_policy_is_the_one_of_then() -> None:
    """Its limit and who set it, not what came before or after; the increase of then; what happened to it since."""
    then = policy_then(LOG, KEY, NOW - timedelta(hours=3))
    assert then is not None
    said = then.as_json()
    assert (said["limit"], said["policy_offset"], said["changed_by"], said["files"]) == (
        "500", 3, "chloe", ["budgets.toml"]
    )  # fmt: skip
    assert [one["amount"] for one in said["increases"]] == ["9"]
    assert said["changed_again"]["changed_by"] == "eve"
    first = policy_then(LOG, KEY, NOW - timedelta(hours=8))
    assert first is not None
    assert (first.by.change.actor, first.increases, first.later) == ("ana", (), LOG[2])
    assert policy_then(LOG, KEY, NOW - timedelta(days=1)) is None
    assert policy_then(LOG, KEY, NOW) is None
    assert key_of_alert(org="acme", rule="threshold", budget_id="code-monthly") == KEY
    assert key_of_alert(org="acme", rule="spike", budget_id="") == ("spike_rule", "acme", "spike")
    assert key_of_alert(org="acme", rule="unpriced_model", budget_id="") is None


def test_prices_are_those_of_the_version_that_the_ledger_names() -> None:
    """Today's book under the rules of then; a version that nobody kept is said, and the nearest prices stand in."""
    prices = PricesThen(None, LOG)
    deal = Prices(BOOK, [DEAL]).version
    assert prices(deal).version == deal
    assert prices(BOOK.version).version == BOOK.version
    gone = "genai-prices/0.0.1:0123456789ab"
    assert isinstance(prices(gone), Prices)
    assert prices.missing == {gone}
    assert any(gone in note for note in notes({}, bridge({}, {}), missing=prices.missing))


def test_two_costs_that_nobody_knows_are_not_said_to_be_the_same() -> None:
    """A model without a price, yesterday and today: what is known of both is nothing."""
    assert notes({}, bridge({}, {}), missing=()) == ["nothing of a known cost was spent in either"]


def test_an_alert_is_found_by_the_beginning_of_its_id_or_a_sentence_says_why_not() -> None:
    """One, none, several; what explains it is the transition that fired last."""
    firing, over = {"alert_id": "ab1", "status": "firing"}, {"alert_id": "ab1", "status": "resolved"}
    assert one_alert("ab", [firing, over]) == [firing, over]
    assert fired_by([firing, over]) == firing
    assert fired_by([over]) == over
    with pytest.raises(InputError, match="burnline alerts lists them"):
        one_alert("cd", [])
    with pytest.raises(InputError, match="begins the ids of 2 alerts: ab1, ab2"):
        one_alert("ab", [firing, firing | {"alert_id": "ab2"}])


def test_a_period_is_held_against_as_much_time_before_it() -> None:
    """From a week ago until now, of one team; charges count."""
    found = subject_from("7d", None, None, ["team=code", "run=r=1"], now=NOW)
    assert found.filters == {"team": "code", "run": "r=1"}
    assert found.baselines[0].span == Span(NOW - timedelta(days=14), NOW - timedelta(days=7))
    assert found.with_charges


def test_values_are_parameters_and_names_are_from_a_list() -> None:
    """Nothing that a person writes becomes part of a query's text."""
    evil = "x' OR 1 = 1"
    span = Span(NOW - timedelta(days=1), NOW)
    for query in (
        sums_between(span, {"team": evil}, steps=(1, 2)),
        drivers_of("user", before=span, after=span, filters={"team": evil}, falls=True),
        charges_between(span, {"team": evil}),
    ):
        assert evil not in query.sql
        assert query.parameters["f_team"] == evil
    assert "attempt" not in FILTERS
    with pytest.raises(InputError, match="calls are chosen by"):
        sums_between(span, {"1 OR 1": "x"}, steps=())
    with pytest.raises(InputError, match="changes are by"):
        drivers_of("1", before=span, after=span, filters={}, falls=False)
