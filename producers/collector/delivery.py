"""Records to Kafka, and the word of Kafka that they stand there: what `202 Accepted` rests on.

Laws
1. `deliver` returns when every record is acknowledged by all in-sync replicas, and raises otherwise. After it has
   raised some of the records may stand there all the same: the caller sends all of them again, under the same ids.
2. What is under way is bounded, in bytes and in time.
3. A connection by which a request failed gets no further one: old ones were seen to be answered no more, for good.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from producers.sending import HEADERS, producer_config
from producers.stamp import Event
from schemas.connection import KafkaSettings
from schemas.errors import InputError, KafkaUnavailableError
from schemas.heartbeats import beat_headers

_log = logging.getLogger(__name__)
_POLL_SEC = 0.1
_PROBE_SEC = 2.0
_FULL = "the queue to Kafka is full"


class Delivery:
    """The door to one topic. Thread-safe where it says so; `close` ends it."""

    def __init__(self, kafka: KafkaSettings, *, topic: str = "usage.events", timeout_sec: float = 10.0) -> None:
        self._topic = kafka.topic(topic)
        self._where = kafka.bootstrap_servers
        self.trouble = ""
        self._settings: dict[str, Any] = {
            **producer_config(kafka),
            "client.id": "burnline-collector",
            "linger.ms": 5,
            "message.timeout.ms": int(timeout_sec * 1000),
            "queue.buffering.max.kbytes": 65_536,
            "log_level": 0,  # twenty lines a second while Kafka is away; `_tell` says one, and one when it is back
            "error_cb": self._note,
        }
        self._producer = self._connect()
        self._left: deque[Producer] = deque()  # what is under way by them is still settled
        self._stop = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="burnline-collector", daemon=True)
        self._poller.start()

    def _connect(self) -> Producer:
        return Producer(self._settings, logger=_log)

    def _renew(self, failed: Producer) -> None:
        """The next request goes by a new connection, unless another one saw to that."""
        if self._producer is failed:
            self._producer = self._connect()
            self._left.append(failed)

    async def deliver(self, events: Sequence[Event]) -> None:
        """Every event stands in the topic.

        Raises: KafkaUnavailableError: Kafka has not said so in time, or takes no more now. InputError: it refuses one.
        """
        if not events:
            return
        loop = asyncio.get_running_loop()
        waiting, producer = _Waiting(loop, len(events)), self._producer
        for place, event in enumerate(events):
            try:
                producer.produce(self._topic, event.value, event.key, on_delivery=waiting.settle, headers=HEADERS)
            except BufferError:
                waiting.leave(len(events) - place, _FULL)
                break
            except KafkaException as error:
                waiting.leave(len(events) - place, error.args[0].str())
                break
        failure = await waiting.done
        if failure is None:
            self._tell("")
            return
        if failure == KafkaError.MSG_SIZE_TOO_LARGE:
            raise InputError("Kafka refuses a message of this size")
        if failure != _FULL:
            self._renew(producer)
        self._tell(self.trouble or str(failure))
        raise KafkaUnavailableError(f"Kafka at {self._where} did not acknowledge: {self.trouble}")

    def beat(self, beat_id: str, *, sent_at: datetime) -> None:
        """A heartbeat goes the way of every event; where it cannot, its absence is what it has to say.

        So a connection that is of no use any more is found, and left, before a request needs it.
        """
        producer = self._producer

        def settle(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                self._tell(self.trouble or error.str())
                self._renew(producer)

        headers = beat_headers(beat_id, sent_at=sent_at)
        with suppress(BufferError, KafkaException):
            producer.produce(self._topic, b"{}", headers=headers, on_delivery=settle)

    async def works(self) -> bool:
        """Whether Kafka answers; it is asked only where it did not answer last."""
        if self.trouble:
            producer = self._producer
            try:
                await asyncio.to_thread(producer.list_topics, self._topic, timeout=_PROBE_SEC)
                self._tell("")
            except KafkaException as error:
                self._renew(producer)
                self._tell(self.trouble or error.args[0].str())
        return not self.trouble

    def close(self) -> None:
        """What is under way is settled, and the connection is closed."""
        self._stop.set()
        self._poller.join()
        for producer in (self._producer, *self._left):
            producer.flush(10)

    def _poll(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(_POLL_SEC)
            for _ in range(len(self._left)):
                producer = self._left.popleft()
                producer.poll(0)
                if len(producer):
                    self._left.append(producer)

    def _note(self, error: KafkaError) -> None:
        self._tell(error.str())

    def _tell(self, trouble: str) -> None:
        """What is wrong with Kafka now is known, and said where that is news; nothing is ''."""
        if trouble and not self.trouble:
            _log.error("Kafka at %s does not answer: %s", self._where, trouble)
        elif self.trouble and not trouble:
            _log.info("Kafka at %s answers again", self._where)
        self.trouble = trouble


class _Waiting:
    """Records of one request that Kafka has not settled yet; `done` becomes None, or why one of them failed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int) -> None:
        self._loop = loop
        self._left = count
        self._failure: str | int | None = None
        self._lock = threading.Lock()
        self.done: asyncio.Future[str | int | None] = loop.create_future()

    def settle(self, error: KafkaError | None, _message: Message) -> None:
        """One record is settled; from the thread that polls."""
        why: str | int | None = None
        if error is not None:
            too_large = error.code() == KafkaError.MSG_SIZE_TOO_LARGE
            why = KafkaError.MSG_SIZE_TOO_LARGE if too_large else error.str()
        self.leave(1, why)

    def leave(self, count: int, why: str | int | None) -> None:
        """So many records are settled, or will never be sent."""
        with self._lock:
            self._left -= count
            self._failure = self._failure or why
            is_over = self._left == 0
        if is_over:
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(self._failure)
