"""The rollups' SQL and the migrations say the same."""

import re

from sinks.migrate import migrations
from sinks.rollups import MEASURES, ROLLUPS
from sinks.statements import statements


def _made() -> set[str]:
    return {" ".join(statement.split()) for migration in migrations() for statement in statements(migration.text)}


def test_the_views_in_the_migrations_are_those_that_repairs_select_by() -> None:
    """A rollup is filled and repaired by one text, so a repair of a healthy rollup finds nothing."""
    made = _made()
    assert [rollup.view for rollup in ROLLUPS if " ".join(rollup.view_sql().split()) not in made] == []


def test_what_expired_is_kept_with_every_key_and_measure_of_its_rollup() -> None:
    """The table of what a rollup has of expired rows has its columns, of the same types, and one more: the expiry."""
    for rollup in ROLLUPS:
        columns = {}
        for table in (rollup.store, rollup.expired):
            [text] = [one for one in _made() if f"CREATE TABLE IF NOT EXISTS {table} (" in one]
            inside = text[text.index("(") + 1 : text.index(") ENGINE")]
            columns[table] = [" ".join(one.split()) for one in re.split(r",(?![^(]*\))", inside)]
        assert columns[rollup.expired] == ["expiry String", *columns[rollup.store]]
        assert [one.split()[0] for one in columns[rollup.store]] == [*rollup.keys, *MEASURES]
