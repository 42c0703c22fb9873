"""How a migration file is split into statements."""

import re

import pytest

from sinks.migrate import migrations
from sinks.statements import statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1 -- one; still one\n; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("/* a; b */ SELECT ';' AS x", ["SELECT ';' AS x"]),
        (r"SELECT 'it''s; \'; -- no comment' ; SELECT `a;b`, \"c;d\"", None),
        ("SELECT 'unclosed; SELECT 2", ["SELECT 'unclosed", "SELECT 2"]),
        ("SELECT $x$ a; b $x$; SELECT 2", ["SELECT $x$ a; b $x$", "SELECT 2"]),
        ("# a comment; here\nSELECT 1", ["SELECT 1"]),
        (";;  ;\n-- nothing\n", []),
        ("", []),
    ],
)
def test_only_semicolons_outside_comments_and_quotes_end_a_statement(text: str, expected: list[str] | None) -> None:
    """Comments vanish, quotes stay whole, empty statements are none."""
    if expected is None:
        text = text.replace('\\"', '"')
        expected = [r"SELECT 'it''s; \'; -- no comment'", 'SELECT `a;b`, "c;d"']
    assert statements(text) == expected


def test_every_migration_is_statements_that_may_be_repeated() -> None:
    """Each statement creates, replaces, adds what is not there, or names a codec: running it twice does no harm."""
    allowed = ("CREATE TABLE IF NOT EXISTS", "CREATE MATERIALIZED VIEW IF NOT EXISTS", "CREATE OR REPLACE VIEW")
    harm = r"ADD(?! COLUMN IF NOT EXISTS)|DROP|MODIFY(?! COLUMN \w+ CODEC\()|RENAME|UPDATE|DELETE"
    adds = re.compile(rf"ALTER TABLE \w+\s+(?:(?!{harm}).)*", re.DOTALL)
    found = [statement for migration in migrations() for statement in statements(migration.text)]
    assert found
    repeated = [one for one in found if one.startswith(allowed) or adds.fullmatch(re.sub(r"--[^\n]*", "", one))]
    assert [one[:60] for one in found if one not in repeated] == []
