"""The sink's own log: groups before they are inserted, progress after they were. One transaction carries both.

What a group or an opening leads to on `usage.adjustments` is part of the same transaction.

Laws
1. Whoever opens the log fences every sink before it: the earlier one's next commit is a FencedError.
2. Whoever was fenced hears it within ASSURE_SEC even if it has nothing to say: `assure` repeats its last word.
3. A group is recorded together with the progress of the group before it, so the last record says what may be half done.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.connection import ONE_IN_FLIGHT, KafkaSettings
from schemas.errors import FatalError, FencedError
from schemas.progress import Progress, progress_bytes, progress_from_bytes
from schemas.topics import BY_NAME
from sinks.log_questions import SILENT, unavailable
from sinks.log_reader import LogReader, Place
from sinks.patience import StopRequested

if TYPE_CHECKING:  # the notifier, which uses the log too, has no use for Arrow
    from sinks.adjustments import Adjustment
    from sinks.groups import Group

STAGE = "sink"
GROUPS: Place = ("internal.groups", 0)
PROGRESS: Place = ("internal.progress", 0)
ADJUSTMENTS = "usage.adjustments"
ASSURE_SEC = 5.0
_CALL_SEC = 10.0
_FENCED = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001  librdkafka's own code
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)


def word(place: Place, next_offset: int, *, topic_id: str, policy_offset: int = -1, log_time_us: int = 0) -> Progress:
    """The sink's word that everything below `next_offset` is done, said now."""
    topic, partition = place
    return Progress(
        stage=STAGE,
        topic=topic,
        partition=partition,
        next_offset=next_offset,
        policy_offset=policy_offset,
        log_time_us=log_time_us,
        topic_id=topic_id,
        at_us=time.time_ns() // 1000,
    )


class GroupLog:
    """Writes groups and progress under one transactional id; for one thread."""

    def __init__(self, settings: KafkaSettings, *, stop: threading.Event, name: str = STAGE) -> None:
        self._settings = settings
        self._name = name
        self._stop = stop
        self._producer: Any = None
        self._committed_sec = 0.0  # monotonic

    def open(self) -> None:
        """Every earlier sink is fenced, its open transaction is undone. Raises: KafkaUnavailableError: try again."""
        if self._producer is None:
            config = self._settings.to_confluent() | {
                **ONE_IN_FLIGHT,
                "transactional.id": self._settings.group_prefix + self._name,
                "acks": "all",
                "linger.ms": 0,
                "compression.type": "lz4",
                "message.max.bytes": BY_NAME[ADJUSTMENTS].max_message_bytes,
                "log_level": 0,
                "error_cb": lambda _error: None,
            }
            self._producer = Producer(config, logger=SILENT)
        try:
            self._producer.init_transactions(_CALL_SEC)
            self._committed_sec = time.monotonic()
        except KafkaException as error:
            _raise_if_final(error.args[0])
            self._producer = None  # the next attempt is a new connection's: an old one may never be answered again
            raise unavailable(error, "transactions") from error

    def commit(
        self,
        *,
        group: "Group | None",
        progress: Sequence[Progress],
        adjustments: "Sequence[Adjustment]" = (),
        records: Sequence[tuple[Place, bytes, bytes]] = (),
    ) -> None:
        """The group, the progress, the adjustments and other records (place, key, value) are there, all or none.

        Raises: KafkaUnavailableError: neither is recorded; do it again.
                FencedError: another sink has taken over.
                StopRequested: the process is to leave and no broker answers; its successor reads what counts.
        """
        try:
            self._producer.begin_transaction()
            if group is not None:
                self._produce(GROUPS, b"group", msgspec.json.encode(group))
            for entry in progress:
                self._produce(PROGRESS, entry.key(), progress_bytes(entry))
            for adjustment in adjustments:
                place = (ADJUSTMENTS, adjustment.partition)
                self._produce(place, None, adjustment.value, adjustment.kafka_headers())
            for place, key, value in records:
                self._produce(place, key, value)
            self._settle(self._producer.commit_transaction)
            self._committed_sec = time.monotonic()
        except KafkaException as error:
            _raise_if_final(error.args[0])
            self._abort()
            raise unavailable(error, "transaction") from error

    def assure(self, entry: Progress) -> None:
        """Nobody has taken over up to ASSURE_SEC ago; where nothing was committed since, `entry` is said again.

        Raises: FencedError: another sink has taken over.
                KafkaUnavailableError: not known; ask again.
                StopRequested.
        """
        if time.monotonic() - self._committed_sec > ASSURE_SEC:
            self.commit(group=None, progress=[entry])

    def _abort(self) -> None:
        try:
            self._settle(self._producer.abort_transaction)
        except KafkaException as error:
            _raise_if_final(error.args[0])
            raise FatalError(f"a transaction could not be undone: {error.args[0].str()}") from error

    def _settle(self, call: Callable[[float], None]) -> None:
        """The transaction is ended, however long the broker takes: librdkafka alone knows if a commit was heard."""
        while True:
            try:
                call(_CALL_SEC)
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
                if self._stop.wait(0.1):
                    raise StopRequested from error
            else:
                return

    def _produce(
        self, place: Place, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        topic, partition = place
        name = self._settings.topic(topic)
        self._producer.produce(name, value=value, key=key, partition=partition, headers=list(headers))
        self._producer.poll(0)


def _raise_if_final(error: Any) -> None:  # noqa: ANN401  confluent-kafka has no types
    if error.code() in _FENCED:
        raise FencedError("another sink has taken over")
    if error.fatal():
        raise FatalError(f"Kafka refuses the sink's transactions: {error.str()}")


def stored_progress(reader: LogReader, *, stage: str = STAGE) -> dict[Place, Progress]:
    """The last word of the sink, or of another stage that uses its log, on each partition.

    Raises: KafkaUnavailableError.
    """
    low, _ = reader.bounds(PROGRESS)
    found: dict[Place, Progress] = {}
    for record in reader.read_to_end({PROGRESS: low}):
        if record.value:
            entry = progress_from_bytes(record.value)
            if entry.stage == stage:
                found[entry.topic, entry.partition] = entry
    return found
