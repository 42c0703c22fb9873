"""The processes of a stack as the operating system knows them: found by their environment, ended in order.

A stack's processes carry its id in their environment, which a later process with the same number does not: so a stack
that was killed is found again, and nobody else's process is ever touched.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil

STACK_ID_VARIABLE = "BURNLINE_STACK_ID"
STACK_DIR_VARIABLE = "BURNLINE_STACK_DIR"
TERM_SEC = 15.0


@dataclass(frozen=True)
class StackProcess:
    """A living process of a stack."""

    process: psutil.Process
    command: str

    def is_kafka(self) -> bool:
        """Whether it is the broker, which is ended last: the others still commit to it."""
        return "kafka.Kafka" in self.command

    def is_supervisor(self) -> bool:
        """Whether it is the supervisor, which is ended first: it would start the others anew."""
        return "supervisord" in self.command


def lives(pid: int) -> bool:
    """Whether a process of this number runs; one that has ended and was not waited for does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def processes_of(stack_id: str) -> list[StackProcess]:
    """Every living process of the stack, whoever its parent is."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(STACK_ID_VARIABLE) == stack_id:
                found.append(StackProcess(process, " ".join(process.cmdline())))
    return found


def end_processes(stack_id: str, *, on_end: Callable[[StackProcess], None], term_sec: float = TERM_SEC) -> None:
    """No process of the stack lives: supervisor first, broker last; who does not leave in time is killed."""
    for group in _in_order(processes_of(stack_id)):
        for member in group:
            on_end(member)
            with contextlib.suppress(psutil.NoSuchProcess):
                member.process.terminate()
        _, left = psutil.wait_procs([member.process for member in group], timeout=term_sec)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=term_sec)


def _in_order(found: list[StackProcess]) -> Iterator[list[StackProcess]]:
    yield [member for member in found if member.is_supervisor()]
    yield [member for member in found if not member.is_supervisor() and not member.is_kafka()]
    yield [member for member in found if member.is_kafka()]
