"""One connection to the engine: it classifies, queries, streams and inserts.

Each handle has its own settings, role and database, and does one thing at a time; any number of them work side by side.
"""

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from deploy.clickhouse.errors import SYNTAX_ERROR, UNKNOWN_EXCEPTION, StatementError
from deploy.clickhouse.reply import from_engine_message
from deploy.clickhouse.rights import WRITER_SETTINGS
from deploy.clickhouse.statement import InsertHead

_HELD = "rows_to_insert"
"""What an insert reads stands in a temporary table of this name until the engine has all of it."""


@dataclass(frozen=True)
class Statement:
    """What the engine's parser says of a text; what it cannot parse is of class UNKNOWN and counts none."""

    query_class: str
    count: int

    @property
    def lasts(self) -> bool:
        """Whether it leaves something in the session: SET, USE, a temporary table; and other statements of control."""
        return self.query_class == "CONTROL"

    @property
    def mutates(self) -> bool:
        """Whether it writes, so that it has no result set."""
        return self.query_class.startswith("MUTATING")


@dataclass(frozen=True)
class Result:
    """A whole result and what it took."""

    data: bytes
    counts: Mapping[str, int]


def quoted(text: str) -> str:
    """The text as a string literal of ClickHouse."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted_name(name: str) -> str:
    """The name as an identifier of ClickHouse."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


class Handle:
    """One connection to the engine, with its own settings, role and database; not for two threads at once."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401  the engine's binding has no types
        self._connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """The handle is closed; its temporary tables are gone."""
        self._connection.close()

    def classify(self, sql: str) -> Statement:
        """What the engine's parser says of the text; nothing runs."""
        found = self._connection.classify_query(_to_bytes(sql), "")
        return Statement(query_class=found["query_class"].name, count=found["statement_count"])

    def canonical(self, sql: str) -> str:
        """The statement as the engine prints it in one line.

        Raises: StatementError: it is not one statement, or not SQL.
        """
        try:
            found = self.query(f"SELECT formatQuerySingleLine({quoted(sql)})", "TSVRaw")
        except StatementError as error:
            # Where our own question is quoted, the rest of the message is about that.
            raise StatementError(error.code, error.message.partition(": In scope SELECT formatQuery")[0]) from error
        return found.data.decode("utf-8", "replace")

    def query(self, sql: str, output_format: str, params: Mapping[str, str] | None = None) -> Result:
        """The whole result of a statement, written in the format unless the statement names one itself.

        Raises: StatementError: the engine refused it or failed.
        """
        try:
            result = self._connection.query(_to_bytes(sql), output_format, params=_to_params(params))
        except RuntimeError as error:
            raise from_engine_message(str(error)) from error
        counts = {
            "read_rows": result.storage_rows_read(),
            "read_bytes": result.storage_bytes_read(),
            "written_rows": result.rows_written(),
            "written_bytes": result.bytes_written(),
            "result_rows": result.rows_read(),
            "result_bytes": result.size(),
            "elapsed_ns": int(result.elapsed() * 1e9),
        }
        return Result(result.bytes(), counts)

    def stream(
        self, sql: str, output_format: str, params: Mapping[str, str] | None = None
    ) -> Generator[bytes, None, None]:
        """The blocks of a SELECT's result as they come; closing the iterator early cancels the query.

        Raises: StatementError: the engine refused it or failed, maybe after some blocks.
        """
        running = None
        try:
            running = self._connection.send_query(_to_bytes(sql), output_format, params=_to_params(params))
            while True:
                block = self._connection.streaming_fetch_result(running)
                if block is None or block.rows_read() == 0:
                    running = None
                    return
                yield block.bytes()
        except RuntimeError as error:
            running = None
            raise from_engine_message(str(error)) from error
        finally:
            if running is not None:
                self._connection.streaming_cancel_query(running)

    def insert(self, head: InsertHead, chunks: Iterable[bytes]) -> Result:
        """The rows of all chunks are stored, one block where the settings allow it; if the chunks raise, none is.

        Raises: StatementError: the engine refused the insert or the data, or could not store them.
        """
        self.query(f"CREATE TEMPORARY TABLE {_HELD} ENGINE = Memory AS {head.table}", "Null")
        try:
            self._hold(head, chunks)
            return self.query(f"{head.sql} SELECT {head.columns} FROM {_HELD}", "Null")  # noqa: S608  the caller's own
        finally:
            self.query(f"DROP TEMPORARY TABLE {_HELD}", "Null")

    def _hold(self, head: InsertHead, chunks: Iterable[bytes]) -> None:
        """The rows of all chunks are in memory, as this session's alone.

        The engine's streamed insert says nothing of what fails once its data have ended (a full disk, too little
        memory, a view that raises), so it never writes where rows are to stay; what is held is counted.
        """
        columns = "" if head.columns == "*" else f" ({head.columns})"
        try:
            insert = self._connection.send_insert(_to_bytes(f"INSERT INTO {_HELD}{columns}"), head.format)
        except RuntimeError as error:
            raise from_engine_message(str(error)) from error
        done = False
        try:
            for chunk in chunks:
                if chunk:
                    self._connection.insert_append(insert, chunk)
            read = self._connection.insert_done(insert).rows_written()
            done = True
        except RuntimeError as error:
            raise from_engine_message(str(error)) from error
        finally:
            if not done:
                _cancel(self._connection, insert)
        held = int(self.query(f"SELECT count() FROM {_HELD}", "TSV").data)  # noqa: S608  a name of ours
        if held != read:
            why = f"a default or a constraint of {head.table} refuses one, or the engine's memory is short"
            raise StatementError(UNKNOWN_EXCEPTION, f"of the insert's {read} rows none is stored: {why}")

    def set(self, settings: Mapping[str, str]) -> None:
        """The settings are in force on this handle.

        Raises: StatementError: one is unknown, malformed or not this role's to change.
        """
        if settings:
            self.query("SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items()), "Null")

    def reset(self, names: Iterable[str]) -> None:
        """The settings of these names are what they were when the handle was new, or the engine's defaults."""
        undo = [f"{name} = {quoted(WRITER_SETTINGS[name]) if name in WRITER_SETTINGS else 'DEFAULT'}" for name in names]
        if undo:
            self.query("SET " + ", ".join(undo), "Null")

    def use(self, database: str) -> None:
        """Names without a database mean this one.

        Raises: StatementError: there is no such database.
        """
        self.query(f"USE {quoted_name(database)}", "Null")


def _cancel(connection: Any, insert: Any) -> None:  # noqa: ANN401
    try:
        connection.insert_cancel(insert)
    except RuntimeError:  # it failed on its own before: there is nothing left to cancel
        return


def _to_bytes(sql: str) -> bytes:
    return sql.encode("utf-8", "surrogateescape")


def _to_params(params: Mapping[str, str] | None) -> dict[str, str]:
    for name, value in (params or {}).items():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise StatementError(SYNTAX_ERROR, f"parameter {name} is not UTF-8") from error
    return dict(params or {})
