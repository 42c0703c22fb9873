"""The door to the embedded engine: handles that query, stream and insert for one role.

One process, one engine, one directory. Any number of handles work side by side; one handle does one thing at a time.
The engine's Python package opens an engine in the working directory as soon as it is imported, and reads a `config.xml`
that happens to lie there or in the home directory: `directory.prepare` sees to it that none can, so it must have run.
"""

import re
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from deploy.clickhouse.config import StorageConfig
from deploy.clickhouse.directory import Directory, captured_stderr, why_not_opened
from deploy.clickhouse.errors import SYNTAX_ERROR, StatementError
from deploy.clickhouse.guard import KnownFunctions, known_functions
from deploy.clickhouse.passwords import Role
from deploy.clickhouse.reply import from_engine_message
from deploy.clickhouse.rights import WRITER_SETTINGS, analyst_settings, to_config_xml, to_users_xml
from schemas.errors import CorruptStateError

_PLAIN = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Statement:
    """What the engine's parser says of a text; one that it cannot parse counts as READ_ONLY and fails when it runs."""

    query_class: str
    count: int

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
        return self.query(f"SELECT formatQuerySingleLine({quoted(sql)})", "TSVRaw").data.decode("utf-8", "replace")

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

    def insert(self, sql: str, input_format: str, chunks: Iterable[bytes]) -> Result:
        """The rows of all chunks are stored; if the chunks raise, the insert is cancelled and the error goes on.

        Raises: StatementError: the engine refused the insert or the data.
        """
        try:
            insert = self._connection.send_insert(_to_bytes(sql), input_format)
        except RuntimeError as error:
            raise from_engine_message(str(error)) from error
        done = False
        try:
            for chunk in chunks:
                if chunk:
                    self._connection.insert_append(insert, chunk)
            result = self._connection.insert_done(insert)
            done = True
        except RuntimeError as error:
            raise from_engine_message(str(error)) from error
        finally:
            if not done:
                _cancel(self._connection, insert)
        return Result(b"", {"written_rows": result.rows_written(), "written_bytes": result.bytes_written()})

    def set(self, settings: Mapping[str, str]) -> None:
        """The settings are in force on this handle.

        Raises: StatementError: one is unknown, malformed or not this role's to change.
        """
        if settings:
            self.query("SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items()), "Null")

    def use(self, database: str) -> None:
        """Names without a database mean this one.

        Raises: StatementError: there is no such database.
        """
        self.query(f"USE {quoted_name(database)}", "Null")


class Engine:
    """The open engine; owns the directory until it is closed."""

    def __init__(self, config: StorageConfig, binding: Any, version: str, functions: KnownFunctions) -> None:  # noqa: ANN401
        self._config = config
        self._connect = binding.connect
        self._keeper = binding.connect(str(config.path))  # the engine lives as long as one handle is open
        self.version = version
        self.functions = functions
        self.timezone = Handle(self._keeper).query("SELECT timezone()", "TSVRaw").data.decode().strip()

    def handle(self, role: Role, *, comment: str = "") -> Handle:
        """A new handle with this role's rights and limits; `comment` is found in system.processes as log_comment."""
        settings = analyst_settings(self._config.limits) if role is Role.ANALYST else WRITER_SETTINGS
        options = settings | ({"log_comment": comment} if _PLAIN.fullmatch(comment) else {})
        mode = {"mode": "ro"} if role is Role.ANALYST else {}
        handle = Handle(self._connect(_address(self._config, mode | options)))
        if role is Role.ANALYST:
            handle.query("SET profile = 'analyst'", "Null")
            handle.query("SET ROLE NONE", "Null")
        return handle

    def end_running(self) -> None:
        """Every running statement is told to end."""
        Handle(self._keeper).query("KILL QUERY WHERE query NOT LIKE 'KILL%' ASYNC", "Null")

    def close(self) -> None:
        """The directory is free for another process; no handle may be open any more."""
        self._keeper.close()


def open_engine(config: StorageConfig, directory: Directory) -> Engine:
    """The engine over this prepared directory.

    Raises: SettingsError: another process owns the directory. CorruptStateError: the engine cannot load what is there.
    """
    import chdb  # noqa: PLC0415  importing it opens an engine in the working directory: see above

    binding = chdb._chdb  # noqa: SLF001  the typed classes add result formats that we do not need

    version, functions = _write_configuration(config, directory, binding)
    with captured_stderr() as lines:
        try:
            first = binding.connect(_address(config, {"config-file": str(directory.config_file)}))
        except RuntimeError as error:
            raise why_not_opened(config.path, "".join(lines()) or str(error)) from error
    engine = Engine(config, binding, version, functions)
    first.close()
    with engine.handle(Role.WRITER) as handle:
        if handle.query("SELECT currentRoles()", "TSVRaw").data != b"['writer']\n":
            raise CorruptStateError(f"the engine did not take its rights from {directory.config_file}")
        handle.query(f"CREATE DATABASE IF NOT EXISTS {quoted_name(config.database)}", "Null")
    return engine


def _write_configuration(config: StorageConfig, directory: Directory, binding: Any) -> tuple[str, KnownFunctions]:  # noqa: ANN401
    """The configuration lies in the directory, made for the settings, tables and functions that this engine has."""
    with Handle(binding.connect(":memory:")) as catalogue:

        def names(sql: str) -> list[str]:
            return catalogue.query(sql, "TSVRaw").data.decode().splitlines()

        users = to_users_xml(
            database=config.database,
            views=config.views,
            limits=config.limits,
            settings=names("SELECT name FROM system.settings"),
            system_tables=names("SELECT name FROM system.tables WHERE database = 'system'"),
        )
        pairs = [line.split("\t") for line in names("SELECT name, categories FROM system.functions")]
        functions = known_functions(
            table_functions=names("SELECT name FROM system.table_functions"),
            category_of={pair[0]: pair[-1] for pair in pairs},
        )
        version = names("SELECT version()")[0]
    directory.users_file.write_text(users)
    directory.config_file.write_text(
        to_config_xml(
            users_path=str(directory.users_file),
            backups_path=str(directory.backups),
            memory_bytes=config.memory_bytes,
            query_log=config.query_log,
        )
    )
    return version, functions


def _address(config: StorageConfig, options: Mapping[str, str]) -> str:
    """What the engine's binding connects to. It takes values as they are: `directory.prepare` refuses ? and &."""
    return f"{config.path}?" + "&".join(f"{name}={value}" for name, value in options.items())


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
