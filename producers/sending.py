"""The door to Kafka of all producers in this room: idempotent, acknowledged by all, nothing dropped in silence."""

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.connection import ONE_IN_FLIGHT, KafkaSettings
from schemas.errors import FatalError, KafkaUnavailableError, SettingsError
from schemas.usage import MAX_EVENT_BYTES

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # librdkafka's own words are for who asks for them; `trouble` has the last one
HEADERS = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
TOO_LARGE = "refused_too_large"
_POLL_EVERY = 100
_REFUSED_RIGHTS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,  # noqa: SLF001  a public name of librdkafka
}

Settled = Callable[[str | None], None]
"""Called when a record is acknowledged (None) or refused by the broker for good (why)."""


def producer_config(kafka: KafkaSettings) -> dict[str, Any]:
    """librdkafka's settings of a producer that loses nothing and keeps trying as long as the process lives."""
    return {
        **kafka.to_confluent(),
        "client.id": "burnline-replay",
        "acks": "all",
        "enable.idempotence": True,
        **ONE_IN_FLIGHT,
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 20,
        "message.timeout.ms": 0,
        "message.max.bytes": MAX_EVENT_BYTES + 4096,
        "queue.buffering.max.kbytes": 131_072,
    }


class Sender:
    """Sends records to one topic that exists already; use as a context manager or call `flush` at the end.

    Raises: KafkaUnavailableError: no broker answers within `find_timeout_sec`. SettingsError: the topic does not exist.
    """

    def __init__(self, kafka: KafkaSettings, topic: str, *, find_timeout_sec: float = 10.0) -> None:
        self._topic = kafka.topic(topic)
        self._where = kafka.bootstrap_servers
        self.trouble = ""
        self._failure: KafkaError | None = None
        self._sent = 0
        self._again: list[tuple[bytes, bytes, Settled]] = []
        self._producer = Producer({**producer_config(kafka), "error_cb": self._note_trouble}, logger=_log)
        try:
            topics = self._producer.list_topics(timeout=find_timeout_sec).topics
        except KafkaException as error:
            said = self.trouble or error.args[0].str()
            raise KafkaUnavailableError(
                f"no Kafka broker answers at {self._where} ({said}); start the stack with: burnline up"
            ) from error
        if self._topic not in topics:
            raise SettingsError(
                f"topic {self._topic} does not exist at {self._where}; create it with: burnline topics apply"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer.purge()

    def send(self, key: bytes, value: bytes, settled: Settled) -> None:
        """The record is on its way; waits while the queue is full.

        Raises: SettingsError, FatalError: Kafka refuses to take records of ours.
        """
        while not self._queued(key, value, settled, last=False):
            self.wait(0.05)
        self._sent += 1
        if self._sent % _POLL_EVERY == 0:
            self.wait(0)

    def wait(self, sec: float) -> None:
        """Deliveries of the next `sec` seconds are settled; returns early when some were."""
        self._producer.poll(sec)
        self._raise_failure()

    def flush(self, timeout_sec: float) -> int:
        """What was sent is settled or the time is over; returns how many records are still under way."""
        waiting = int(self._producer.flush(timeout_sec))
        self._raise_failure()
        if waiting or not self._again:
            return waiting + len(self._again)
        key, value, settled = self._again.pop()
        # A batch is refused as a whole when it is too large: each of its records gets a second chance alone.
        self._queued(key, value, settled, last=True)
        waiting = int(self._producer.flush(timeout_sec))
        return waiting + len(self._again)

    def _queued(self, key: bytes, value: bytes, settled: Settled, *, last: bool) -> bool:
        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                self.trouble = ""
                settled(None)
            elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE and not last:
                self._again.append((key, value, settled))
            elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                settled(TOO_LARGE)
            elif error.code() not in {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}:  # noqa: SLF001  public names
                self._failure = self._failure or error

        try:
            self._producer.produce(self._topic, value, key, on_delivery=on_delivery, headers=HEADERS)
        except BufferError:
            return False
        except KafkaException as error:
            if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise FatalError(f"Kafka's client gave up: {error.args[0].str()}") from error
            settled(TOO_LARGE)
        return True

    def _note_trouble(self, error: KafkaError) -> None:
        self.trouble = error.str()

    def _raise_failure(self) -> None:
        if self._failure is None:
            return
        said = f"Kafka at {self._where} refuses records for {self._topic}: {self._failure.str()}"
        if self._failure.code() in _REFUSED_RIGHTS:
            raise SettingsError(said)
        raise FatalError(said)
