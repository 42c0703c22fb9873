"""Forecasts of budgets: what is asked of the ledger, how its answer becomes a history, and what a person reads."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from deploy.cli.forecast import plain, show, used_up
from deploy.cli.output import json_value
from deploy.forecasting import Told, histories_of, quarter, told
from schemas.errors import InputError
from schemas.policies import Budget
from sinks.budget_history import budget_history
from streams.forecast import Forecast

NOW = datetime(2026, 11, 22, 12, 7, tzinfo=UTC)
UNTIL = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=1)
EVIL = "x'); DROP TABLE usage_events_store; --"


def budget(**changes: Any) -> Budget:
    """A monthly budget of Berlin, changed."""
    return Budget.model_validate({"id": "b", "org": "acme", "limit": 100, "timezone": "Europe/Berlin", **changes})


def steady(values: int, amount: float = 1.0, member: str = "") -> list[dict[str, Any]]:
    """So many quarters of use up to `UNTIL`, as ClickHouse answers: times without a zone are UTC."""
    first = UNTIL.replace(tzinfo=None) - timedelta(minutes=15 * values)
    return [{"member": member, "t": first + timedelta(minutes=15 * n), "amount": amount} for n in range(values)]


def state(**changes: Any) -> dict[str, Any]:
    """A row of the question for budgets that are left, changed."""
    usual = {
        "member": "", "limit": Decimal(100), "spent": Decimal(90), "status": "ok",
        "period_start": datetime(2026, 10, 31, 23), "period_end": datetime(2026, 11, 30, 23),  # noqa: DTZ001  as the driver gives them
    }  # fmt: skip
    return {**usual, **changes}


@pytest.mark.parametrize(
    ("changes", "view", "amount"),
    [
        ({}, "usage_15m", "v.cost_usd"),
        ({"scope": {"team": "code", "model": "m"}, "unit": "requests"}, "usage_15m", "v.requests"),
        ({"each": "team", "unit": "tokens"}, "usage_15m", "v.output_tokens"),
        ({"scope": {"user": "ann"}}, "usage_events", "v.cost_usd"),
        ({"each": "agent", "unit": "requests"}, "usage_events", "sum(1)"),
        ({"multipliers": {"high": 3}}, "usage_events", "transform(toString(v.pool)"),
    ],
)
def test_a_rollup_answers_where_it_can(changes: dict[str, Any], view: str, amount: str) -> None:
    """Fields that the rollup lacks, and pools, are summed over the events; each unit by its own column."""
    asked = budget_history(budget(**changes), since=SINCE, until=UNTIL)
    assert f"FROM {view} AS v" in asked.sql
    assert amount in asked.sql


def test_values_of_a_scope_are_parameters() -> None:
    """Nothing that somebody wrote into a policy stands in the text of the question."""
    asked = budget_history(
        budget(org=EVIL, scope={"team": EVIL}, multipliers={EVIL: 2}, each="user"), since=SINCE, until=UNTIL
    )
    assert "DROP" not in asked.sql
    assert [asked.parameters[name] for name in ("org", "s0", "pools")] == [EVIL, EVIL, [EVIL]]


def test_a_history_goes_by_quarters() -> None:
    """A bound within a quarter would cut a bucket in two."""
    with pytest.raises(InputError, match="quarters of an hour"):
        budget_history(budget(), since=SINCE, until=NOW)
    assert quarter(NOW) == UNTIL


def test_quarters_without_use_are_zero_from_the_first_use_on() -> None:
    """Members share the start: who came later has spent nothing before; nothing is made up before the first."""
    found = histories_of([*steady(4, member="ann"), *steady(2, 3.0, member="bob")], until=UNTIL)
    assert {name: history.amounts.tolist() for name, history in found.items()} == {
        "ann": [1, 1, 1, 1],
        "bob": [0, 0, 3, 3],
    }
    assert {history.start for history in found.values()} == {UNTIL - timedelta(hours=1)}
    assert histories_of([], until=UNTIL) == {}


def line(quarters: int, **changes: Any) -> Told:
    """A budget whose history is so many steady quarters."""
    return told(state(**changes), budget(), histories_of(steady(quarters, 0.1), until=UNTIL).get(""), now=NOW)


def test_a_budget_without_history_has_no_forecast() -> None:
    """What nothing is known of is said so, and is null for scripts."""
    unknown = line(0)
    assert (unknown.forecast, plain(unknown)["forecast"], used_up(unknown)) == (None, None, "-")


def test_a_person_reads_band_chance_and_dates(capsys: pytest.CaptureFixture[str]) -> None:
    """Three weeks of 9.60 a day, ten left of a hundred: over with near certainty, tomorrow by the clock of Berlin."""
    show([line(96 * 21)])
    text = capsys.readouterr().out
    row = next(row for row in text.splitlines() if row.startswith("acme"))
    assert "01 Dec 00:00" in row
    assert "23 Nov 1" in row
    assert "one chance in ten" in text
    known = line(96 * 21).forecast
    assert known is not None
    assert known.p10 > 140
    assert known.reaches_limit_ratio is not None
    assert known.reaches_limit_ratio > 0.9


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [({"spent": Decimal(100)}, "already"), ({"limit": Decimal(100_000)}, "not in this period")],
)
def test_used_up_is_a_phrase(changes: dict[str, Any], phrase: str) -> None:
    """A limit that is reached, or is far away, has no dates."""
    assert used_up(line(96 * 21, **changes)) == phrase


def test_scripts_read_every_field_of_the_forecast() -> None:
    """Amounts are decimal texts and times RFC 3339, under the names of the forecast."""
    known = json.loads(json.dumps(plain(line(96 * 21)), default=json_value))["forecast"]
    assert set(known) == set(Forecast.__dataclass_fields__)
    assert (known["spent"], known["period_end"]) == ("90", "2026-11-30T23:00:00.000000Z")
    assert Decimal(known["p10"]) <= Decimal(known["p50"]) <= Decimal(known["p90"])
