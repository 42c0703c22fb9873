"""Carries out a plan: each fault as it is due, with what was seen of it."""

import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psutil

from schemas.errors import BurnlineError
from tests.faults.plan import Fault
from tests.faults.reading import at_next_write
from tests.faults.world import World, wait_sec, wait_until

_SEEN_AFTER_SEC = {"kafka": 2.0, "clickhouse": 2.0, "rating": 17.0, "burn": 17.0}
"""After how long `status` must see that a part does not move; rating and burn may be silent for 15 s."""
_END_SEC = 60.0
_WRITES = {
    "rating": ("internal.progress", b"rating|"),
    "burn": ("internal.progress", b"burn|"),
    "sink": ("internal.groups", b""),
    "clickhouse": ("internal.groups", b""),
}
"""What a part has just written, or is just asked to insert, when it dies."""


@dataclass
class Suffered:
    """One fault as it happened."""

    at: datetime
    fault: Fault
    pids: list[int] = field(default_factory=list)
    outcome: str = "done"
    health: str = ""  # of the whole stack at the end of a pause
    wrong: str = ""


class Hurting:
    """Hurts a world; `said` gets each fault as it is over."""

    def __init__(self, world: World, *, said: Callable[[Suffered], None]) -> None:
        self._world = world
        self._said = said
        self._by_hand = 0
        self.suffered: list[Suffered] = []

    def suffer(self, fault: Fault) -> None:
        """The fault was due, happened, and what it held is let go."""
        wait_sec(fault.after_sec)
        one = Suffered(datetime.now(UTC), fault)
        self.suffered.append(one)
        if not self._world.found().supervisor().answers():
            one.wrong = "the supervisor had died, and not by us; started anew"
            self._world.up()
        act = {
            "kill": self._kill,
            "kill mid-write": self._kill_mid_write,
            "kill two": self._kill,
            "kill again": self._kill_again,
            "stop": self._stop,
            "pause": self._pause,
            "zombie": self._zombie,
            "extra": self._extra,
            "supervisor": self._supervisor,
        }[fault.kind]
        try:
            act(one)
        except (BurnlineError, psutil.Error) as error:
            one.outcome = f"{type(error).__name__}: {error}"
        self._said(one)

    def _processes(self, one: Suffered) -> list[psutil.Process]:
        found = [self._world.process(target) for target in one.fault.targets]
        one.pids += [process.pid for process in found]
        return found

    def _kill(self, one: Suffered) -> None:
        for process in self._processes(one):
            process.kill()

    def _kill_mid_write(self, one: Suffered) -> None:
        """Killed within milliseconds of a record of its transaction, or of the record of a group before its insert."""
        target = one.fault.targets[0]
        topic, key = _WRITES[target]
        (process,) = self._processes(one)

        def kill() -> None:
            wait_sec(one.fault.hold_sec)
            process.kill()

        if not at_next_write(self._world.kafka(), topic, key=key, timeout_sec=_END_SEC, then=kill):
            one.outcome = f"{target} wrote nothing"
            process.kill()

    def _kill_again(self, one: Suffered) -> None:
        (first,) = self._processes(one)
        first.kill()
        wait_until(lambda: self._world.pid(one.fault.targets[0]) not in {None, first.pid}, timeout_sec=_END_SEC)
        wait_sec(one.fault.hold_sec)
        self._kill(one)

    def _stop(self, one: Suffered) -> None:
        for process in self._processes(one):
            process.terminate()
            if not wait_until(lambda process=process: not _lives(process), timeout_sec=_END_SEC):  # type: ignore[misc]  # mypy does not infer defaults of lambdas
                one.wrong = f"{process.pid} did not end within {_END_SEC:.0f} s of SIGTERM"
                process.kill()

    def _pause(self, one: Suffered) -> None:
        (process,) = self._processes(one)
        process.suspend()
        try:
            wait_sec(one.fault.hold_sec)
            if one.fault.hold_sec >= _SEEN_AFTER_SEC.get(one.fault.targets[0], float("inf")):
                one.health = self._world.look().health
                if one.health == "ok" and _lives(process):
                    one.wrong = "status called the stack healthy"
        finally:
            process.resume()

    def _zombie(self, one: Suffered) -> None:
        """Of a stopped worker and the one in its place, one ends when the first goes on: whoever is fenced."""
        part = one.fault.targets[0]
        (process,) = self._processes(one)
        process.suspend()
        self._by_hand += 1
        second = self._world.second(part, instance="0", number=self._by_hand)
        one.pids.append(second.pid)
        try:
            wait_sec(one.fault.hold_sec)
        finally:
            process.resume()
        if not wait_until(lambda: not _lives(process) or second.poll() is not None, timeout_sec=_END_SEC):
            one.wrong = f"the zombie {part} {process.pid} and its successor {second.pid} live side by side"
        elif not _lives(process) and not wait_until(lambda: second.poll() is not None, timeout_sec=_END_SEC):
            # The supervisor has started the zombie anew, which fences the one by hand in turn.
            one.wrong = f"the {part} by hand {second.pid} and the supervised one live side by side"
        one.outcome = f"the zombie {'lives' if _lives(process) else 'ended'}, the second ended with {second.poll()}"
        _end(second)

    def _extra(self, one: Suffered) -> None:
        self._by_hand += 1
        second = self._world.second(one.fault.targets[0], instance="1", number=self._by_hand)
        one.pids.append(second.pid)
        wait_sec(one.fault.hold_sec)
        if second.poll() is not None:
            one.wrong = f"the second {one.fault.targets[0]} ended by itself with {second.returncode}"
        _end(second)

    def _supervisor(self, one: Suffered) -> None:
        (process,) = self._processes(one)
        process.kill()
        wait_until(lambda: not _lives(process), timeout_sec=_END_SEC)
        self._world.up()


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait()
