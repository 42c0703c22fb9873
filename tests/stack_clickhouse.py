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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import pytest

URL_VARIABLE = "BURNLINE_TEST_CLICKHOUSE_URL"
ROOT = Path(__file__).resolve().parent.parent


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


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """A ClickHouse for the tests of one module."""
    url = os.environ.get(URL_VARIABLE)
    if url:
        parts = urlsplit(url)
        user, password = unquote(parts.username or "default"), unquote(parts.password or "")
        yield ClickHouse(parts.hostname or "127.0.0.1", parts.port or 8123, user, password, user, password)
        return
    running = started_clickhouse(tmp_path_factory.mktemp("clickhouse"))
    yield running
    running.stop()
