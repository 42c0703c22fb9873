"""Which ports a stack takes, and who holds one that is taken."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from deploy.stack.processes import STACK_DIR_VARIABLE
from schemas.errors import SettingsError

LOOPBACK = "127.0.0.1"
KAFKA_PORT = 9092
CLICKHOUSE_PORT = 8123
COLLECTOR_PORT = 8126


@dataclass(frozen=True)
class Wanted:
    """What the user asked for: None = the usual port, 0 = any free one."""

    kafka: int | None = None
    clickhouse: int | None = None
    collector: int | None = None
    metrics: int | None = None  # None: as last time, at first any free one
    collects: bool | None = None  # whether there is a collector; None: as last time
    offset: int = 0


_SPOKEN_FOR: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on now, and that this process neither gave out nor required before."""
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
        if port not in _SPOKEN_FOR:
            _SPOKEN_FOR.add(port)
            return port


def is_free(port: int) -> bool:
    """Whether a server of ours could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def holder_of(port: int) -> str:
    """Who listens on the port, as a person would say it."""
    for pid, listens_on in _listeners():
        if listens_on != port:
            continue
        try:
            process = psutil.Process(pid)
            stack = process.environ().get(STACK_DIR_VARIABLE)
            return f"{process.name()} (process {pid})" + (f" of the Burnline stack in {stack}" if stack else "")
        except psutil.Error:
            break
    return "a program of another user"


def _listeners() -> Iterator[tuple[int, int]]:
    """(process, port) of every listening TCP socket that we may look at."""
    for process in psutil.process_iter():
        try:
            for connection in process.net_connections(kind="tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    yield process.pid, int(connection.laddr.port)
        except psutil.Error:
            continue


def require_free(port: int, *, of: str, flag: str) -> None:
    """Raises: SettingsError: the port is taken; the sentence names the holder and the flag that chooses another."""
    if not 1 <= port <= 65_535:
        raise SettingsError(f"{flag} {port}: a port is a number from 1 to 65535, or 0 for any free one")
    if not is_free(port):
        raise SettingsError(
            f"port {port} for {of} is taken by {holder_of(port)}; "
            f"choose another with {flag} PORT, or any free one with {flag} 0"
        )
    _SPOKEN_FOR.add(port)
