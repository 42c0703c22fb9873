"""The ClickHouse that tests talk to: our own storage process on a free port, or a server that the environment names.

`BURNLINE_TEST_CLICKHOUSE_URL=http://user:password@host:port` runs the same tests against a server; the user must have
all rights. Cases about the storage process itself are skipped there, with their reason.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import clickhouse_connect
import pytest

from schemas.connection import ClickHouseSettings
from sinks.migrate import ensure_database, migrate, migrations
from sinks.store import Store, connector

URL_VARIABLE = "BURNLINE_TEST_CLICKHOUSE_URL"
ROOT = Path(__file__).resolve().parent.parent
_TABLES = (
    "SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE '%_store'"
    " AND name != 'schema_migrations_store'"
)


@dataclass
class ClickHouse:
    """A running ClickHouse and who may enter; `path` is None for a server that we did not start."""

    host: str = "127.0.0.1"
    port: int = 0
    writer_user: str = "writer"
    writer_password: str = "writer of the tests"
    analyst_user: str = "analyst"
    analyst_password: str = "analyst of the tests"
    path: Path | None = None
    started: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    spare: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """What `BURNLINE_CLICKHOUSE_URL` is set to."""
        return f"http://{self.host}:{self.port}"

    @property
    def embedded(self) -> bool:
        """Whether this is our storage process."""
        return self.path is not None

    @property
    def writer_password_file(self) -> Path:
        """Where the writer's password stands, mode 0600."""
        return self._password_file("writer", self.writer_password)

    def client(self, user: str = "writer", **options: Any) -> Any:
        """A new client of clickhouse-connect for `writer` or `analyst`; close it, or use it in a `with`."""
        return clickhouse_connect.get_client(**self.credentials(user), **options)

    def credentials(self, user: str = "writer") -> dict[str, Any]:
        """Host, port, user name and password, as clickhouse-connect names them."""
        writes = user == "writer"
        return {
            "host": self.host,
            "port": self.port,
            "username": self.writer_user if writes else self.analyst_user,
            "password": self.writer_password if writes else self.analyst_password,
        }

    def settings(self, database: str) -> ClickHouseSettings:
        """How the code under test reaches a database, as its writer."""
        return ClickHouseSettings(
            url=self.url, user=self.writer_user, password_file=self.writer_password_file, database=database
        )

    @contextmanager
    def borrowed(self) -> Iterator[ClickHouseSettings]:
        """A database with all tables and views and no row, nobody else's inside the block.

        It is emptied and given to the next one who asks: a database costs two CPU seconds to make.
        """
        settings = self.settings(self.spare.pop() if self.spare else f"tests_{uuid4().hex[:8]}")
        ensure_database(connector(settings), settings.database)
        store = Store(connector(settings), settings.database)
        migrate(store, migrations())
        yield settings
        store.quiet()  # what a killed process has sent may still run
        for (table,) in store.rows(_TABLES):
            store.run(f"TRUNCATE TABLE {table}")
        store.close()
        self.spare.append(settings.database)

    def make_anew(self, database: str) -> None:
        """The database is there, and nothing is in it."""
        with self.client() as client:
            client.command(f"DROP DATABASE {database}")
            client.command(f"CREATE DATABASE {database}")

    def start(self, *options: str) -> None:
        """The storage process runs and answers; on the port it had before, if it ran before."""
        if self.path is None:
            raise RuntimeError("this server was not started by the tests")
        files = ["--writer-password-file", str(self.writer_password_file)]
        files += ["--analyst-password-file", str(self._password_file("analyst", self.analyst_password))]
        command = [sys.executable, "-m", "deploy.clickhouse", "--path", str(self.path), "--port", str(self.port)]
        self.process = subprocess.Popen([*command, *files, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise RuntimeError(f"the storage process ended with code {self.process.wait()}")
        self.started = json.loads(line)
        self.port = self.started["port"]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """The process has ended: its exit code and what it logged after its first line."""
        if self.process is None:
            return 0, ""
        self.process.send_signal(number)
        logged, _ = self.process.communicate(timeout=60)
        code, self.process = self.process.returncode, None
        return code, logged

    def _password_file(self, user: str, password: str) -> Path:
        if self.path is None:
            raise RuntimeError("this server's passwords are not ours")
        file = self.path.parent / f"{user}.password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(password)
        return file


def started_clickhouse(directory: Path, *options: str) -> ClickHouse:
    """Our storage process, running over a new directory within this one."""
    clickhouse = ClickHouse(path=directory / "clickhouse")
    clickhouse.start(*options)
    return clickhouse


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """A ClickHouse that lives as long as the test session; each test takes a database of its own."""
    url = os.environ.get(URL_VARIABLE)
    if url:
        parts = urlsplit(url)
        user, password = unquote(parts.username or "default"), unquote(parts.password or "")
        yield ClickHouse(parts.hostname or "127.0.0.1", parts.port or 8123, user, password, user, password)
        return
    running = started_clickhouse(tmp_path_factory.mktemp("clickhouse"))
    yield running
    running.stop()


@pytest.fixture
def store(clickhouse: ClickHouse) -> Iterator[Store]:
    """A database of its own with all tables and views, and no row."""
    with clickhouse.borrowed() as settings:
        made = Store(connector(settings), settings.database)
        yield made
        made.close()
