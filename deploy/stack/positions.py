"""How far each stage is and how far it could be: the one door to progress and end offsets."""

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from deploy.stack.position_rules import Place, Said, StagePlace
from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError
from schemas.progress import progress_from_bytes
from schemas.topics import BY_NAME

PROGRESS = "internal.progress"
_TIMEOUT_SEC = 10.0
_ANSWER_MS = 20
"""A broker says so late that a partition ends here."""
_QUEUED_KB = 1024
_QUIET = {"log_level": 0, "error_cb": lambda _error: None}


class Positions:
    """A view of the log's positions, good for many questions. A context manager; not for several threads.

    After a question without an answer the next one is asked by new clients: when a broker had died and come back, old
    ones of librdkafka were seen to get nothing any more, for minutes (no leader, an epoch too old, or no record at
    all), while the broker answered everybody else.
    """

    def __init__(self, settings: KafkaSettings, *, timeout_sec: float = _TIMEOUT_SEC) -> None:
        """Connects at the first question; `timeout_sec` bounds each."""
        self._settings = settings
        self._timeout_sec = timeout_sec
        self._open()
        self._said: dict[StagePlace, Said] = {}
        self._read_up_to = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def _open(self) -> None:
        reading = {"enable.auto.commit": False, "isolation.level": "read_committed", "enable.partition.eof": True}
        # Never a member of a group; librdkafka wants a name all the same, and an ACL may cover our prefix only.
        group = {"group.id": f"{self._settings.group_prefix}status"}
        base = {**self._settings.to_confluent(), **_QUIET}
        self._admin = AdminClient(base)
        self._progress = Consumer({**base, **reading, **group})
        small = {"fetch.wait.max.ms": _ANSWER_MS, "queued.max.messages.kbytes": _QUEUED_KB}
        self._reader = Consumer({**base, **reading, **group, **small})
        self._assigned = False
        self._met: set[str] = set()

    def _close(self) -> None:
        self._progress.close()
        self._reader.close()

    def ends(self, topics: Iterable[str]) -> dict[Place, int]:
        """The end offset of every partition of these topics: behind the last record or marker, committed or not.

        Raises: KafkaUnavailableError: no answer in time.
        """
        return self._offsets(topics, OffsetSpec.latest())

    def readable_ends(self, topics: Iterable[str]) -> dict[Place, int]:
        """Up to where a `read_committed` reader can read now: no further than the first open transaction.

        Raises: KafkaUnavailableError: no answer in time.
        """
        return self._offsets(topics, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)

    def starts(self, topics: Iterable[str]) -> dict[Place, int]:
        """The first offset that is kept of every partition. Raises: KafkaUnavailableError: no answer in time."""
        return self._offsets(topics, OffsetSpec.earliest())

    def _offsets(
        self, topics: Iterable[str], which: OffsetSpec, isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED
    ) -> dict[Place, int]:
        wanted = {
            TopicPartition(self._settings.topic(topic), partition): (topic, partition)
            for topic in topics
            for partition in range(BY_NAME[topic].partitions)
        }
        try:
            asked = self._admin.list_offsets(
                dict.fromkeys(wanted, which),
                isolation_level=isolation,
                request_timeout=self._timeout_sec,
            )
            return {wanted[place]: int(answer.result().offset) for place, answer in asked.items()}
        except KafkaException as error:
            self._close()
            self._open()
            raise KafkaUnavailableError(f"cannot ask Kafka for its offsets: {error.args[0].str()}") from error

    def _meet(self, consumer: Consumer, topics: Iterable[str]) -> None:
        """The connection knows who leads these: a topic that it meets by reading takes it a second or three.

        Raises: KafkaUnavailableError: no answer in time.
        """
        try:
            for topic in topics:
                consumer.list_topics(self._settings.topic(topic), timeout=self._timeout_sec)
        except KafkaException as error:
            self._close()
            self._open()
            raise KafkaUnavailableError(f"cannot ask Kafka for its topics: {error.args[0].str()}") from error

    def progress(self) -> dict[StagePlace, Said]:
        """The last word of each stage on each partition, up to now.

        Raises: KafkaUnavailableError: no answer in time.
        """
        if not self._assigned:
            self._meet(self._progress, [PROGRESS])
            self._progress.assign([TopicPartition(self._settings.topic(PROGRESS), 0, self._read_up_to)])
            self._assigned = True
        committed = self._offsets([PROGRESS], OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)[(PROGRESS, 0)]
        while self._read_up_to < committed:
            message = self._poll(self._progress)
            if message.error() is None:
                self._take(message)
                self._read_up_to = message.offset() + 1
            else:  # the end of the partition, behind the markers of transactions
                self._read_up_to = message.offset()
        return dict(self._said)

    def _take(self, message: Message) -> None:
        value = message.value()
        if value is None:
            return
        found = progress_from_bytes(value)
        topic = found.topic.removeprefix(self._settings.topic_prefix)
        kind, at_ms = message.timestamp()
        said_at_us = at_ms * 1000 if kind != TIMESTAMP_NOT_AVAILABLE else found.at_us
        self._said[(found.stage, topic, found.partition)] = Said(found, said_at_us, message.offset())

    def append_time_us(self, place: Place, offset: int) -> int | None:
        """When the record at this offset, or the first one after it, was appended; None where there is none.

        Raises: KafkaUnavailableError: no answer in time.
        """
        return self.append_times_us([(place, offset)])[place, offset]

    def append_times_us(self, asked: Iterable[tuple[Place, int]]) -> dict[tuple[Place, int], int | None]:
        """The same for several, asked at once.

        Raises: KafkaUnavailableError: no answer in time.
        """
        found: dict[tuple[Place, int], int | None] = {}
        waiting = set(asked)
        while waiting:
            found |= self._first_records(dict(sorted(waiting)))
            waiting -= found.keys()
        return found

    def _first_records(self, offsets: Mapping[Place, int]) -> dict[tuple[Place, int], int | None]:
        named = {(self._settings.topic(topic), partition): (topic, partition) for topic, partition in offsets}
        new = {topic for topic, _ in offsets} - self._met
        self._meet(self._reader, new)
        self._met |= new
        self._reader.assign([TopicPartition(*name, offsets[place]) for name, place in named.items()])
        found: dict[tuple[Place, int], int | None] = {}
        while named:
            message = self._poll(self._reader)
            name = (str(message.topic()), message.partition())
            place = named.pop(name, None)
            if place is not None:
                appended_us = None if message.error() is not None else int(message.timestamp()[1]) * 1000
                found[place, offsets[place]] = appended_us
                self._reader.incremental_unassign([TopicPartition(*name)])  # what nobody waits for is not asked for
        return found

    def values(self, place: Place, offset: int, end: int) -> Iterator[bytes]:
        """The values of the committed records from an offset on, up to an end that was asked for before.

        Raises: KafkaUnavailableError: no answer in time.
        """
        topic, partition = place
        self._reader.assign([TopicPartition(self._settings.topic(topic), partition, offset)])
        while offset < end:
            message = self._poll(self._reader)
            if message.error() is not None:
                return
            offset = message.offset() + 1
            yield message.value() or b""

    def _poll(self, consumer: Consumer) -> Message:
        """The next record, or the end of the partition, which is a message with an error."""
        message = consumer.poll(self._timeout_sec)
        if message is None:
            self._close()
            self._open()
            raise KafkaUnavailableError(f"Kafka at {self._settings.bootstrap_servers} did not answer in time")
        error = message.error()
        if error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  confluent-kafka's public name
            return message
        raise KafkaUnavailableError(f"cannot read from Kafka: {error.str()}")
