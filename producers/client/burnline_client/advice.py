"""What Burnline advises about runs and use cases, read from `control.advice` in a thread of its own.

Advice is the newest one about each and holds until its `valid_until`. Who cannot read it (Kafka away, no right)
hears "continue": no word, no hindrance; nothing of ours is raised into the caller and nobody waits.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from datetime import datetime, timezone
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from burnline_client.environment import kafka_from_environment

_log = logging.getLogger("burnline_client")
MOST_RUNS = 50_000
_BACK = 2_000
_PAUSE_SEC = 5.0
_SILENT_SEC = 60.0


class Advice(msgspec.Struct, frozen=True):
    """An advice: continue, ask_owner or stop a run; a use case of low_value may wait, or use what is cheaper."""

    org: str
    entity_id: str
    advice: str
    rule: str
    message: str
    at: datetime
    valid_until: datetime
    entity_type: str = "run"


class _Signal(msgspec.Struct):
    type: str
    data: msgspec.Raw


class AdviceBook:
    """The newest advice of each run and use case; for many threads. The oldest is forgotten beyond `most` of them."""

    def __init__(self, *, most: int = MOST_RUNS) -> None:
        self._held: OrderedDict[tuple[str, str, str], Advice] = OrderedDict()
        self._lock = threading.Lock()
        self._most = most

    def take(self, raw: bytes) -> None:
        """The advice that the bytes hold is known; other bytes change nothing."""
        try:
            signal = msgspec.json.decode(raw, type=_Signal)
            if signal.type != "burnline.advice.v1":
                return
            said = msgspec.json.decode(signal.data, type=Advice)
        except msgspec.MsgspecError:
            return
        with self._lock:
            key = (said.org, said.entity_type, said.entity_id)
            before = self._held.pop(key, said)
            self._held[key] = said if said.at >= before.at else before
            while len(self._held) > self._most:
                self._held.popitem(last=False)

    def about(self, org: str, run: str, *, now: datetime) -> Advice | None:
        """The advice about a run that holds now; None: continue."""
        return self._holding((org, "run", run), now=now)

    def about_use_case(self, org: str, use_case: str, *, now: datetime) -> Advice | None:
        """The advice about a use case that holds now; None: continue."""
        return self._holding((org, "use_case", use_case), now=now)

    def _holding(self, key: tuple[str, str, str], *, now: datetime) -> Advice | None:
        with self._lock:
            said = self._held.get(key)
        return None if said is None or said.advice == "continue" or said.valid_until <= now else said


class AdviceReader:
    """Keeps a book up to date from Kafka until `close`; without arguments, from the Kafka of the environment."""

    def __init__(self, kafka: dict[str, Any] | None = None, *, book: AdviceBook | None = None) -> None:
        found = kafka_from_environment() if kafka is None else kafka
        self.book = AdviceBook() if book is None else book
        self._topic = found["topic"].removesuffix("usage.events") + "control.advice"
        self._config = {
            **found["config"],
            "bootstrap.servers": found["bootstrap_servers"],
            "group.id": os.environ.get("BURNLINE_KAFKA_GROUP_PREFIX", "burnline-")
            + "subscribers-advice",  # nothing joins it: partitions are assigned
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "log_level": 0,
            "error_cb": lambda _error: None,
        }
        self._next: int | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="burnline-advice", daemon=True)
        self._thread.start()

    def about(self, org: str, run: str) -> Advice | None:
        """The advice about a run that holds now; None: continue."""
        return self.book.about(org, run, now=datetime.now(timezone.utc))

    def about_use_case(self, org: str, use_case: str) -> Advice | None:
        """The advice about a use case that holds now; None: continue."""
        return self.book.about_use_case(org, use_case, now=datetime.now(timezone.utc))

    def close(self) -> None:
        """Nothing is read any more."""
        self._closed.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._read()
            except Exception:  # noqa: BLE001, PERF203  a gateway must not fail because of advice
                _log.warning("advice cannot be read; every run may continue", exc_info=True)
                self._closed.wait(_PAUSE_SEC)

    def _read(self) -> None:
        """What is new is in the book, until nothing came for a while: silence may be the connection's own, for good."""
        consumer = Consumer(self._config)
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(self._topic, 0), timeout=10)
            self._next = max(low, high - _BACK if self._next is None or self._next > high else self._next)
            consumer.assign([TopicPartition(self._topic, 0, self._next)])
            heard_sec = time.monotonic()
            while not self._closed.is_set() and time.monotonic() - heard_sec < _SILENT_SEC:
                message = consumer.poll(0.5)
                if message is None:
                    continue
                if message.error() is not None:
                    raise KafkaException(message.error())
                self.book.take(message.value() or b"")
                self._next, heard_sec = message.offset() + 1, time.monotonic()
        finally:
            consumer.close()
