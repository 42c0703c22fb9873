"""librdkafka's producer as the emitter uses it: what the laws rest on is set, fatal errors are lived through."""

from __future__ import annotations

import logging
import threading
import time as clock
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from burnline_client.contract import MAX_EVENT_BYTES
from burnline_client.deliveries import Deliveries
from burnline_client.errors import InvalidUsageError, UndeliveredError
from burnline_client.spool_frames import Record

_log = logging.getLogger("burnline_client")
_HEADERS = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
_PROMISES: dict[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    "max.in.flight.requests.per.connection": 1,  # with more, a first batch that is refused may pass for delivered
    "partitioner": "murmur2_random",
}
_DEFAULTS: dict[str, Any] = {
    "client.id": "burnline-client",
    "log_level": 2,  # what librdkafka says again and again, `note_trouble` says once
    "compression.type": "lz4",
    "linger.ms": 20,
    "message.timeout.ms": 0,  # never given up while the process lives; `close` decides how long to wait
    "message.max.bytes": MAX_EVENT_BYTES + 4096,
    "queue.buffering.max.kbytes": 65_536,
}
_POLL_SEC = 0.2


class KafkaWire:
    """The way to Kafka; a thread of its own hears what became of what was sent. `close` ends it.

    `renewed`: after a fatal error a new producer goes on, for events that can be sent again; else the error is raised.
    Raises: ValueError: `config` would change what the emitter promises.
    """

    def __init__(
        self, bootstrap_servers: str, config: Mapping[str, Any], deliveries: Deliveries, *, renewed: bool
    ) -> None:
        changed = [name for name, value in _PROMISES.items() if config.get(name, value) != value]
        if changed:
            raise ValueError(f"config may not change {', '.join(changed)}: the emitter's promises rest on it")
        self._config = {**_DEFAULTS, "bootstrap.servers": bootstrap_servers, **config, **_PROMISES}
        self._deliveries = deliveries
        self._renewed = renewed
        self._renewing = threading.Lock()
        self._producer = self._connect()
        self._stop = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="burnline-client", daemon=True)
        self._poller.start()

    def _connect(self) -> Producer:
        return Producer({**self._config, "error_cb": self._on_trouble}, logger=_log)

    def _on_trouble(self, error: KafkaError) -> None:
        self._deliveries.note_trouble(error.str())

    def send(self, topic: str, record: Record, told: Callable[[KafkaError | None], None]) -> bool:
        """Whether it is under way; False: the queue is full, or the connection had to be made anew.

        Raises: InvalidUsageError: the event is larger than `config` allows. UndeliveredError: librdkafka refuses it.
        """

        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            told(error)

        producer = self._producer
        try:
            producer.produce(topic, record.value, record.key, on_delivery=on_delivery, headers=_HEADERS)
        except BufferError:
            return False
        except KafkaException as error:
            said: KafkaError = error.args[0]
            if said.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                raise InvalidUsageError(f"the event has {len(record.value)} bytes: {said.str()}") from error
            if self._renewed and (said.fatal() or said.code() == KafkaError._FATAL):  # noqa: SLF001  a public name
                self._renew(producer, said)
                return False
            raise UndeliveredError(1, said.str()) from error
        return True

    def _renew(self, old: Producer, said: KafkaError) -> None:
        """After a fatal error only a new producer can go on; what the old one still held is told as not delivered."""
        with self._renewing:
            if self._producer is not old:
                return
            self._deliveries.note_trouble(said.str())
            _log.error("the connection to Kafka ended for good and is made anew: %s", said.str())
            self._producer = self._connect()
        old.purge()
        old.flush(1.0)

    def wait_a_little(self) -> None:
        """Some deliveries were told, or a moment is over."""
        self._producer.poll(0.05)

    def flush(self, timeout_sec: float) -> int:
        """What was sent is told, or the time is over; how many still wait."""
        end = clock.monotonic() + timeout_sec
        while True:
            left = end - clock.monotonic()
            waiting = int(self._producer.flush(max(0.0, min(left, 0.5))))
            if not waiting or left <= 0:
                return waiting

    def close(self) -> None:
        """What still waits is told as not delivered; nothing is told after that."""
        self._stop.set()
        self._poller.join()
        if self.flush(0):
            self._producer.purge()
            self.flush(1.0)

    def _poll(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(_POLL_SEC)
