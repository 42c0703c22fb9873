"""What burns now, as texts: nothing from outside becomes part of one, and nobody ranks the people of a company."""

from datetime import UTC, datetime

import pytest

from schemas.errors import InputError
from sinks import burning_questions as questions

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVIL = "x'); DROP TABLE usage_events_store; --"


def test_people_are_asked_for_within_a_team_only() -> None:
    """Burn's rates of users are never asked for; events of users only of a named team."""
    with pytest.raises(InputError, match=r"'user' is not known; allowed are .*team"):
        questions.rates("user", org=None, sort="usd", limit=5)
    with pytest.raises(InputError, match="within a team only: name it with --team"):
        questions.events("user", org=None, team=None, sort="usd", limit=5, end=NOON)
    asked = questions.events("user", org=None, team="code", sort="usd", limit=5, end=NOON)
    assert "v.team = {team:String}" in asked.sql
    assert "user" not in questions.RATED_TYPES + questions.EVENT_TYPES


def test_names_from_outside_must_be_known() -> None:
    """Types of entities and orders come from lists."""
    with pytest.raises(InputError, match="order 'size' is not known"):
        questions.rates("team", org=None, sort="size", limit=5)  # type: ignore[arg-type]  # what a person may type
    for name in (EVIL, "end_user", "session"):
        with pytest.raises(InputError, match="is not known"):
            questions.events(name, org=None, team="a", sort="usd", limit=5, end=NOON)
        with pytest.raises(InputError, match="is not known"):
            questions.past_rates(name, [], end=NOON)
        with pytest.raises(InputError, match="is not known"):
            questions.unpriced(name, [], since=NOON)


def test_values_are_parameters() -> None:
    """No value from outside stands in a text."""
    names = [(EVIL, EVIL)]
    asked = [
        questions.rates("team", org=EVIL, sort="usd", limit=3),
        questions.past_rates("team", names, end=NOON),
        questions.events("run", org=EVIL, team=EVIL, sort="name", limit=3, end=NOON),
        questions.unpriced("team", names, since=NOON),
        questions.unpriced_models(since=NOON, org=EVIL),
        questions.last_used(org=EVIL),
        questions.open_alerts(org=EVIL, limit=3),
    ]
    assert [query.sql for query in asked if "DROP" in query.sql] == []
    assert [query.sql for query in asked if "DROP" not in str(query.parameters)] == []
