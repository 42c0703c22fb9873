"""A process that lives and does nothing: it is named by `status` and `drain`, and the watchdog ends it."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.cli_stack import Stack

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
HANG_SEC = 25


@dataclass(frozen=True)
class WatchedStack(Stack):
    """A stack whose watchdog is impatient."""

    def environment(self) -> dict[str, str]:
        """As any stack's, and a process hangs after some seconds."""
        return {
            **super().environment(),
            "BURNLINE_WATCHDOG_HANG_SEC": str(HANG_SEC),
            "BURNLINE_WATCHDOG_LOOK_SEC": "1",
        }


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedStack]:
    """One stack for this file."""
    found = WatchedStack(tmp_path_factory.mktemp("hang") / "state")
    found.run("up", "--kafka-port", "0", "--clickhouse-port", "0")
    try:
        yield found
    finally:
        found.run("down", "--now")


def wait_until(condition: Callable[[], bool], *, what: str, timeout_sec: float) -> None:
    """The condition holds. Fails after `timeout_sec`."""
    deadline = time.monotonic() + timeout_sec
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_sec:.0f} s for {what}")
        signal.sigtimedwait([], 0.2)


def seen_alive(stack: Stack, pid: int) -> bool:
    """Whether the watchdog has seen this process do something; before, it is given longer, as it may recover."""
    lines = (stack.state_dir / "logs/watchdog.log").read_text().splitlines()
    return any(one.get("pid") == pid and "first sign of life" in one["event"] for one in map(json.loads, lines))


def test_frozen_stage_is_named_then_ended_then_back(stack: WatchedStack) -> None:
    """Frozen, burn makes the stack degraded and a drain fail with its name; then it is killed, and all is well."""
    pid = stack.status()["parts"]["burn"]["pid"]
    wait_until(lambda: seen_alive(stack, pid), what="the watchdog to see burn work", timeout_sec=60)
    os.kill(pid, signal.SIGSTOP)
    drained = stack.run("drain", "--timeout", "3", "--json", check=False)
    assert drained.returncode == 1
    assert {one["stage"] for one in json.loads(drained.stdout)["missing"]} == {"burn"}
    wait_until(lambda: stack.status()["health"] == "degraded", what="burn to be called degraded", timeout_sec=HANG_SEC)
    assert "has said nothing on internal.deltas" in stack.status()["parts"]["burn"]["why"]

    def back() -> bool:
        now = stack.status()
        return now["parts"]["burn"]["pid"] not in {pid, None} and now["health"] == "ok"

    wait_until(back, what="burn to be killed and started anew", timeout_sec=120)
    stack.run("drain", "--timeout", "60")
    assert "hung, killed" in (stack.state_dir / "logs/watchdog.log").read_text()


def test_nobody_else_was_killed(stack: WatchedStack) -> None:
    """The watchdog leaves the living alone."""
    parts = stack.status()["parts"]
    assert {name: part["restarts"] for name, part in parts.items() if name != "burn"} == dict.fromkeys(
        ("kafka", "clickhouse", "rating", "patterns", "sink", "notifier"), 0
    )
