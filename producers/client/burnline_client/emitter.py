"""The emitter: takes usage events and delivers them to Kafka, or says that it could not. Never in silence.

Laws
1. An event that `emit` took is delivered, or counted in the UndeliveredError of `close`, and told to `on_error`.
2. A full queue makes `emit` wait; it never drops.
3. Retries of the connection write no event twice (idempotent producer, acks=all).
4. Records that share a credential (else a team, else an org) share a partition, by murmur2 as Kafka's own clients do.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time as clock
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from burnline_client.contract import MAX_EVENT_BYTES, event_key, usage_event
from burnline_client.deliveries import Deliveries
from burnline_client.errors import ClosedError, ForkedError, InvalidUsageError, QueueFullError, UndeliveredError
from burnline_client.identity import time_ordered_id

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from burnline_client.fields import UsageFields

_log = logging.getLogger("burnline_client")
_HEADERS = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
_PROMISES: dict[str, Any] = {"acks": "all", "enable.idempotence": True, "partitioner": "murmur2_random"}
_DEFAULTS: dict[str, Any] = {
    "client.id": "burnline-client",
    "compression.type": "lz4",
    "linger.ms": 20,
    "message.timeout.ms": 0,  # never given up while the process lives; `close` decides how long to wait
    "message.max.bytes": MAX_EVENT_BYTES + 4096,
    "queue.buffering.max.kbytes": 65_536,
}
_POLL_SEC = 0.2


class UsageEmitter:
    """Delivers usage events to one topic. Thread-safe; belongs to the process that made it; a context manager.

    `source` names who emits (a URI reference such as `checkout-api`); (source, id) is an event's identity.
    `defaults` are fields of every event; a call's own fields win.
    `config` goes to librdkafka as it is (security, tuning); what the laws rest on cannot be changed by it.
    `on_error(event_id, reason)` is told of each event that could not be delivered, from any thread.
    `queue_wait_sec` is how long `emit` waits on a full queue before QueueFullError; None waits as long as it takes.
    """

    def __init__(  # noqa: PLR0913  settings of one thing, all by name
        self,
        *,
        bootstrap_servers: str,
        source: str,
        topic: str = "usage.events",
        defaults: UsageFields | None = None,
        config: Mapping[str, Any] | None = None,
        on_error: Callable[[str, str], None] | None = None,
        queue_wait_sec: float | None = None,
        close_timeout_sec: float = 30.0,
    ) -> None:
        given = dict(config or {})
        changed = [name for name, value in _PROMISES.items() if given.get(name, value) != value]
        if changed:
            raise ValueError(f"config may not change {', '.join(changed)}: the emitter's promises rest on it")
        self._source = source
        self._topic = topic
        self._defaults = dict(defaults or {})
        self._queue_wait_sec = queue_wait_sec
        self._close_timeout_sec = close_timeout_sec
        self._pid = os.getpid()
        self._deliveries = Deliveries(on_error)
        self._idle = threading.Condition()
        self._busy = 0
        self._closed = False
        self._before_close: list[Callable[[], None]] = []
        self._stop = threading.Event()
        self._producer = Producer(
            {
                **_DEFAULTS,
                "bootstrap.servers": bootstrap_servers,
                **given,
                **_PROMISES,
                "error_cb": self._deliveries.note_trouble,
            },
            logger=_log,
        )
        self._poller = threading.Thread(target=self._poll, name="burnline-client", daemon=True)
        self._poller.start()
        atexit.register(self._close_at_exit)

    @property
    def delivered(self) -> int:
        """How many events Kafka has acknowledged so far."""
        return self._deliveries.delivered

    @property
    def undelivered(self) -> int:
        """How many events were given up so far."""
        return self._deliveries.undelivered

    def emit(self, *, id: str | None = None, time: datetime | None = None, **fields: Unpack[UsageFields]) -> str:  # noqa: A002  CloudEvents calls it so
        """The event is on its way to Kafka; returns its id. See UsageFields for what it may say.

        `time` is when the call was made (aware), default now; `id` defaults to a new time-ordered UUID. Give your own
        id where the same call may be told twice: a second event of the same id counts once.
        Raises: InvalidUsageError: the event breaks the contract, or has more than 1 MiB.
                QueueFullError: the queue stayed full for `queue_wait_sec`.
                ClosedError, ForkedError: this emitter cannot be used (any more, or here).
        """
        event_id = id if id is not None else time_ordered_id(clock.time_ns() // 1_000_000)
        at = time if time is not None else datetime.now(timezone.utc)
        said = {**self._defaults, **{name: value for name, value in fields.items() if value is not None}}
        raw = usage_event(source=self._source, id=event_id, time=at, fields=said)
        with self._idle:
            self._check_usable()
            self._busy += 1
        try:
            self._produce(event_id, key=event_key(said), raw=raw)
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()
        return event_id

    def flush(self, timeout_sec: float = 30.0) -> int:
        """What was taken is acknowledged or given up, or the time is over; returns how many events still wait."""
        self._check_usable()
        return self._flush(timeout_sec)

    def before_close(self, act: Callable[[], None]) -> None:
        """`act` is called once, at the start of `close`, while this emitter still takes events."""
        self._before_close.append(act)

    def close(self, timeout_sec: float | None = None) -> None:
        """Everything that was ever taken is delivered, and the emitter can no longer be used. Closing twice is allowed.

        Waits at most `timeout_sec`, by default `close_timeout_sec`; what still waits then is given up.
        Raises: UndeliveredError: events were given up, now or before. ForkedError: another process made the emitter.
        """
        while self._before_close and os.getpid() == self._pid:
            self._before_close.pop()()
        with self._idle:
            if self._closed:
                return
            self._check_usable()
            self._closed = True
            self._idle.wait_for(lambda: self._busy == 0)
        atexit.unregister(self._close_at_exit)
        self._stop.set()
        self._poller.join()
        waiting = self._flush(self._close_timeout_sec if timeout_sec is None else timeout_sec)
        if waiting:
            self._producer.purge()
            self._flush(1.0)
        if self._deliveries.undelivered:
            raise UndeliveredError(self._deliveries.undelivered, self._deliveries.first_reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedError(
                f"this emitter was made in process {self._pid}, this is {os.getpid()}; make one after the fork"
            )
        if self._closed:
            raise ClosedError("this emitter is closed")

    def _produce(self, event_id: str, *, key: str, raw: bytes) -> None:
        give_up_at = None if self._queue_wait_sec is None else clock.monotonic() + self._queue_wait_sec
        on_delivery = partial(self._on_delivery, event_id)
        while not self._queued(raw, key, on_delivery):
            if self._closed:
                raise ClosedError("the emitter was closed while this event waited for room in the queue")
            if give_up_at is not None and clock.monotonic() >= give_up_at:
                why = self._deliveries.trouble or "Kafka is slower than this process"
                raise QueueFullError(f"the queue stayed full for {self._queue_wait_sec} s: {why}")
            self._producer.poll(0.05)

    def _queued(self, raw: bytes, key: str, on_delivery: Callable[[KafkaError | None, Message], None]) -> bool:
        try:
            self._producer.produce(self._topic, raw, key, on_delivery=on_delivery, headers=_HEADERS)
        except BufferError:
            return False
        except KafkaException as error:
            said: KafkaError = error.args[0]
            if said.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                raise InvalidUsageError(f"the event has {len(raw)} bytes: {said.str()}") from error
            raise UndeliveredError(1, said.str()) from error
        return True

    def _on_delivery(self, event_id: str, error: KafkaError | None, _message: Message) -> None:
        self._deliveries.note(event_id, error)

    def _poll(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(_POLL_SEC)

    def _flush(self, timeout_sec: float) -> int:
        end = clock.monotonic() + timeout_sec
        while True:
            left = end - clock.monotonic()
            waiting = int(self._producer.flush(max(0.0, min(left, 0.5))))
            if not waiting or left <= 0:
                return waiting

    def _close_at_exit(self) -> None:
        """At the end of a process that forgot to close: what waits is sent, what cannot be sent is in the log."""
        if os.getpid() != self._pid:
            return
        try:
            self.close()
        except UndeliveredError as error:
            _log.error("%s", error)
