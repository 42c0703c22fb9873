"""Stopping a stack without loss: drain, then each part in the order in which events pass them."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from deploy.stack.drain import drain
from deploy.stack.find import Stack
from deploy.stack.lock import locked
from deploy.stack.processes import StackProcess, end_processes, processes_of
from deploy.stack.programs import DRAINED, STOP_ORDER
from deploy.stack.supervisor import socket_path
from schemas.errors import FatalError, KafkaUnavailableError

_SUPERVISOR_SEC = 20.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Stopped:
    """What a stop found and did. `drained` is None where it was not asked for or could not be tried."""

    was_running: bool
    drained: bool | None
    missing: tuple[str, ...] = ()


def stop_stack(stack: Stack, *, drain_sec: float, say: Say) -> Stopped:
    """No process of the stack lives; everything that was produced is stored if it drained within `drain_sec`.

    Nothing is lost where it did not: what is missing is done after the next start. `drain_sec` 0 skips the wait.
    """
    with locked(stack.layout, say=say):
        return stop_locked(stack, drain_sec=drain_sec, say=say)


def stop_locked(stack: Stack, *, drain_sec: float, say: Say) -> Stopped:
    """As `stop_stack`, for a caller that holds the lock."""
    supervisor = stack.supervisor()
    if not supervisor.answers():
        leftovers = processes_of(stack.record.stack_id)
        end_leftovers(stack, say=say)
        return Stopped(was_running=bool(leftovers), drained=None)
    if "collector" in supervisor.processes():
        say("stopping collector")  # before the drain: what it has taken is stored, too
        supervisor.stop("collector")
    drained, missing = _drain(stack, drain_sec, say)
    for name in STOP_ORDER:
        if name in supervisor.processes():
            say(f"stopping {name}")
            supervisor.stop(name)
    supervisor.shut_down()
    _wait_gone(stack)
    end_leftovers(stack, say=say)
    return Stopped(was_running=True, drained=drained, missing=missing)


def _drain(stack: Stack, drain_sec: float, say: Say) -> tuple[bool | None, tuple[str, ...]]:
    if drain_sec <= 0:
        return None, ()
    states = stack.supervisor().processes()
    idle = [name for name in DRAINED if name in states and states[name].state != "RUNNING"]
    if idle:
        say(f"not draining: {', '.join(idle)} {'is' if len(idle) == 1 else 'are'} not running")
        return None, ()
    say("draining: waiting until everything produced so far is stored")
    try:
        missing = drain(stack.kafka(), timeout_sec=drain_sec)
    except KafkaUnavailableError as error:
        say(f"not drained: {error}")
        return False, ()
    return not missing, tuple(str(one) for one in missing)


def _wait_gone(stack: Stack) -> None:
    """The supervisor has ended, or had its time."""
    deadline = time.monotonic() + _SUPERVISOR_SEC
    while processes_of(stack.record.stack_id) and time.monotonic() < deadline:
        time.sleep(0.1)


def end_leftovers(stack: Stack, *, say: Say) -> None:
    """Nothing of an earlier run lives: processes without a supervisor are ended, its socket and pid file are gone.

    Raises: FatalError: some process of the stack does not end.
    """

    def tell(process: StackProcess) -> None:
        say(f"ending process {process.process.pid} of a stack that was not stopped")

    end_processes(stack.record.stack_id, on_end=tell)
    if left := processes_of(stack.record.stack_id):
        pids = ", ".join(str(process.process.pid) for process in left)
        raise FatalError(f"these processes of the stack do not end: {pids}")
    path = socket_path(stack.layout, stack_id=stack.record.stack_id)
    path.unlink(missing_ok=True)
    if path.parent != stack.layout.root and path.parent.exists():
        path.parent.rmdir()
    stack.layout.supervisor_pid.unlink(missing_ok=True)
