"""What `burnline sql` adds to what ClickHouse says."""

import pytest

from deploy.cli.query import _hinted
from deploy.store_client import QueryError


def refused(query: str) -> str:
    """What is said when ClickHouse refuses this query."""
    with pytest.raises(QueryError) as error, _hinted(query):
        raise QueryError("ClickHouse refuses the query: Empty list of columns in projection")
    return str(error.value)


@pytest.mark.parametrize("query", ["SELECT * FROM usage_daily", "select t from burnline.USAGE_DAILY where t = today()"])
def test_a_view_without_its_time_zone_is_explained(query: str) -> None:
    """Whoever leaves out the argument of `usage_daily` reads how it is written, and what ClickHouse said."""
    assert refused(query) == (
        "usage_daily counts days of a time zone: write usage_daily(tz = 'Europe/Berlin'), or take usage_1d_utc"
        " (ClickHouse refuses the query: Empty list of columns in projection)"
    )


def test_a_bridge_without_its_periods_is_explained() -> None:
    """Whoever leaves out the two periods of `spend_bridge` reads how they are written."""
    assert refused("SELECT * FROM spend_bridge").startswith(
        "spend_bridge compares two periods: write spend_bridge(since"
    )


@pytest.mark.parametrize("query", ["SELECT nope FROM usage_daily (tz = 'UTC')", "SELECT nope FROM usage_1d_utc"])
def test_other_errors_are_told_as_they_are(query: str) -> None:
    """No hint where it would not help."""
    assert refused(query).startswith("ClickHouse refuses the query")
