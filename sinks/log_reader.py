"""Reading partitions of Kafka's topics that nobody shares with us: no group, positions are ours.

Only committed records are seen. The end of a partition is a fact of its own, with its offset: it lies behind the
markers of transactions, where no record ever stands. A connection that brings nothing though there is something to
read is replaced by a new one that begins where the reader stands (`silence.py`); nothing is lost or read twice by it.
Long because every way to move the reader stands beside the position that a new connection begins at.
"""

import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition
from structlog.typing import FilteringBoundLogger

from schemas.connection import KafkaSettings
from schemas.errors import FatalError, KafkaUnavailableError
from sinks.log_questions import SILENT, LogQuestions, TopicFacts, unavailable
from sinks.silence import LOOK_SEC, Silence, looked

Place = tuple[str, int]
"""Topic without prefix, and partition."""
TIMEOUT_SEC = 10.0
_POLL_SEC = 1.0
_TIMES_WHILE_GONE = 5


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


class LogReader:
    """Reads what is assigned; a context manager; for one thread."""

    def __init__(  # noqa: PLR0913  settings of one thing, all but one by name
        self,
        settings: KafkaSettings,
        *,
        name: str,
        queued_bytes: int = 64 * 2**20,
        idle_ms: int = 100,
        look_sec: float = LOOK_SEC,
        log: FilteringBoundLogger | None = None,
    ) -> None:
        """`idle_ms`: how long the broker may sit on a question while nothing comes; what comes is sent at once.

        `look_sec`: how long nothing may come before somebody else is asked whether there is anything. `log` is told of
        each new connection.
        """
        self._prefix = settings.topic_prefix
        self._name = name
        self._gone = False
        self._config = {
            **settings.to_confluent(),
            "log_level": 0,
            "error_cb": self._on_error,
            "group.id": f"{settings.group_prefix}{name}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": queued_bytes // 1024,
            "fetch.message.max.bytes": 16 * 2**20 + 4096,
            "fetch.wait.max.ms": idle_ms,
            "reconnect.backoff.max.ms": 2000,
        }
        self._consumer = Consumer(self._config, logger=SILENT)
        self._met: set[str] = set()
        self._questions = LogQuestions(settings)
        self._stands: dict[Place, int] = {}  # the next offset of each partition that is read
        self._look_sec = look_sec
        self._log = log
        self._silence = Silence(looked_sec=time.monotonic())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def facts(self, topic: str) -> TopicFacts:
        """The topic's id and number of partitions. Raises: KafkaUnavailableError: no broker, or no such topic yet."""
        return self._questions.facts(topic)

    def bounds(self, place: Place) -> tuple[int, int]:
        """The first offset that is kept, and the end. Raises: KafkaUnavailableError."""
        try:
            low, high = self._questions.bounds(place)
        except KafkaUnavailableError:
            self._open_anew()
            raise
        if low < 0 or high < low:
            raise KafkaUnavailableError(f"{place[0]}/{place[1]}: its offsets are not known yet")
        return low, high

    def offset_at(self, place: Place, at: datetime) -> int:
        """The first offset that was appended at this time or later, else the end. Raises: KafkaUnavailableError."""
        topic, partition = place
        self._meet({topic})
        try:
            [found] = self._consumer.offsets_for_times(
                [self._at(place, int(at.timestamp() * 1000))], timeout=TIMEOUT_SEC
            )
        except KafkaException as error:
            self._open_anew()
            raise unavailable(error, f"{topic}/{partition}") from error
        if found.error is not None:
            raise KafkaUnavailableError(f"{topic}/{partition}: {found.error.str()}")
        return int(found.offset) if found.offset >= 0 else self.bounds(place)[1]

    def assign(self, positions: Mapping[Place, int]) -> None:
        """From now on these partitions are read from these offsets."""
        self._stands = dict(positions)
        self._meet({topic for topic, _ in positions})
        self._consumer.assign([self._at(place, offset) for place, offset in positions.items()])

    def also(self, place: Place, offset: int) -> None:
        """The partition is read, too, from this offset on. Raises: KafkaUnavailableError."""
        self._meet({place[0]})
        try:
            self._consumer.incremental_assign([self._at(place, offset)])
        except KafkaException as error:
            raise unavailable(error, f"{place[0]}/{place[1]}") from error
        self._stands[place] = offset

    def drop(self, place: Place) -> None:
        """The partition is read no more; the others are as before. Raises: KafkaUnavailableError."""
        try:
            self._consumer.incremental_unassign([self._at(place)])
        except KafkaException as error:
            raise unavailable(error, f"{place[0]}/{place[1]}") from error
        self._stands.pop(place, None)

    def seek(self, place: Place, offset: int) -> None:
        """The partition is read from this offset on. Raises: KafkaUnavailableError."""
        try:
            self._consumer.seek(self._at(place, offset))
        except KafkaException as error:
            raise unavailable(error, f"{place[0]}/{place[1]}") from error
        self._stands[place] = offset

    def take(self, *, wait_sec: float) -> Record | End | Vanished | None:
        """The next fact, in the order of each partition; None where nothing came within the wait.

        Raises: KafkaUnavailableError: no broker answers; asking again is right, nothing is skipped.
                FatalError: the broker refuses us.
        """
        until_sec = time.monotonic() + wait_sec
        while True:
            left_sec = until_sec - time.monotonic()
            message = self._consumer.poll(max(0.0, min(_POLL_SEC, left_sec)))
            if message is not None:
                return self._pass(message)
            self._look()
            if self._gone:
                raise KafkaUnavailableError("no broker answers")
            if left_sec <= _POLL_SEC:
                return None

    def read_to_end(self, positions: Mapping[Place, int]) -> Iterable[Record]:
        """All that was committed before the call, from these offsets on.

        The end is the high watermark: a `read_committed` reader stops at the first open transaction, whoever's it is,
        and what we committed ourselves may stand behind it. Such a transaction is waited for.

        Raises: KafkaUnavailableError: begin anew.
        """
        ends = self._questions.ends(positions)
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

    def _meet(self, topics: set[str]) -> None:
        """The connection knows who leads these: a topic that it meets by reading takes it a second, each anew."""
        with contextlib.suppress(KafkaException):  # who is not met so is met by reading
            for topic in sorted(topics - self._met):
                self._consumer.list_topics(self._prefix + topic, timeout=_POLL_SEC)
                self._met.add(topic)

    def _at(self, place: Place, offset: int = OFFSET_INVALID) -> TopicPartition:
        return TopicPartition(self._prefix + place[0], place[1], offset)

    def _pass(self, message: Message) -> Record | End | Vanished:
        """What came, and the reader stands behind it. Raises: as `take`."""
        self._gone = False
        try:
            fact = self._fact(message)
        except KafkaUnavailableError:
            self._look()
            raise
        place = (fact.topic, fact.partition)
        if isinstance(fact, Vanished):
            self._stands.pop(place, None)  # nothing comes from there before somebody says where to read on
        elif place in self._stands:
            self._stands[place] = fact.offset + isinstance(fact, Record)
        return fact

    def _look(self) -> None:
        """Nothing came: where somebody else finds that there is something to read, a new connection takes over."""
        now_sec = time.monotonic()
        look_sec = self._look_sec / (_TIMES_WHILE_GONE if self._gone else 1)
        if not self._stands or not self._silence.is_due(now_sec=now_sec, look_sec=look_sec):
            return
        try:
            ends = self._questions.readable_ends(self._stands)
        except KafkaUnavailableError:
            self._silence = replace(self._silence, looked_sec=now_sec)
            return
        if ends is None:
            return
        self._gone = False
        self._silence, stuck = looked(self._silence, stands=self._stands, ends=ends, now_sec=now_sec)
        if stuck:
            if self._log is not None:
                self._log.warning("nothing comes though there is something to read; connecting anew", reader=self._name)
            self._open_anew()

    def _open_anew(self) -> None:
        """The same partitions are read from the same offsets, by a consumer that knows nothing of before."""
        self._consumer.close()
        self._consumer = Consumer(self._config, logger=SILENT)
        self._met.clear()
        self.assign(self._stands)

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
        raise KafkaUnavailableError(f"{topic or 'Kafka'}: {error.str()}") from KafkaException(error)

    def _on_error(self, error: Any) -> None:  # noqa: ANN401  confluent-kafka has no types
        self._gone = self._gone or error.code() == KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001  librdkafka's own code
