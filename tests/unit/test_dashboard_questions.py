"""What Grafana's plugin puts into a panel's SQL is put in: time, steps, organisations."""

from datetime import UTC, datetime, timedelta

import pytest

from deploy.dashboards.asked import Range, asked, range_of

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = Range(NOW - timedelta(days=1), NOW)


@pytest.mark.parametrize(("since", "hours"), [("now-6h", 6), ("now-30d", 720)])
def test_a_dashboard_begins_as_long_ago_as_it_says(since: str, hours: int) -> None:
    """Hours and days, until now."""
    assert range_of(since, now=NOW) == Range(NOW - timedelta(hours=hours), NOW)


@pytest.mark.parametrize(
    ("hours", "at_least_sec", "step_sec"), [(24, 1, 300), (24, 900, 900), (1, 1, 10), (720, 1, 7200)]
)
def test_steps_are_round_and_never_shorter_than_the_panel_wants(hours: int, at_least_sec: int, step_sec: int) -> None:
    """About five hundred points; a view of quarters of an hour is not asked for less."""
    chosen = Range(NOW - timedelta(hours=hours), NOW)
    assert chosen.interval_sec(at_least_sec=at_least_sec) == step_sec


def test_macros_are_filled_in() -> None:
    """Time filters include both ends; a rate divides by the step that it groups by."""
    first, last = int(DAY.since.timestamp()), int(NOW.timestamp())
    sql = "$__timeInterval(t) $__interval_s $__timeFilter(at) $__dateFilter(day)"
    assert asked(sql, DAY, orgs=[]) == (
        "toStartOfInterval(toDateTime(t), INTERVAL 300 second) 300 "
        f"at >= toDateTime({first}) AND at <= toDateTime({last}) "
        f"day >= toDate(toDateTime({first})) AND day <= toDate(toDateTime({last}))"
    )


def test_names_of_organisations_stay_text() -> None:
    """Whatever an organisation is called, it is a string of the list."""
    assert asked("org IN (${org:sqlstring})", DAY, orgs=["a'b", "c\\"]) == r"org IN ('a\'b','c\\')"
