"""The tables and views of our database, made by the numbered files in `migrations/`.

Laws
1. A file is applied once; its content's hash is kept. One that changed since is an error, never applied again.
2. Every statement may be repeated (IF NOT EXISTS, OR REPLACE), so a crash between two statements costs nothing, and two
   runs at once do the same work twice instead of half each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from schemas.errors import CorruptStateError, FatalError, StoreUnavailableError
from sinks.statements import statements
from sinks.store import Connect, Store, translated

FOLDER = Path(__file__).parent / "migrations"
RACES = 5
_LOST_RACES = ("ALREADY_EXISTS", "UNKNOWN_TABLE", "DDL", "code: 215")
"""What ClickHouse says where another process makes the same. 215, no aggregate: a view was replaced while a query was
analysed that names it twice, once to group by; the two are different tables then. (Its name is behind the query.)"""
_APPLIED = """
CREATE TABLE IF NOT EXISTS schema_migrations_store
(number UInt32, name String, content_hash String, applied_at DateTime64(6, 'UTC'))
ENGINE = ReplacingMergeTree ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    text: str

    def content_hash(self) -> str:
        """What it must still be after it was applied."""
        return sha256(self.text.encode()).hexdigest()


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """The files by number. Raises: FatalError: a number is missing or there twice."""
    found = [Migration(int(path.name[:4]), path.stem, path.read_text()) for path in sorted(folder.glob("[0-9]*.sql"))]
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise FatalError(f"{folder}: migrations must be numbered 0001, 0002, ... without gaps")
    return found


def pending(known: Sequence[Migration], applied: dict[int, str]) -> list[Migration]:
    """What is still to be applied, from what was applied: number -> content hash.

    Raises: CorruptStateError: an applied file changed, or the database is of a newer Burnline.
    """
    for migration in known:
        if applied.get(migration.number, migration.content_hash()) != migration.content_hash():
            raise CorruptStateError(
                f"migration {migration.name} was applied to this database with another content;"
                " take the file as it was and put the change into a new migration"
            )
    newer = sorted(set(applied) - {migration.number for migration in known})
    if newer:
        raise CorruptStateError(
            f"this database has migration {newer[-1]:04}, which this version does not know; upgrade"
        )
    return [migration for migration in known if migration.number not in applied]


def ensure_database(connect: Connect, database: str) -> None:
    """The database is there.

    Raises: FatalError: it is not, and this user may not create it.
            StoreUnavailableError.
    """
    with translated():
        client = connect(None)
    try:
        with translated():
            there = client.query(
                "SELECT count() FROM system.databases WHERE name = {name:String}", parameters={"name": database}
            ).first_row[0]
        if there:
            return
        try:
            with translated():
                client.command(f"CREATE DATABASE IF NOT EXISTS `{database}`")
        except StoreUnavailableError as error:
            if "ACCESS_DENIED" in str(error) or "Not enough privileges" in str(error):
                raise FatalError(
                    f"database {database} does not exist and this user may not create it;"
                    f" ask an administrator for: CREATE DATABASE {database}"
                ) from error
            raise
    finally:
        client.close()


def migrate(store: Store, known: Sequence[Migration]) -> list[str]:
    """All migrations are applied; the names of those that were not before.

    Raises: CorruptStateError: an applied file changed.
            StoreUnavailableError: repeat the whole.
    """
    store.run(_APPLIED)
    sql = "SELECT number, content_hash FROM schema_migrations_store FINAL"
    applied = {int(number): str(content) for number, content in store.rows(sql)}
    todo = pending(known, applied)
    for migration in todo:
        for statement in statements(migration.text):
            run_in_race(store, statement)
        row = [
            pa.array([migration.number], pa.uint32()),
            pa.array([migration.name]),
            pa.array([migration.content_hash()]),
            pa.array([datetime.now(UTC)], pa.timestamp("us", tz="UTC")),
        ]
        store.insert("schema_migrations_store", pa.table(row, names=["number", "name", "content_hash", "applied_at"]))
    return [migration.name for migration in todo]


def run_in_race(store: Store, statement: str) -> None:
    """The statement is done, also when another process replaces the same view at the same time."""
    for left in reversed(range(RACES)):
        try:
            store.run(statement)
        except StoreUnavailableError as error:
            if left == 0 or not any(name in str(error) for name in _LOST_RACES):
                raise
        else:
            return
