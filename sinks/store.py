"""The door to ClickHouse: clickhouse-connect, its errors translated; server and embedded engine are reached alike.

Laws
1. An error of the driver is a StoreUnavailableError: the step may be repeated, its outcome is unknown.
2. An insert is never sent twice by the driver itself: the body of `insert_arrow` is no bytes object, which is what
   clickhouse-connect would silently send again. A second sending needs a check (see `writer.py`), so it must be ours.
3. What we run in the server carries our name (`query_id`, and `log_comment` where ids are the server's own), so that a
   later life of the sink finds what an earlier one left running.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver import exceptions as driver

from schemas.connection import ClickHouseSettings
from schemas.errors import FatalError, StoreUnavailableError
from sinks.numbers import FAILED, INSERT, ROWS

Setting = str | int
Connect = Callable[[str | None], Any]
INSERT_SETTINGS = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # One insert is one block, whatever its size: a token then covers all of it (clickhouse.md 7a).
    "max_insert_block_size": 1_048_576,
    "min_insert_block_size_rows": 1_048_576,
    "min_insert_block_size_bytes": 0,
    "input_format_null_as_default": 0,
    "parallel_view_processing": 1,
}
FINAL: dict[str, Setting] = {"do_not_merge_across_partitions_select_final": 1}
"""Settings of a query over the ledger FINAL: a partition holds all rows of its events."""
QUIET_WAIT_SEC = 30.0


def connector(settings: ClickHouseSettings) -> Connect:
    """Connects to the server of the settings; with None, in no database of ours."""

    def connect(database: str | None) -> Any:  # noqa: ANN401  clickhouse-connect has no public type for its clients
        return clickhouse_connect.get_client(
            **settings.to_client(),
            database=database,
            connect_timeout=5,
            autogenerate_session_id=False,
            client_name="burnline-sink",
        )

    return connect


@contextmanager
def translated() -> Iterator[None]:
    """The driver's errors are ours.

    Raises: StoreUnavailableError: ClickHouse did not answer, or answered with an error; the outcome is unknown.
            FatalError: the driver refused to send what we asked for (a setting that this user may not set).
    """
    try:
        yield
    except (driver.ProgrammingError, driver.DataError, driver.NotSupportedError) as error:
        raise FatalError(f"clickhouse-connect: {_first_line(error)}") from error
    except driver.Error as error:
        raise StoreUnavailableError(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:500]


class Store:
    """One connection to our database, opened when it is needed; for one thread, whose statements carry `name`."""

    def __init__(self, connect: Connect, database: str, *, name: str = "ledger") -> None:
        self._connect = connect
        self._database = database
        self._client: Any = None
        self.life_id = ""
        """Which life of the sink this is, where that was said (`lives.py`)."""
        self._mine = f"burnline-sink-{database}-{name}-"

    @property
    def database(self) -> str:
        """The database that everything is in."""
        return self._database

    def insert(self, table: str, rows: pa.Table, *, token: str | None = None) -> None:
        """The rows are stored, or were before under this token. Raises: StoreUnavailableError: outcome unknown."""
        settings: dict[str, Any] = dict(INSERT_SETTINGS) | self._name()
        if token is None:
            settings["insert_deduplicate"] = 0
        else:
            settings["insert_deduplication_token"] = token
        began_sec = time.monotonic()
        try:
            with translated():
                self._open().insert_arrow(table, rows, settings=settings)
        except StoreUnavailableError:
            FAILED.add(1, table)
            raise
        INSERT.took(time.monotonic() - began_sec, table)
        ROWS.add(rows.num_rows, table)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None, **settings: Setting) -> list[tuple[Any, ...]]:
        """The rows of a query. Raises: StoreUnavailableError."""
        with translated():
            result = self._open().query(sql, parameters=dict(parameters or {}), settings=settings | self._name())
            return [tuple(row) for row in result.result_rows]

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None, **settings: Setting) -> pa.Table:
        """The rows of a query as Arrow columns. Raises: StoreUnavailableError."""
        with translated():
            return self._open().query_arrow(
                sql, parameters=dict(parameters or {}), settings=settings | self._name(), use_strings=True
            )

    def run(self, sql: str, parameters: Mapping[str, Any] | None = None, **settings: Setting) -> None:
        """The statement is done. Raises: StoreUnavailableError: outcome unknown."""
        with translated():
            self._open().command(
                sql, parameters=dict(parameters) if parameters else None, settings=settings | self._name()
            )

    def quiet(self) -> None:
        """Nothing that this or an earlier sink sent still runs in the server.

        Raises: StoreUnavailableError: something still runs after QUIET_WAIT_SEC.
        """
        mine = {"mine": self._mine}
        running = (
            "SELECT query_id FROM system.processes"
            " WHERE (startsWith(query_id, {mine:String}) OR startsWith(Settings['log_comment'], {mine:String}))"
            " AND query NOT LIKE '%system.processes%' AND query NOT LIKE 'KILL%'"
        )
        until = time.monotonic() + QUIET_WAIT_SEC
        while found := self.rows(running, mine):
            self._kill(str(found[0][0]))
            if time.monotonic() > until:
                raise StoreUnavailableError(f"{len(found)} earlier statements of the sink still run in ClickHouse")
            time.sleep(0.05)

    def _kill(self, query_id: str) -> None:
        """Asked to end; a server that refuses is waited for."""
        try:
            self.run("KILL QUERY WHERE query_id = {id:String} ASYNC", {"id": query_id})
        except StoreUnavailableError:
            return

    def close(self) -> None:
        """The connection is closed."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _open(self) -> Any:  # noqa: ANN401  clickhouse-connect has no public type for its clients
        if self._client is None:
            self._client = self._connect(self._database)
        return self._client

    def _name(self) -> dict[str, str]:
        name = f"{self._mine}{uuid.uuid4().hex[:12]}"
        return {"query_id": name, "log_comment": name}
