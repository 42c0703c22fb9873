"""What became of the events that were taken: counts, the first reason, and what is wrong with the connection now."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from confluent_kafka import KafkaError

_log = logging.getLogger("burnline_client")
GIVEN_UP = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}  # noqa: SLF001  public names of librdkafka
_LOGGED_IN_FULL = 8


class Deliveries:
    """Counts what became of events, from any thread.

    `undelivered` were taken and given up, `dropped` never taken. `trouble` and `disk_trouble` are what Kafka and the
    disk last complained of, empty when they work.
    """

    def __init__(
        self,
        on_error: Callable[[str, str], None] | None = None,
        on_trouble: Callable[[str], None] | None = None,
    ) -> None:
        self._on_error = on_error
        self._on_trouble = on_trouble
        self._lock = threading.Lock()
        self.delivered = 0
        self.undelivered = 0
        self.dropped = 0
        self.first_reason = ""
        self.trouble = ""
        self.disk_trouble = ""

    @property
    def lost(self) -> int:
        """How many events will not arrive."""
        return self.undelivered + self.dropped

    def note(self, event_id: str, error: KafkaError | None) -> None:
        """One event is delivered, or given up and told to `on_error`."""
        with self._lock:
            if error is None:
                self.delivered += 1
                self.trouble = ""
                return
            given_up = error.code() in GIVEN_UP
            reason = f"not acknowledged in time; {self.trouble or 'no broker answered'}" if given_up else error.str()
            self.undelivered += 1
        self._tell(event_id, reason)

    def note_dropped(self, event_id: str, reason: str) -> None:
        """One event found no room anywhere and is told to `on_error`."""
        with self._lock:
            self.dropped += 1
        self._tell(event_id, reason)

    def _tell(self, event_id: str, reason: str) -> None:
        self.first_reason = self.first_reason or reason
        lost = self.lost
        if lost <= _LOGGED_IN_FULL or lost & (lost - 1) == 0:  # then at powers of two: a log that fills helps nobody
            _log.error("usage event %s could not be delivered: %s (%d by now)", event_id, reason, lost)
        if self._on_error is not None:
            try:
                self._on_error(event_id, reason)
            except Exception:  # noqa: BLE001  a stranger's callback must not stop the delivery of other events
                _log.exception("on_error raised")

    def note_trouble(self, reason: str) -> None:
        """Kafka cannot be reached; logged and told to `on_trouble` once for each time that it stops working."""
        began, self.trouble = not self.trouble, reason
        if began:
            self._warn(f"usage events wait, Kafka cannot be reached: {reason}")

    def note_disk_trouble(self, reason: str) -> None:
        """The disk takes no event; logged and told to `on_trouble` once for each time that this begins."""
        began, self.disk_trouble = not self.disk_trouble, reason
        if began:
            self._warn(f"usage events are kept in memory only, the spool takes none: {reason}")

    def note_spooled(self) -> None:
        """The disk took an event."""
        self.disk_trouble = ""

    def _warn(self, text: str) -> None:
        _log.warning("%s", text)
        if self._on_trouble is not None:
            try:
                self._on_trouble(text)
            except Exception:  # noqa: BLE001  a stranger's callback must not stop the delivery of events
                _log.exception("on_trouble raised")
