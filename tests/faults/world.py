"""The stack that is hurt: started by the command line, hurt by signals, with settings of this run only."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from deploy.stack.find import Stack as Found
from deploy.stack.find import find_stack
from deploy.stack.processes import processes_of
from deploy.stack.status import look
from deploy.stack.status_rules import Status
from schemas.connection import KafkaSettings
from schemas.errors import FatalError
from tests.cli_stack import Stack
from tests.faults.proxy import Proxy

COMMANDS = {
    "rating": ("streams", "rating", "--instance"),
    "burn": ("streams", "burn", "--instance"),
    "patterns": ("streams", "patterns", "--instance"),
    "sink": ("sinks",),
}
_NOTHING = threading.Event()
_TRIES = 3
_UP_SEC = 600.0


def wait_sec(seconds: float) -> None:
    """So many seconds have passed."""
    _NOTHING.wait(seconds)


def wait_until(holds: Callable[[], bool], *, timeout_sec: float, every_sec: float = 0.3) -> bool:
    """Whether the condition held within the time."""
    began = datetime.now(UTC)
    while not holds():
        if (datetime.now(UTC) - began).total_seconds() > timeout_sec:
            return False
        wait_sec(every_sec)
    return True


@dataclass(frozen=True)
class World(Stack):
    """A stack with settings of its own for its processes."""

    settings: Mapping[str, str] = field(default_factory=dict)
    proxy: Proxy | None = None

    @property
    def points(self) -> Path:
        """Where failpoints are armed, in a run that has them."""
        return self.state_dir.parent / "points"

    def environment(self) -> dict[str, str]:
        """As every stack's, and the settings of this run."""
        return super().environment() | dict(self.settings)

    def found(self) -> Found:
        """The stack as the rooms know it."""
        stack = find_stack(self.state_dir, {})
        if stack is None:
            raise FatalError(f"no stack in {self.state_dir}")
        return stack

    def kafka(self) -> KafkaSettings:
        """How its Kafka is reached."""
        return self.found().kafka()

    def look(self) -> Status:
        """What `burnline status` says, without a process for it."""
        return look(self.found())

    def up(self) -> None:
        """It runs and is healthy; ports are free ones. A machine with too much to do is given three tries."""
        words = ("up", "--state-dir", str(self.state_dir), "--kafka-port", "0", "--clickhouse-port", "0")
        for _ in range(_TRIES - 1):
            if self.run(*words, check=False, timeout_sec=_UP_SEC).returncode == 0:
                return
        self.run(*words, timeout_sec=_UP_SEC)

    def rest(self) -> None:
        """Its workers have ended and stay so: who reads Kafka for long has the machine to himself."""
        supervisor = self.found().supervisor()
        for part in COMMANDS:
            with contextlib.suppress(FatalError):
                supervisor.stop(part)

    def down(self) -> None:
        """No process of it lives."""
        self.run("down", "--state-dir", str(self.state_dir), "--now")

    def pid(self, part: str) -> int | None:
        """The process of a part as the supervisor sees it now; None while it has none."""
        if part == "supervisor":
            found = processes_of(self.found().record.stack_id)
            return next((one.process.pid for one in found if one.is_supervisor()), None)
        try:
            state = self.found().supervisor().processes().get(part)
        except FatalError:
            return None
        return state.pid if state is not None else None

    def runs(self, part: str) -> bool:
        """Whether the supervisor takes the part for running: it has lived for some seconds."""
        try:
            state = self.found().supervisor().processes().get(part)
        except FatalError:
            return False
        return state is not None and state.state == "RUNNING"

    def process(self, part: str, *, timeout_sec: float = 30.0) -> psutil.Process:
        """The living process of a part, waited for. Raises: FatalError: there is none in time."""
        found: list[psutil.Process] = []

        def lives() -> bool:
            pid = self.pid(part)
            with contextlib.suppress(psutil.NoSuchProcess):
                if pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                    found.append(psutil.Process(pid))
            return bool(found)

        if not wait_until(lives, timeout_sec=timeout_sec, every_sec=0.1):
            raise FatalError(f"{part} did not come back within {timeout_sec:.0f} s")
        return found[0]

    def second(self, part: str, *, instance: str, number: int) -> subprocess.Popen[bytes]:
        """A worker beside the supervised one, started by hand; its log stands beside theirs."""
        found = self.found()
        words = COMMANDS[part]
        command = [sys.executable, "-m", *words, *([instance] if words[-1] == "--instance" else [])]
        log = Path(found.layout.logs) / f"{part}-by-hand-{number}.log"
        with log.open("wb") as out:
            return subprocess.Popen(
                command, env=found.environment(self.environment()), stdout=out, stderr=subprocess.STDOUT
            )
