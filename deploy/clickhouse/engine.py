"""The door to the embedded engine: opens it over a directory, and gives out handles with one role's rights.

One process, one engine, one directory.
The engine's Python package opens an engine in the working directory as soon as it is imported, and reads a `config.xml`
that happens to lie there or in the home directory: `directory.prepare` sees to it that none can, so it must have run.
"""

import re
from collections.abc import Mapping
from typing import Any

from deploy.clickhouse.config import StorageConfig
from deploy.clickhouse.directory import Directory, captured_stderr, why_not_opened
from deploy.clickhouse.guard import KnownFunctions, known_functions
from deploy.clickhouse.handle import Handle, quoted_name
from deploy.clickhouse.passwords import Role
from deploy.clickhouse.rights import WRITER_SETTINGS, analyst_settings, to_config_xml, to_users_xml
from schemas.errors import CorruptStateError, SettingsError

_PLAIN = re.compile(r"[\w-]+")


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

    try:
        version, functions = _write_configuration(config, directory, binding)
    except OSError as error:
        raise SettingsError(f"--path {config.path}: cannot write there: {error.strerror}") from error
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
