"""What a person reads of value and waste, and what may be asked."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from deploy.cli.value import show as show_value
from deploy.cli.waste import show as show_waste
from deploy.valuing import per_year, unit
from schemas.errors import InputError
from sinks.value_questions import BY, WASTE_BY, coverage, unit_costs, waste

SINCE, UNTIL = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


def row(**changes: Any) -> dict[str, Any]:
    """A row of the question about unit costs."""
    said: dict[str, Any] = {
        "outcome_type": "merged", "outcomes": 12, "failed": 2, "reverted": 1, "with_cost": 10,
        "succeeded_with_cost": 8, "cost_usd": Decimal(100), "failed_cost_usd": Decimal(20), "squares_usd2": 1100.0,
        "succeeded_usd": 80.0, "with_unpriced": 0, "value_usd": None, "minutes_claimed": None, "minutes_captured": None,
    }  # fmt: skip
    return said | changes


def test_a_line_says_what_a_success_costs_and_how_sure_that_is(capsys: pytest.CaptureFixture[str]) -> None:
    """100 USD for 8 successes are 12.50 each; sums that only lead there are not shown."""
    line = unit(row())
    assert line["cost_per_success_usd"] == Decimal("12.5")
    assert line["cost_per_success_low_usd"] < 12.5 < line["cost_per_success_high_usd"]
    assert "squares_usd2" not in line
    covered = dict.fromkeys(("with_outcome_usd", "without_outcome_usd", "unattributed_usd"), Decimal(50))
    show_value({"by": [], "units": [line], "coverage": covered | {"cost_usd": Decimal(150)}})
    told = capsys.readouterr().out
    assert "12.50" in told
    assert "50.00 USD (33 %) led to an outcome" in told


def test_what_is_not_known_is_a_dash_and_never_zero(capsys: pytest.CaptureFixture[str]) -> None:
    """An outcome without known spend has no price; without outcomes it is said where they come from."""
    line = unit(row(with_cost=0, succeeded_with_cost=0, cost_usd=None, squares_usd2=0.0, succeeded_usd=0.0))
    show_value({"by": [], "units": [line], "coverage": {"cost_usd": None}})
    assert "0.00" not in capsys.readouterr().out
    show_value({"by": [], "units": [], "coverage": {"cost_usd": None}})
    assert "no outcome is known" in capsys.readouterr().out


def test_a_year_is_365_days_like_these() -> None:
    """300 USD in one day are 109,500 USD; what is not proven has no figure."""
    assert per_year(Decimal(300), timedelta(days=1)) == Decimal("109500.00")
    assert per_year(Decimal("0.01"), UNTIL - SINCE) == Decimal("0.12")
    assert per_year(None, timedelta(days=1)) is None
    assert per_year(Decimal(1), timedelta(0)) is None
    assert per_year(Decimal(1), timedelta(milliseconds=500)) == Decimal(63_072_000)


def test_waste_names_its_share_of_the_spend(capsys: pytest.CaptureFixture[str]) -> None:
    """Only what is recoverable is summed."""
    proven = {
        "kind": "duplicate", "evidence": "proven", "events": 3, "cost_usd": Decimal(5), "recoverable_usd": Decimal(5),
        "recoverable_usd_per_year": Decimal(60),
    }  # fmt: skip
    likely = {
        "kind": "missed_prompt_cache", "evidence": "likely", "events": 9, "cost_usd": Decimal(80),
        "recoverable_usd": None, "recoverable_usd_per_year": None,
    }  # fmt: skip
    show_waste({"by": [], "findings": [proven, likely], "spent_usd": Decimal(100)})
    assert "5.00 of 100.00 USD are proven waste (5.0 %)" in capsys.readouterr().out
    show_waste({"by": [], "findings": [], "spent_usd": None})
    assert "nothing was found" in capsys.readouterr().out


def test_people_are_not_ranked_by_cost_or_waste() -> None:
    """Requirement R13: neither question can tell users apart."""
    assert not {"user", "end_user", "credential"} & {*BY, *WASTE_BY}
    for ask in (unit_costs, waste):
        with pytest.raises(InputError, match="--by user"):
            ask(["user"], since=SINCE, until=UNTIL, filters={})
    with pytest.raises(InputError, match="outcomes are chosen by"):
        unit_costs([], since=None, until=None, filters={"user": "ana"})


def test_values_travel_as_parameters() -> None:
    """Whatever stands in a filter or a bound, the text of the question is ours."""
    for asked in (
        unit_costs(["team", "month"], since=SINCE, until=UNTIL, filters={"team": "x' OR 1"}),
        waste(["team"], since=SINCE, until=UNTIL, filters={"team": "x' OR 1"}),
        coverage(since=SINCE, until=UNTIL, filters={"team": "x' OR 1", "outcome_type": "merged"}),
    ):
        assert "x' OR 1" not in asked.sql
        assert asked.parameters == {"f_team": "x' OR 1", "since": SINCE, "until": UNTIL}
