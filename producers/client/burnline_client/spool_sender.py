"""What stands in the spool goes to Kafka, in order, a bounded part of it at a time. The clock is an argument.

Laws
1. An event is settled when Kafka acknowledged it, or refused it for what it is; for any other reason it is sent again.
2. At most `WINDOW_BYTES` are under way; the rest waits on disk, not in memory.
3. Events reach Kafka in the order of their files; only one that had to be sent again comes later.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from confluent_kafka import KafkaError

from burnline_client.deliveries import GIVEN_UP, Deliveries
from burnline_client.errors import InvalidUsageError, UndeliveredError
from burnline_client.spool import Spool, Taken
from burnline_client.spool_frames import Record

WINDOW_BYTES = 8 * 1_048_576
LOOK_SEC = 10.0
"""How often it looks for files of processes that died."""
RETRY_SEC = 1.0
_FOR_GOOD = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_MSG_SIZE,
    KafkaError.INVALID_RECORD,
}
"""Refusals that say something of the event itself; all others say something of the broker, and pass."""


class Wire(Protocol):
    """The way to Kafka."""

    def send(self, topic: str, record: Record, told: Callable[[KafkaError | None], None]) -> bool:
        """Whether it is under way; `told` will then be called once, from any thread. False: no room now.

        Raises: InvalidUsageError: it will never take this event. UndeliveredError: it takes none at present.
        """


class Sender:
    """Sends what the spool holds. `step` is called by one thread; what the wire tells may come from any."""

    def __init__(self, spool: Spool, wire: Wire, deliveries: Deliveries) -> None:
        self._spool = spool
        self._wire = wire
        self._deliveries = deliveries
        self._lock = threading.Lock()
        self._pending: deque[Taken] = deque()
        self._failed: deque[Taken] = deque()
        self._under_way_bytes = 0
        self._look_at_sec = float("-inf")
        self._retry_at_sec = float("-inf")
        self._looked = False

    @property
    def idle(self) -> bool:
        """Whether everything on disk, files of dead processes too, is delivered."""
        return self._looked and self._spool.waiting == 0

    def step(self, now_sec: float) -> None:
        """All that can be under way now is; files that are done are gone."""
        if now_sec >= self._look_at_sec:
            more = self._spool.adopt()
            self._looked = self._looked or not more
            self._look_at_sec = now_sec if more else now_sec + LOOK_SEC
        if self._failed and now_sec >= self._retry_at_sec:
            self._retry_at_sec = now_sec + RETRY_SEC
            for _ in range(len(self._failed)):
                self._pending.append(self._failed.popleft())
        while self._under_way_bytes < WINDOW_BYTES:
            if not self._pending:
                self._pending.extend(self._spool.take())
            if not self._pending or not self._send(self._pending[0]):
                break
            self._pending.popleft()
        self._spool.tidy(now_sec)

    def _send(self, taken: Taken) -> bool:
        size = len(taken.record.value)
        with self._lock:
            self._under_way_bytes += size
        told = partial(self._told, taken)
        try:
            if self._wire.send(taken.segment.topic, taken.record, told):
                return True
        except InvalidUsageError as error:
            told(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, str(error)))
            return True
        except UndeliveredError as error:
            self._deliveries.note_trouble(error.reason)
        with self._lock:
            self._under_way_bytes -= size
        return False

    def _told(self, taken: Taken, error: KafkaError | None) -> None:
        with self._lock:
            self._under_way_bytes -= len(taken.record.value)
        if error is not None and error.code() not in _FOR_GOOD:
            self._failed.append(taken)
            if error.code() not in GIVEN_UP:
                self._deliveries.note_trouble(error.str())
            return
        self._spool.settle(taken.segment)
        self._deliveries.note(taken.record.event_id, error)
