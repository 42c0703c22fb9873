"""What became of the events that were taken: counts, the first reason, and what is wrong with the connection now."""

import logging
import threading
from collections.abc import Callable

from confluent_kafka import KafkaError

_log = logging.getLogger("burnline_client")
_GIVEN_UP = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}  # noqa: SLF001  public names of librdkafka


class Deliveries:
    """Counts deliveries, from any thread. `trouble` is what the connection last complained of, empty when it works."""

    def __init__(self, on_error: Callable[[str, str], None] | None) -> None:
        self._on_error = on_error
        self._lock = threading.Lock()
        self.delivered = 0
        self.undelivered = 0
        self.first_reason = ""
        self.trouble = ""

    def note(self, event_id: str, error: KafkaError | None) -> None:
        """One event is delivered, or given up and told to `on_error`."""
        with self._lock:
            if error is None:
                self.delivered += 1
                self.trouble = ""
                return
            given_up = error.code() in _GIVEN_UP
            reason = f"not acknowledged in time; {self.trouble or 'no broker answered'}" if given_up else error.str()
            self.undelivered += 1
            self.first_reason = self.first_reason or reason
        _log.error("usage event %s could not be delivered: %s", event_id, reason)
        if self._on_error is not None:
            try:
                self._on_error(event_id, reason)
            except Exception:  # noqa: BLE001  a stranger's callback must not stop the delivery of other events
                _log.exception("on_error raised")

    def note_trouble(self, error: KafkaError) -> None:
        """The connection complains; one line in the log for each time that it stops working."""
        if not self.trouble:
            _log.warning("usage events wait in memory, Kafka cannot be reached: %s", error.str())
        self.trouble = error.str()
