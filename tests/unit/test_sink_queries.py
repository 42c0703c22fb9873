"""The questions as texts: nothing from outside becomes part of one."""

from datetime import UTC, datetime

import pytest

from schemas.errors import InputError
from sinks import queries

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ODD = datetime(2026, 11, 22, 12, 7, 3, tzinfo=UTC)
EVIL = "x'); DROP TABLE usage_events_store; --"


@pytest.mark.parametrize("names", [("nonsense",), (EVIL,), ("asserted",), ("team", "id")])
def test_a_name_that_is_not_listed_is_refused(names: tuple[str, ...]) -> None:
    """The message names it and says what is allowed."""
    with pytest.raises(InputError, match=r"allowed are .*team"):
        queries.report(by=names)
    with pytest.raises(InputError, match=r"allowed are"):
        queries.report(filters={name: ["a"] for name in names})


def test_other_names_are_refused_too() -> None:
    """Views, entity types and periods come from lists as well."""
    with pytest.raises(InputError, match=r"usage_15m"):
        queries.totals("usage_events_store")
    with pytest.raises(InputError, match=r"credential"):
        queries.top("session")
    with pytest.raises(InputError, match=r"weekly"):
        queries.report("yearly")  # type: ignore[arg-type]  # what a person may type


def test_values_are_parameters() -> None:
    """No value from outside stands in a text."""
    asked = [
        queries.report(by=["team"], filters={"org": [EVIL]}, tz=EVIL, limit=3),
        queries.totals(filters={"model": [EVIL]}),
        queries.top("team", org=EVIL),
        queries.budgets_left(now=NOON, org=EVIL),
        queries.alerts(status=EVIL, topic=EVIL, org=EVIL, mode=EVIL),
        queries.alert_history(EVIL),
        queries.burning_now(entity_type=EVIL),
    ]
    assert [query.sql for query in asked if "DROP" in query.sql] == []
    assert [query.sql for query in asked if EVIL not in str(query.parameters.values())] == []


@pytest.mark.parametrize(
    ("query", "view"),
    [
        (queries.report(by=["team", "model"], since=NOON), "usage_15m"),
        (queries.report(by=["team"], since=ODD), "usage_events"),
        (queries.report(by=["user"]), "usage_events"),
        (queries.report(filters={"agent": ["a"]}), "usage_events"),
        (queries.report("session"), "usage_events"),
        (queries.top("user", since=NOON), "usage_entities_1h"),
        (queries.top("user", since=ODD), "usage_events"),
    ],
)
def test_a_rollup_answers_where_it_can(query: queries.Query, view: str) -> None:
    """Bounds on bucket edges and stored dimensions are read from a rollup, everything else from the events."""
    assert f"FROM {view} AS v" in query.sql
