"""Reading partitions of Kafka's topics that nobody shares with us: no group, positions are ours.

Only committed records are seen. The end of a partition is a fact of its own, with its offset: it lies behind the
markers of transactions, where no record ever stands.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.connection import KafkaSettings
from schemas.errors import FatalError, KafkaUnavailableError

Place = tuple[str, int]
"""Topic without prefix, and partition."""
TIMEOUT_SEC = 10.0
SILENT = logging.getLogger("burnline.librdkafka")
"""Where librdkafka's own lines go: nowhere. What matters comes back as an error, and our log is JSON lines only."""
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False


@dataclass(frozen=True, slots=True)
class Record:
    """One committed record; `append_time_us` is the broker's, microseconds since 1970."""

    topic: str
    partition: int
    offset: int
    append_time_us: int
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class End:
    """Everything below this offset was read; nothing more is committed for now."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Vanished:
    """The offset that was asked for is not in the partition (any more)."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What tells a topic from another of the same name."""

    topic_id: str
    partitions: int


class LogReader:
    """Reads what is assigned; a context manager; for one thread."""

    def __init__(
        self, settings: KafkaSettings, *, name: str, queued_bytes: int = 64 * 2**20, idle_ms: int = 100
    ) -> None:
        """`idle_ms`: how long the broker may sit on a question while nothing comes; what comes is sent at once."""
        self._prefix = settings.topic_prefix
        self._gone = False
        base = {**settings.to_confluent(), "log_level": 0, "error_cb": self._on_error}
        self._consumer = Consumer(
            base
            | {
                "group.id": f"{settings.group_prefix}{name}",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "queued.max.messages.kbytes": queued_bytes // 1024,
                "fetch.message.max.bytes": 16 * 2**20 + 4096,
                "fetch.wait.max.ms": idle_ms,
                "reconnect.backoff.max.ms": 2000,
            },
            logger=SILENT,
        )
        self._admin = AdminClient(base, logger=SILENT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def facts(self, topic: str) -> TopicFacts:
        """The topic's id and number of partitions. Raises: KafkaUnavailableError: no broker, or no such topic yet."""
        name = self._prefix + topic
        try:
            asked = self._admin.describe_topics(TopicCollection([name]), request_timeout=TIMEOUT_SEC)
            described = asked[name].result(TIMEOUT_SEC)
        except KafkaException as error:
            raise unavailable(error, f"topic {name}") from error
        except TimeoutError as error:
            raise KafkaUnavailableError(f"topic {name}: no answer in {TIMEOUT_SEC:g} s") from error
        return TopicFacts(str(described.topic_id), len(described.partitions))

    def bounds(self, place: Place) -> tuple[int, int]:
        """The first offset that is kept, and the end. Raises: KafkaUnavailableError."""
        topic, partition = place
        try:
            low, high = self._consumer.get_watermark_offsets(
                TopicPartition(self._prefix + topic, partition), timeout=TIMEOUT_SEC
            )
        except KafkaException as error:
            raise unavailable(error, f"{topic}/{partition}") from error
        if OFFSET_INVALID in (low, high):
            raise KafkaUnavailableError(f"{topic}/{partition}: its offsets are not known yet")
        return low, high

    def offset_at(self, place: Place, at: datetime) -> int:
        """The first offset that was appended at this time or later, else the end. Raises: KafkaUnavailableError."""
        topic, partition = place
        asked = TopicPartition(self._prefix + topic, partition, int(at.timestamp() * 1000))
        try:
            [found] = self._consumer.offsets_for_times([asked], timeout=TIMEOUT_SEC)
        except KafkaException as error:
            raise unavailable(error, f"{topic}/{partition}") from error
        if found.error is not None:
            raise KafkaUnavailableError(f"{topic}/{partition}: {found.error.str()}")
        return int(found.offset) if found.offset >= 0 else self.bounds(place)[1]

    def assign(self, positions: Mapping[Place, int]) -> None:
        """From now on these partitions are read from these offsets."""
        self._consumer.assign(
            [TopicPartition(self._prefix + topic, part, at) for (topic, part), at in positions.items()]
        )

    def also(self, place: Place, offset: int) -> None:
        """The partition is read, too, from this offset on. Raises: KafkaUnavailableError."""
        topic, partition = place
        try:
            self._consumer.incremental_assign([TopicPartition(self._prefix + topic, partition, offset)])
        except KafkaException as error:
            raise unavailable(error, f"{topic}/{partition}") from error

    def drop(self, place: Place) -> None:
        """The partition is read no more; the others are as before. Raises: KafkaUnavailableError."""
        topic, partition = place
        try:
            self._consumer.incremental_unassign([TopicPartition(self._prefix + topic, partition)])
        except KafkaException as error:
            raise unavailable(error, f"{topic}/{partition}") from error

    def seek(self, place: Place, offset: int) -> None:
        """The partition is read from this offset on. Raises: KafkaUnavailableError."""
        topic, partition = place
        try:
            self._consumer.seek(TopicPartition(self._prefix + topic, partition, offset))
        except KafkaException as error:
            raise unavailable(error, f"{topic}/{partition}") from error

    def take(self, *, wait_sec: float) -> Record | End | Vanished | None:
        """The next fact, in the order of each partition; None where nothing came within the wait.

        Raises: KafkaUnavailableError: no broker answers; asking again is right, nothing is skipped.
                FatalError: the broker refuses us.
        """
        message = self._consumer.poll(wait_sec)
        if message is not None:
            self._gone = False
            return self._fact(message)
        if self._gone:
            raise KafkaUnavailableError("no broker answers")
        return None

    def read_to_end(self, positions: Mapping[Place, int]) -> Iterable[Record]:
        """All that was committed before the call, from these offsets on.

        The end is the high watermark: a `read_committed` reader stops at the first open transaction, whoever's it is,
        and what we committed ourselves may stand behind it. Such a transaction is waited for.

        Raises: KafkaUnavailableError: begin anew.
        """
        ends = self._ends(positions)
        self.assign(positions)
        waiting = {place for place, end in ends.items() if positions[place] < end}
        while waiting:
            fact = self.take(wait_sec=TIMEOUT_SEC)
            if fact is None:
                raise KafkaUnavailableError(f"the end of {sorted(waiting)} was not reached in {TIMEOUT_SEC:g} s")
            if isinstance(fact, Vanished):
                raise KafkaUnavailableError(f"{fact.topic}/{fact.partition} was cut while it was read")
            place = (fact.topic, fact.partition)
            if isinstance(fact, Record):
                yield fact
            if place in waiting and fact.offset + isinstance(fact, Record) >= ends[place]:
                waiting.discard(place)

    def _ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """The high watermark of each partition. Raises: KafkaUnavailableError."""
        wanted = {TopicPartition(self._prefix + topic, part): (topic, part) for topic, part in places}
        asked = self._admin.list_offsets(
            dict.fromkeys(wanted, OffsetSpec.latest()),
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=TIMEOUT_SEC,
        )
        try:
            return {wanted[place]: int(answer.result(TIMEOUT_SEC).offset) for place, answer in asked.items()}
        except KafkaException as error:
            raise unavailable(error, "ends") from error
        except TimeoutError as error:
            raise KafkaUnavailableError(f"ends: no answer in {TIMEOUT_SEC:g} s") from error

    def _fact(self, message: Message) -> Record | End | Vanished:
        topic = message.topic().removeprefix(self._prefix)
        error = message.error()
        if error is None:
            headers = tuple(message.headers() or ())
            append_time_us = message.timestamp()[1] * 1000
            return Record(topic, message.partition(), message.offset(), append_time_us, message.value() or b"", headers)
        code = error.code()
        if code == KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own code
            return End(topic, message.partition(), message.offset())
        if code in {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}:  # noqa: SLF001  librdkafka's own code
            return Vanished(topic, message.partition())
        if error.fatal():
            raise FatalError(f"Kafka refuses the sink: {error.str()}")
        raise KafkaUnavailableError(f"{topic or 'Kafka'}: {error.str()}")

    def _on_error(self, error: Any) -> None:  # noqa: ANN401  confluent-kafka has no types
        self._gone = self._gone or error.code() == KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001  librdkafka's own code


def unavailable(error: KafkaException, what: str) -> KafkaUnavailableError:
    """The error as one that may pass, with what was wanted."""
    return KafkaUnavailableError(f"Kafka does not do it ({what}): {error.args[0].str()}")
