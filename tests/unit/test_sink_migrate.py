"""Which migrations are still to be applied."""

from pathlib import Path

import pytest

from schemas.errors import CorruptStateError, FatalError
from sinks.migrate import Migration, migrations, pending

ONE, TWO = Migration(1, "0001_one", "SELECT 1"), Migration(2, "0002_two", "SELECT 2")


def test_what_was_applied_is_not_applied_again() -> None:
    """Only what is not yet there is left to do, in order."""
    assert pending([ONE, TWO], {}) == [ONE, TWO]
    assert pending([ONE, TWO], {1: ONE.content_hash()}) == [TWO]
    assert pending([ONE, TWO], {1: ONE.content_hash(), 2: TWO.content_hash()}) == []


def test_an_applied_migration_that_changed_is_an_error() -> None:
    """The message names the file and says what to do."""
    with pytest.raises(CorruptStateError, match=r"0001_one was applied .* put the change into a new migration"):
        pending([ONE, TWO], {1: "another"})


def test_a_database_of_a_newer_version_is_an_error() -> None:
    """An older sink does not write into tables that it does not know."""
    with pytest.raises(CorruptStateError, match=r"migration 0002, .*upgrade"):
        pending([ONE], {1: ONE.content_hash(), 2: TWO.content_hash()})


def test_numbers_without_gaps(tmp_path: Path) -> None:
    """A forgotten number is refused before anything is applied."""
    (tmp_path / "0001_a.sql").write_text("SELECT 1")
    (tmp_path / "0003_c.sql").write_text("SELECT 1")
    with pytest.raises(FatalError, match=r"without gaps"):
        migrations(tmp_path)
