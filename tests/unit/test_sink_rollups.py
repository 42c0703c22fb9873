"""The rollups' SQL and the migrations say the same."""

from sinks.migrate import migrations
from sinks.rollups import ROLLUPS
from sinks.statements import statements


def test_the_views_in_the_migrations_are_those_that_repairs_select_by() -> None:
    """A rollup is filled and repaired by one text, so a repair of a healthy rollup finds nothing."""
    made = {" ".join(statement.split()) for migration in migrations() for statement in statements(migration.text)}
    assert [rollup.view for rollup in ROLLUPS if " ".join(rollup.view_sql().split()) not in made] == []
