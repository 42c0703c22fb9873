"""The emitter: takes usage events and delivers them to Kafka, or says that it could not. Never in silence.

Laws
1. An event that `emit` took is delivered, or stands in the spool when the emitter ends, or is counted in the
   UndeliveredError of `close` and told to `on_error`.
2. With `spool_dir`, an event for which `emit` returned survives kill -9 of the process: the next emitter on that folder
   sends it. What is sent twice by that has the same source and id, and counts once.
3. Retries of the connection write no event twice (idempotent producer, acks=all).
4. Records that share a credential (else a team, else an org) share a partition, by murmur2 as Kafka's own clients do.
Exceptions to law 2, each counted in `stats`: what the disk did not take (`unspooled`, `dropped`).
Long because the settings and the promises of one class stand here, and nothing else.
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
from typing import TYPE_CHECKING, Any, Literal

from confluent_kafka import KafkaError

from burnline_client.contract import event_key, usage_event
from burnline_client.credentials import Pepper, without_key
from burnline_client.deliveries import Deliveries
from burnline_client.emitter_stats import EmitterStats
from burnline_client.emitter_wire import KafkaWire
from burnline_client.errors import ClosedError, ForkedError, QueueFullError, UndeliveredError
from burnline_client.identity import time_ordered_id
from burnline_client.spool import Sync
from burnline_client.spool_disk import SpoolFolder
from burnline_client.spool_frames import Record
from burnline_client.spool_thread import SpoolThread

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from burnline_client.fields import UsageFields

_log = logging.getLogger("burnline_client")
_CLOSE_SEC = 30.0
_CLOSE_WITH_SPOOL_SEC = 5.0


class UsageEmitter:
    """Delivers usage events to one topic. Thread-safe; belongs to the process that made it; a context manager.

    `source` names who emits (a URI reference such as `checkout-api`); (source, id) is an event's identity.
    `defaults` are fields of every event; a call's own fields win.
    `config` goes to librdkafka as it is (security, tuning); what the laws rest on cannot be changed by it.
    `on_error(event_id, reason)` is told of each event that could not be delivered, `on_trouble(reason)` once when Kafka
    or the disk stops working; from any thread.
    `spool_dir` is a folder on a local disk where events stand until Kafka has them, at most `spool_max_bytes`; one
    folder serves one Kafka and any number of processes. `spool_sync` says what survives a power loss: `always` all that
    `emit` returned for, `interval` (default) what is older than 1 s, `never` what the system wrote by itself.
    `when_full` is what `emit` does when neither disk nor memory has room: `wait` (the default without a spool, or with
    `queue_wait_sec`), at most `queue_wait_sec`, then QueueFullError; `raise` it at once; `drop` (the default with a
    spool) counts and tells.
    `pepper` (`read_pepper(path)`): a `credential` that is an API key itself becomes its id under it, else a plain hash:
    no key leaves the process.
    `close_timeout_sec`: how long `close` waits for Kafka; 30 s, with a spool 5 s.
    Raises: ValueError: settings contradict each other. OSError: `spool_dir` cannot be made or used.
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
        on_trouble: Callable[[str], None] | None = None,
        spool_dir: str | os.PathLike[str] | None = None,
        spool_max_bytes: int = 1024**3,
        spool_sync: Sync = "interval",
        when_full: Literal["wait", "raise", "drop"] | None = None,
        queue_wait_sec: float | None = None,
        close_timeout_sec: float | None = None,
        pepper: Pepper | None = None,
    ) -> None:
        self._source = source
        self._topic = topic
        self._pepper = pepper
        self._defaults = dict(defaults or {})
        self._when_full = when_full or ("wait" if spool_dir is None or queue_wait_sec is not None else "drop")
        _check_choice("when_full", self._when_full, ("wait", "raise", "drop"))
        _check_choice("spool_sync", spool_sync, ("always", "interval", "never"))
        self._queue_wait_sec = queue_wait_sec
        default_close_sec = _CLOSE_SEC if spool_dir is None else _CLOSE_WITH_SPOOL_SEC
        self._close_timeout_sec = default_close_sec if close_timeout_sec is None else close_timeout_sec
        self._pid = os.getpid()
        self._deliveries = Deliveries(on_error, on_trouble)
        self._idle = threading.Condition()
        self._busy = 0
        self._emitted = 0
        self._in_memory = 0
        self._unspooled = 0
        self._closed = False
        self._before_close: list[Callable[[], None]] = []
        folder = SpoolFolder(spool_dir) if spool_dir is not None else None
        self._wire = KafkaWire(bootstrap_servers, dict(config or {}), self._deliveries, renewed=spool_dir is not None)
        self._spool: SpoolThread | None = None
        if folder is not None:
            self._spool = SpoolThread(
                folder,
                topic=topic,
                max_bytes=spool_max_bytes,
                sync=spool_sync,
                wire=self._wire,
                deliveries=self._deliveries,
            )
        atexit.register(self._close_at_exit)

    @property
    def delivered(self) -> int:
        """How many events Kafka has acknowledged so far."""
        return self._deliveries.delivered

    @property
    def undelivered(self) -> int:
        """How many events were given up so far."""
        return self._deliveries.undelivered

    @property
    def stats(self) -> EmitterStats:
        """How the emitter stands at this moment; also after it was closed."""
        told, spool = self._deliveries, self._spool.spool if self._spool is not None else None
        return EmitterStats(
            emitted=self._emitted,
            adopted=spool.adopted if spool else 0,
            delivered=told.delivered,
            undelivered=told.undelivered,
            dropped=told.dropped,
            waiting=self._waiting(),
            unspooled=self._unspooled,
            unreadable=spool.unreadable if spool else 0,
            spool_bytes=spool.size_bytes if spool else 0,
            cut_bytes=spool.cut_bytes if spool else 0,
            disk_errors=spool.disk_errors if spool else 0,
            trouble=told.trouble,
            disk_trouble=told.disk_trouble,
        )

    def emit(self, *, id: str | None = None, time: datetime | None = None, **fields: Unpack[UsageFields]) -> str:  # noqa: A002  CloudEvents calls it so
        """The event is on its way to Kafka (with a spool: on disk); returns its id. UsageFields is what it may say.

        `time` is when the call was made (aware), default now; `id` defaults to a new time-ordered UUID. Give your own
        id where the same call may be told twice: a second event of the same id counts once, one of a higher `revision`
        replaces it.
        Raises: InvalidUsageError: the event breaks the contract, or has more than 1 MiB.
                QueueFullError: there is no room, and `when_full` says to raise, or to wait no longer.
                ClosedError, ForkedError: this emitter cannot be used (any more, or here).
        """
        event_id = id if id is not None else time_ordered_id(clock.time_ns() // 1_000_000)
        at = time if time is not None else datetime.now(timezone.utc)
        said = {**self._defaults, **{name: value for name, value in fields.items() if value is not None}}
        credential = said.get("credential")
        if isinstance(credential, str):
            said["credential"] = without_key(credential, self._pepper)
        record = Record(event_id, event_key(said), usage_event(source=self._source, id=event_id, time=at, fields=said))
        with self._idle:
            self._check_usable()
            self._busy += 1
        spooled = taken = False
        try:
            spooled = self._spool is not None and self._spool.keep(record)
            taken = spooled or self._produce(record)
        finally:
            with self._idle:
                self._busy -= 1
                self._emitted += taken
                self._unspooled += taken and not spooled and self._spool is not None
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
        """All that was ever taken is delivered or stands in the spool; the emitter is over. Closing twice is allowed.

        Waits at most `timeout_sec`, by default `close_timeout_sec`; what still waits then and is not in the spool is
        given up.
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
        self._flush(self._close_timeout_sec if timeout_sec is None else timeout_sec)
        if self._spool is not None:
            self._spool.stop()
        self._wire.close()
        if self._spool is not None:
            self._spool.close()
        if self._deliveries.lost:
            raise UndeliveredError(self._deliveries.lost, self._deliveries.first_reason)

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

    def _produce(self, record: Record) -> bool:
        """Whether the event is in librdkafka's queue; False: it was dropped, as `when_full` says."""
        give_up_at = None if self._queue_wait_sec is None else clock.monotonic() + self._queue_wait_sec
        while not self._queued(record):
            why = self._deliveries.disk_trouble or self._deliveries.trouble or "Kafka is slower than this process"
            if self._when_full == "drop":
                self._deliveries.note_dropped(record.event_id, f"the queue is full: {why}")
                return False
            if self._closed:
                raise ClosedError("the emitter was closed while this event waited for room in the queue")
            if self._when_full == "raise":
                raise QueueFullError(f"the queue is full: {why}")
            if give_up_at is not None and clock.monotonic() >= give_up_at:
                raise QueueFullError(f"the queue stayed full for {self._queue_wait_sec} s: {why}")
            self._wire.wait_a_little()
        return True

    def _queued(self, record: Record) -> bool:
        queued = False
        with self._idle:
            self._in_memory += 1
        try:
            queued = self._wire.send(self._topic, record, partial(self._told, record.event_id))
        finally:
            if not queued:
                with self._idle:
                    self._in_memory -= 1
        return queued

    def _told(self, event_id: str, error: KafkaError | None) -> None:
        with self._idle:
            self._in_memory -= 1
        self._deliveries.note(event_id, error)

    def _waiting(self) -> int:
        return self._in_memory + (self._spool.spool.waiting if self._spool is not None else 0)

    def _flush(self, timeout_sec: float) -> int:
        end = clock.monotonic() + timeout_sec
        if self._spool is not None:
            self._spool.wait_idle(timeout_sec)
        self._wire.flush(max(0.0, end - clock.monotonic()) if self._in_memory else 0.0)
        return self._waiting()

    def _close_at_exit(self) -> None:
        """At the end of a process that forgot to close: what waits is sent, what cannot be sent is in the log."""
        if os.getpid() != self._pid:
            return
        try:
            self.close()
        except UndeliveredError as error:
            _log.error("%s", error)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value!r}: choose one of {', '.join(choices)}")
