"""Waiting for what is gone: the same step again, slower and slower, with one log line per change of state."""

import threading
from collections.abc import Callable
from typing import TypeVar

from structlog.typing import FilteringBoundLogger

from schemas.errors import TryAgainError

Result = TypeVar("Result")
FIRST_WAIT_SEC = 0.2
LONGEST_WAIT_SEC = 2.0


class StopRequested(Exception):  # noqa: N818  not a fault: the process was asked to leave
    """The process was asked to leave while it waited; nothing was lost."""


class Patience:
    """Repeats steps until they succeed or `stop` is set; says once that something is gone, once that it is back."""

    def __init__(self, stop: threading.Event, log: FilteringBoundLogger) -> None:
        self._stop = stop
        self._log = log
        self._gone: str | None = None

    def check(self) -> None:
        """Raises: StopRequested: the process was asked to leave."""
        if self._stop.is_set():
            raise StopRequested

    def until_done(self, step: Callable[[], Result], *, after_failure: Callable[[], None] | None = None) -> Result:
        """What the step returns when it succeeds at last; `after_failure` is called before each repetition.

        Raises: StopRequested: the process was asked to leave while the step kept failing.
        """
        wait_sec = FIRST_WAIT_SEC
        failed = False
        while True:
            try:
                result = step()
            except TryAgainError as error:
                failed = True
                self.gone(error)
                if self._stop.wait(wait_sec):
                    raise StopRequested from error
                wait_sec = min(wait_sec * 2, LONGEST_WAIT_SEC)
                if after_failure is not None:
                    after_failure()
            else:
                if failed:  # a step that never failed says nothing about what is gone: it may have had nothing to do
                    self.back()
                return result

    def gone(self, error: TryAgainError) -> None:
        """Logged, unless the same kind of thing was gone before."""
        kind = type(error).__name__
        if self._gone != kind:
            self._gone = kind
            self._log.warning("waiting", error=kind, reason=str(error))

    def back(self) -> None:
        """Logged, if anything was gone."""
        if self._gone is not None:
            self._log.info("going on", after=self._gone)
            self._gone = None
