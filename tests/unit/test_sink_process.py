"""Two workers in one process."""

import threading

import pytest

from schemas.errors import FencedError
from sinks.patience import StopRequested
from sinks.process import Threads


def test_the_error_of_one_worker_ends_all() -> None:
    """The others are asked to leave, and the error is the process's."""
    stop = threading.Event()
    threads = Threads(stop)

    def fenced() -> None:
        raise FencedError("another sink has taken over")

    def waits() -> None:
        assert stop.wait(10)
        raise StopRequested

    threads.start("waits", waits)
    threads.start("fenced", fenced)
    with pytest.raises(FencedError, match="another sink"):
        threads.join()


def test_who_is_asked_to_leave_leaves_without_an_error() -> None:
    """StopRequested is no fault."""
    stop = threading.Event()
    threads = Threads(stop)

    def leaves() -> None:
        stop.wait(10)
        raise StopRequested

    threads.start("leaves", leaves)
    stop.set()
    threads.join()
    assert stop.is_set()
