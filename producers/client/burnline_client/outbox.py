"""Calls on their way to the emitter, in a thread of its own: the caller's thread never waits for Burnline.

Laws
1. `put` returns at once and never raises. While the emitter waits (Kafka is away, its queue full), calls wait here, up
   to a bound; past it they are counted in `lost` and the log says so.
2. What was put before the emitter closes is emitted before it closes; calls that are open then are told as they stand.
3. After a fork the child has an outbox of its own.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from burnline_client.errors import EmitterError

_log = logging.getLogger("burnline_client")
_MAX_CALLS = 10_000
_MAX_BYTES = 64 * 1024 * 1024
_CLOSE_SEC = 10.0


class Emitter(Protocol):
    """What takes events: a UsageEmitter, or anything with its `emit`."""

    def emit(self, **fields: Any) -> str:  # noqa: ANN401  UsageFields, id and time
        """The event is taken; returns its id."""


class Ended(Protocol):
    """A call that has ended."""

    @property
    def started_at(self) -> datetime:
        """When it was made."""

    @property
    def held_bytes(self) -> int:
        """How much memory it keeps until it is told."""


class Outbox:
    """Tells an emitter of calls that have ended; `lost` counts calls that could not be told.

    `events_of` gives the fields of a call's events, `id` and `time` among them if they are not a new id and its start.
    """

    def __init__(self, emitter: Emitter, *, events_of: Callable[[Any], list[dict[str, Any]]]) -> None:
        self.emitter = emitter
        self._events_of = events_of
        self.lost = 0
        self._open: dict[int, Callable[[], None]] = {}
        self._make_ready()
        self._start()
        getattr(emitter, "before_close", atexit.register)(self.close)

    def _make_ready(self) -> None:
        """An emitter that is made anew in each process is made now, not in the last moments of the process."""
        getattr(self.emitter, "ready", lambda: None)()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting_bytes = 0
        self._closed = False
        self._calls: queue.Queue[Ended | None] = queue.Queue(_MAX_CALLS)
        self._thread = threading.Thread(target=self._run, name="burnline-outbox", daemon=True)
        self._thread.start()

    def opened(self, call: Ended, end: Callable[[], None]) -> None:
        """The call is under way; `end` is called if it still is when the emitter closes."""
        self._open[id(call)] = end

    def put(self, call: Ended) -> None:
        """The call has ended; it is told soon. A second time says nothing new."""
        if self._open.pop(id(call), None) is None:
            return
        if os.getpid() != self._pid:
            self._open.clear()
            try:
                self._make_ready()
            except Exception:  # noqa: BLE001  the caller's call goes on; what cannot be told is counted
                _log.exception("no emitter for this process")
            self._start()
        with self._lock:
            taken = not (self._closed or self._waiting_bytes > _MAX_BYTES or self._calls.full())
            if taken:
                self._calls.put_nowait(call)
                self._waiting_bytes += call.held_bytes
        if not taken:
            self._lose("the emitter is closed" if self._closed else "the emitter takes no more events")

    def flush(self, timeout_sec: float = _CLOSE_SEC) -> bool:
        """Whether every call that was put is with the emitter now."""
        with self._calls.all_tasks_done:
            return self._calls.all_tasks_done.wait_for(lambda: not self._calls.unfinished_tasks, timeout_sec)

    def close(self) -> None:
        """Every call that was put, and every one that is open, is with the emitter; later ones are lost."""
        if os.getpid() != self._pid:
            return
        for end in list(self._open.values()):
            end()
        self.flush()
        with self._lock:
            self._closed = True
            waiting = self._calls.qsize()
            self._calls.queue.clear()
            self._calls.put_nowait(None)
        if waiting:
            self.lost += waiting
            _log.error("%d calls could not be told: the emitter was closed while it took no more events", waiting)

    def _run(self) -> None:
        calls = self._calls
        while (call := calls.get()) is not None:
            with self._lock:
                self._waiting_bytes -= call.held_bytes
            try:
                self._tell(call)
            except EmitterError as error:
                self._lose(str(error))
            except Exception:  # noqa: BLE001  a bug of ours in one call must not stop the telling of the next
                self.lost += 1
                _log.exception("a call could not be told")
            finally:
                calls.task_done()

    def _tell(self, call: Ended) -> None:
        parent: str | None = None
        for fields in self._events_of(call):
            about = fields if parent is None else {**fields, "parent_event_id": parent}
            told = self.emitter.emit(**{"time": call.started_at, **about})
            parent = parent or told

    def _lose(self, why: str) -> None:
        self.lost += 1
        _log.error("a call could not be told, %d so far: %s", self.lost, why)
