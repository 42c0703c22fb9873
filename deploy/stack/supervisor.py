"""The supervisor of a stack: started as a daemon, asked and told over its unix socket."""

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import xmlrpc.client
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from deploy.stack.layout import Layout
from schemas.errors import FatalError

_LONGEST_SOCKET_PATH = 90
"""Unix allows 104 to 108 bytes; the supervisor needs some more for a temporary name beside it."""
_TIMEOUT_SEC = 90.0
_ALREADY = {60, 70}  # supervisor.xmlrpc.Faults: ALREADY_STARTED, NOT_RUNNING
_SHUTTING_DOWN = 6  # the same: SHUTDOWN_STATE


@dataclass(frozen=True)
class ProcessState:
    """A program as the supervisor sees it; `state` is RUNNING, STARTING, BACKOFF, STOPPED, EXITED, FATAL ..."""

    name: str
    state: str
    pid: int | None
    since_unix_sec: int
    reason: str


def socket_path(layout: Layout, *, stack_id: str) -> Path:
    """Where the supervisor listens: in the state directory, or in a short private one where that path is too long."""
    path = layout.root / "supervisor.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    return Path(tempfile.gettempdir()) / f"burnline-{os.getuid()}-{stack_id}" / "s"


def prepare_socket_directory(path: Path) -> None:
    """The socket's directory exists and is ours alone. Raises: FatalError: somebody else owns it."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    found = path.parent.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise FatalError(f"{path.parent} is not ours alone; remove it and try again")


class _Transport(SupervisorTransport):  # type: ignore[misc]  # supervisor has no types
    """The supervisor's own transport, but it never waits for ever."""

    def __init__(self, path: Path) -> None:
        super().__init__(serverurl=f"unix://{path}")
        self._path = str(path)
        self._get_connection = self._connect

    def _connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost", timeout=_TIMEOUT_SEC)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(_TIMEOUT_SEC)
        try:
            connection.sock.connect(self._path)
        except OSError:
            connection.sock.close()
            raise
        return connection


class Supervisor:
    """A running supervisor. Every method raises FatalError where it no longer answers, or is shutting down."""

    def __init__(self, path: Path) -> None:
        """`path` is its socket."""
        self._path = path

    def _call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401  XML-RPC gives what the method gives
        transport = _Transport(self._path)
        try:
            proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
            return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise FatalError(f"the supervisor does not answer ({error})") from error
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != _SHUTTING_DOWN:
                raise
            raise FatalError("the supervisor is shutting down") from fault
        finally:
            transport.close()

    def answers(self) -> bool:
        """Whether it runs and is not shutting down."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except (FatalError, xmlrpc.client.Fault):
            return False

    def processes(self) -> dict[str, ProcessState]:
        """All programs by name."""
        return {
            found["name"]: ProcessState(
                name=found["name"],
                state=found["statename"],
                pid=found["pid"] or None,
                since_unix_sec=found["start"],
                reason=found["spawnerr"] or found["description"],
            )
            for found in self._call("getAllProcessInfo")
        }

    def start(self, name: str) -> None:
        """The program is started, or runs already; it may still fail."""
        self._tell("startProcess", name, False)  # noqa: FBT003  XML-RPC knows no names

    def stop(self, name: str) -> None:
        """The program has ended, in its own time or by force after its stop time."""
        self._tell("stopProcess", name, True)  # noqa: FBT003  XML-RPC knows no names

    def shut_down(self) -> None:
        """It has been told to end all programs and itself."""
        self._call("shutdown")

    def _tell(self, method: str, name: str, wait: bool) -> None:  # noqa: FBT001  as the two callers above
        try:
            self._call(method, name, wait)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in _ALREADY:
                raise FatalError(f"the supervisor cannot {method} {name}: {fault.faultString}") from fault


def launch(layout: Layout, environment: Mapping[str, str]) -> None:
    """A supervisor has been started as a daemon in a session of its own, with this environment for all programs.

    Raises: FatalError: it refused its configuration or could not listen.
    """
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(layout.supervisor_config)]
    done = subprocess.run(
        command,
        env=dict(environment),
        cwd=layout.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise FatalError(f"the supervisor did not start: {said[-1] if said else f'exit code {done.returncode}'}")


def restarts(log: str) -> dict[str, int]:
    """How often each program was started again since the supervisor itself started, from the text of its log."""
    spawned: dict[str, int] = {}
    for line in log.splitlines():
        if "supervisord started with pid" in line:
            spawned = {}
        elif "spawned: '" in line:
            name = line.split("spawned: '", 1)[1].split("'", 1)[0]
            spawned[name] = spawned.get(name, 0) + 1
    return {name: count - 1 for name, count in spawned.items()}
