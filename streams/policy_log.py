"""The `PolicyLog` of a worker: follows `usage.policies` and keeps what is in force at each offset."""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError
from schemas.policies import Policies, PolicyChange, fold
from streams.patience import patiently
from streams.ports import SourceRecord
from streams.readers import LogEnds
from streams.source_records import read_source_records

TOPIC = "usage.policies"
_IDLE_POLL_MS = 2_000
"""How long the broker holds a question that finds nothing; a change is answered at once."""
_EVERY = 64
_LOG = structlog.get_logger()


class PolicyFolds:
    """What is in force after each change, from records in log order. A record that is no change changes nothing.

    Of 64 changes one fold is kept and the others are made when asked for: each fold names every policy there is, and a
    directory has ten thousand.
    """

    def __init__(self) -> None:
        self._offsets: list[int] = []
        self._changes: list[PolicyChange] = []
        self._folds: list[Policies] = [{}]  # before the first change, before the 65th, ...
        self._latest: tuple[int, Policies] = (-1, {})

    def latest(self) -> tuple[int, Policies]:
        """The highest offset read so far (-1 before any) and what is in force there."""
        return self._latest

    def at(self, offset: int) -> Policies:
        """What is in force after the change at `offset` (or the last one below it). Raises: KeyError: not read yet."""
        if offset > self._latest[0]:
            raise KeyError(offset)
        index = bisect_right(self._offsets, offset)
        if index == len(self._offsets):
            return self._latest[1]
        kept = index // _EVERY
        policies = self._folds[kept]
        for at in range(kept * _EVERY, index):
            policies = fold(policies, self._changes[at], offset=self._offsets[at])
        return policies

    def add(self, record: SourceRecord) -> None:
        """The record is in; one that is not a valid change is said as an error, and its offset counts all the same."""
        before = self._latest[1]
        try:
            change = PolicyChange.model_validate_json(record.value or b"")
        except ValidationError as error:
            _LOG.error("policy change skipped", offset=record.offset, reason=str(error.errors(include_url=False)[0]))
            self._latest = (record.offset, before)
            return
        after = fold(before, change, offset=record.offset)
        self._changes.append(change)
        if len(self._changes) % _EVERY == 0:
            self._folds.append(after)
        self._offsets.append(record.offset)
        self._latest = (record.offset, after)


class KafkaPolicyLog(PolicyFolds):
    """Follows the topic in the background; `latest` and `at` may be called from any thread."""

    def __init__(self, kafka: KafkaSettings, ends: LogEnds) -> None:
        super().__init__()
        self._kafka = kafka
        self._ends = ends
        self._moved = asyncio.Condition()
        self._position = 0
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self._tell: Callable[[], None] = lambda: None

    def on_change(self, tell: Callable[[], None]) -> None:
        """`tell` is called after each change from now on, in the loop that reads them."""
        self._tell = tell

    def on_error(self, fail: Callable[[BaseException], None]) -> None:
        """`fail` is called if the topic can be followed no longer."""

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                fail(error)

        if self._task is not None:
            self._task.add_done_callback(ended)

    async def start(self) -> None:
        """Everything that stood in the topic when this was called has been read, and what comes will be.

        Raises: KafkaUnavailableError: no broker answers; it may be called again.
        """
        begin, end = await self._ends.begin(TOPIC, 0), await self._ends.end(TOPIC, 0)
        at = TopicPartition(self._kafka.topic(TOPIC), 0)
        consumer = AIOKafkaConsumer(
            **self._kafka.to_aiokafka(),
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_IDLE_POLL_MS,
        )
        try:
            await consumer.start()
        except KafkaError as error:
            await consumer.stop()
            raise KafkaUnavailableError("no broker answers") from error
        self._consumer = consumer
        read_source_records(consumer)
        consumer.assign([at])
        consumer.seek(at, begin)
        self._task = asyncio.create_task(self._follow(consumer, at), name="policy log")
        await patiently(self._until(lambda: self._position >= end), "reading usage.policies to its end")

    async def stop(self) -> None:
        """Nothing is followed any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._consumer is not None:
            await self._consumer.stop()

    async def wait_for(self, offset: int) -> None:
        """The log has been read up to `offset`, that one included."""
        if self.latest()[0] < offset:
            await patiently(self._until(lambda: self._position > offset), f"reading usage.policies up to {offset}")

    async def _until(self, reached: Callable[[], bool]) -> None:
        async with self._moved:
            await self._moved.wait_for(reached)

    async def _follow(self, consumer: AIOKafkaConsumer, at: TopicPartition) -> None:
        while True:
            records: Sequence[SourceRecord] = (await consumer.getmany(timeout_ms=_IDLE_POLL_MS)).get(at, [])
            for record in records:
                self.add(record)
            if records:
                self._tell()
            position = await consumer.position(at)
            if position != self._position:
                async with self._moved:
                    self._position = position
                    self._moved.notify_all()
