"""Carries out a plan: each fault as it is due, with what was seen of it.

Long because each kind of fault is a method of its own, next to what it must show.
"""

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psutil

from deploy.stack.status_rules import Status
from schemas.errors import BurnlineError, FatalError
from tests.faults.failpoints import DELIVER, POINTS, START, WORK, path_of
from tests.faults.plan import Fault
from tests.faults.proxy import Proxy
from tests.faults.reading import at_next_write
from tests.faults.world import World, wait_sec, wait_until

_SEEN_AFTER_SEC = {"kafka": 2.0, "clickhouse": 2.0, "rating": 17.0, "burn": 17.0, "patterns": 17.0, "sink": 17.0}
"""After how long `status` must see that a part does not move; stages may be silent for 15 s."""
_FORKED_SEC = 1.0
_END_SEC = 60.0
HANG_SEC = 30.0
"""Who lives and does nothing is ended and started anew within this time."""
WEDGES = {
    "rating": POINTS["rating: after the step"],
    "burn": POINTS["burn: after the step"],
    "patterns": POINTS["patterns: after the step"],
    "sink": POINTS["sink: before an insert"],
}
_MIB = 2**20
_MOST_BALLAST = 4096 * _MIB
_WRITES = {
    "rating": ("internal.progress", b"rating|"),
    "burn": ("internal.progress", b"burn|"),
    "patterns": ("internal.progress", b"patterns|"),
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
            "kill at insert": self._kill_at_insert,
            "late insert": self._late_insert,
            "endpoint": self._endpoint,
            "moving": self._moving,
            "storm": self._storm,
            "point": self._point,
            "freeze": self._hang,
            "wedge": self._hang,
            "failing agent": self._hang,
            "full disk": self._full_disk,
            "peace": self._peace,
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
        if one.fault.kind == "kill":
            self._seen_down(one)

    def _seen_down(self, one: Suffered) -> None:
        """Status says that the stack is not healthy before it shows the successor of who was killed."""
        looks: list[Status] = []

        def seen() -> bool:
            looks.append(self._world.look())
            shown = {component.pid for component in looks[-1].components if component.name in one.fault.targets}
            return looks[-1].health != "ok" or not shown & set(one.pids)

        if not wait_until(seen, timeout_sec=3, every_sec=0.1):
            one.wrong = "status called the stack healthy, with who was killed in it"
        one.health = looks[-1].health

    def _peace(self, one: Suffered) -> None:
        wait_sec(one.fault.hold_sec)

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
            # Between fork and exec a child still has its parent's handlers: the signal would be lost with them.
            wait_until(lambda process=process: time.time() - process.create_time() > _FORKED_SEC, timeout_sec=_END_SEC)  # type: ignore[misc]  # as below
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
        """Of a worker stopped in a write and the one in its place, one ends when the first goes on: who is fenced."""
        part = one.fault.targets[0]
        topic, key = _WRITES[part]
        (process,) = self._processes(one)
        if not at_next_write(self._world.kafka(), topic, key=key, timeout_sec=_END_SEC, then=process.suspend):
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

    def _kill_at_insert(self, one: Suffered) -> None:
        """The sink is killed while ClickHouse lives and executes its insert."""
        proxy, (process,) = self._proxy(), self._processes(one)
        proxy.at_next_insert(process.kill)
        if not wait_until(lambda: not proxy.waits_for_insert(), timeout_sec=_END_SEC, every_sec=0.02):
            one.outcome = "the sink inserted nothing"
            proxy.at_next_insert(lambda: None)
            process.kill()

    def _late_insert(self, one: Suffered) -> None:
        """The sink is killed when its insert has left it; ClickHouse gets that insert much later."""
        proxy, (process,) = self._proxy(), self._processes(one)
        proxy.delay_next_insert(process.kill, hold_sec=one.fault.hold_sec)
        if not wait_until(lambda: not proxy.delays_insert(), timeout_sec=_END_SEC, every_sec=0.02):
            one.outcome = "the sink inserted nothing"
            proxy.delay_next_insert(lambda: None, hold_sec=0)
            process.kill()
        wait_sec(one.fault.hold_sec)

    def _endpoint(self, one: Suffered) -> None:
        proxy = self._proxy()
        struck, proxy.mode = proxy.struck, one.fault.targets[0]
        try:
            wait_sec(one.fault.hold_sec)
        finally:
            proxy.mode = "passes"
        if one.fault.targets[0] in {"fails after it committed", "loses the answer"}:
            one.outcome = f"{proxy.struck - struck} inserts were done and not heard of"

    def _proxy(self) -> Proxy:
        if self._world.proxy is None:
            raise FatalError("this run has no proxy before ClickHouse")
        return self._world.proxy

    def _more(self, part: str, instance: str, one: Suffered) -> subprocess.Popen[bytes]:
        self._by_hand += 1
        more = self._world.second(part, instance=instance, number=self._by_hand)
        one.pids.append(more.pid)
        return more

    def _moving(self, one: Suffered) -> None:
        """A worker joins, the broker is away while partitions move to it, then the worker dies."""
        more = self._more(one.fault.targets[0], "1", one)
        joined = wait_until(lambda: self._joins(one.fault.targets[0], "1"), timeout_sec=_END_SEC, every_sec=0.05)
        one.outcome = "done" if joined else "it did not join"
        broker = self._world.process("kafka")
        broker.suspend()
        try:
            wait_sec(one.fault.hold_sec)
        finally:
            broker.resume()
        wait_sec(one.fault.hold_sec)
        if more.poll() is not None:
            one.wrong = f"the second {one.fault.targets[0]} ended by itself with {more.returncode}"
        _end(more)

    def _joins(self, part: str, instance: str) -> bool:
        """Whether the worker by hand has begun to join its group, as its log says."""
        del instance
        logs = self._world.found().layout.logs
        return b'"starts"' in (logs / f"{part}-by-hand-{self._by_hand}.log").read_bytes()

    def _storm(self, one: Suffered) -> None:
        """1 -> 3 -> 2 -> 1 workers; who leaves is told to the first time, killed the second."""
        part, third = one.fault.targets[0], one.fault.hold_sec / 3
        second, last = self._more(part, "1", one), self._more(part, "2", one)
        wait_sec(third)
        last.terminate()
        wait_sec(third)
        for more, asked in ((second, ()), (last, (0, -signal.SIGTERM))):  # by the signal, if it had hardly started
            if more.poll() not in {None, *asked}:
                one.wrong = f"a {part} by hand ended by itself with {more.returncode}"
        _end(second)
        wait_sec(third)
        _end(last)

    def _point(self, one: Suffered) -> None:
        """The process of a part dies at a failpoint, once."""
        point = POINTS[one.fault.targets[0]]
        armed = path_of(self._world.points, point)
        if point.reach != WORK:  # a death while it starts would only teach the supervisor to wait longer
            wait_until(lambda: self._world.runs(point.part), timeout_sec=_END_SEC, every_sec=0.2)
        process = self._world.process(point.part)
        one.pids.append(process.pid)
        first = POINTS.get(f"{point.part}: {point.reach}")
        if first is not None:
            path_of(self._world.points, first).write_text("kill")
        armed.write_text("kill")
        if point.reach == START:
            process.kill()
        visited = wait_until(lambda: not armed.exists(), timeout_sec=_END_SEC, every_sec=0.05)
        armed.unlink(missing_ok=True)
        if not visited:
            one.wrong = "nobody came to this point"
        wait_until(lambda: not _lives(process), timeout_sec=_END_SEC, every_sec=0.05)

    def _hang(self, one: Suffered) -> None:
        """A part lives and does nothing, or its agent fails at each message: it must be ended and back in time."""
        part, kind = one.fault.targets[0], one.fault.kind
        process = self._world.process(part)
        one.pids.append(process.pid)
        armed = path_of(self._world.points, DELIVER if kind == "failing agent" else WEDGES[part])
        if kind == "freeze":
            process.suspend()
        else:
            armed.write_text("wedge" if kind == "wedge" else f"raise {process.pid}")
            if not wait_until(lambda: kind != "wedge" or not armed.exists(), timeout_sec=_END_SEC, every_sec=0.05):
                one.wrong = "it never hung"
        began_sec = time.monotonic()
        seen: list[Status] = []

        def ended() -> bool:
            if not _lives(process):
                return True
            seen.append(self._world.look())
            return False

        if not wait_until(ended, timeout_sec=2 * HANG_SEC):
            one.wrong = f"it hung for {time.monotonic() - began_sec:.0f} s and was not ended"
            process.kill()
        ended_sec = time.monotonic() - began_sec
        armed.unlink(missing_ok=True)
        fresh = self._world.process(part)
        one.pids.append(fresh.pid)
        took_sec = time.monotonic() - began_sec
        said = [part_of.why for status in seen for part_of in status.components if part_of.name == part and part_of.why]
        one.outcome = f"ended after {ended_sec:.1f} s, started anew after {took_sec:.1f} s; status: {said[-1:]}"
        one.health = next((status.health for status in reversed(seen) if status.health != "ok"), "ok")
        if took_sec > HANG_SEC:
            one.wrong = one.wrong or f"it took {took_sec:.0f} s"
        elif not said and not one.wrong:
            one.wrong = "status called it healthy all the time"

    def _full_disk(self, one: Suffered) -> None:
        """The disk of the state directory is full for a while."""
        ballast = self._world.state_dir / "ballast"
        free = shutil.disk_usage(self._world.state_dir).free
        if free > _MOST_BALLAST:
            raise FatalError("the state directory has no small disk of its own")
        try:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(bytes(_MIB)):
                    pass
            wait_sec(one.fault.hold_sec)
            one.health = self._world.look().health
            left = shutil.disk_usage(self._world.state_dir).free
            one.outcome = f"{free // _MIB} MiB taken, {left // 1024} KiB left at the end"
        finally:
            ballast.unlink(missing_ok=True)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait()
