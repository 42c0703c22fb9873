"""Reads partitions of our own topics from one offset to their end, and says where they begin and end.

A reader is `read_committed`, its goal is the high watermark at the time of the call: what was committed before the call
lies below it, even where another producer's open transaction still holds the last stable offset back. So a read may
wait for such a transaction, at most its time-out; it never misses what was committed.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.connection import KafkaSettings
from schemas.errors import FatalError, KafkaUnavailableError
from streams.patience import patiently
from streams.ports import SourceRecord
from streams.source_records import read_source_records

_READ_FETCH_BYTES = 8 * 1_048_576
_POLL_MS = 250
_MARKERS_SHARE = 1.25
"""How many offsets `read_last` first looks back per record: transactions put a marker behind their records."""


def _translated(error: KafkaError, what: str) -> KafkaUnavailableError | FatalError:
    if error.retriable:
        return KafkaUnavailableError(f"cannot read {what}: {error!r}")
    return FatalError(f"cannot read {what}: {error!r}")


class LogEnds:
    """Where partitions begin and end; one connection for the process. The end is the high watermark."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._consumer: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Connected. Raises: KafkaUnavailableError: no broker answers."""
        consumer = AIOKafkaConsumer(**self._kafka.to_aiokafka(), isolation_level="read_uncommitted")
        try:
            await consumer.start()
        except KafkaError as error:
            await consumer.stop()
            raise KafkaUnavailableError("no broker answers") from error
        self._consumer = consumer

    async def stop(self) -> None:
        """Disconnected."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    def _ask(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise FatalError("log ends are asked for before start")
        return self._consumer

    async def end(self, topic: str, partition: int) -> int:
        """The high watermark of a partition, asked for after this call began; `topic` without prefix."""
        at = TopicPartition(self._kafka.topic(topic), partition)
        try:
            return int((await self._ask().end_offsets([at]))[at])
        except KafkaError as error:
            raise _translated(error, f"the end of {at.topic}/{partition}") from error

    async def begin(self, topic: str, partition: int) -> int:
        """The first offset that a partition still holds."""
        at = TopicPartition(self._kafka.topic(topic), partition)
        try:
            return int((await self._ask().beginning_offsets([at]))[at])
        except KafkaError as error:
            raise _translated(error, f"the beginning of {at.topic}/{partition}") from error


class KafkaReader:
    """The `PartitionReader` of a worker; topics without prefix."""

    def __init__(self, kafka: KafkaSettings, ends: LogEnds) -> None:
        self._kafka = kafka
        self._ends = ends

    async def read(self, topic: str, partition: int, *, from_offset: int = 0) -> Sequence[SourceRecord]:
        """All records from an offset (or the first that is kept) up to the end at the time of the call, in order.

        Raises: KafkaUnavailableError, FatalError.
        """
        end = await self._ends.end(topic, partition)
        start = max(from_offset, await self._ends.begin(topic, partition))
        if start >= end:
            return []
        async with self._consumer(topic, partition) as consumer:
            waiting = f"the records of {topic}/{partition} wait for an open transaction, or for the broker"
            return await patiently(_read_range(consumer, start, end), waiting)

    async def read_last(self, topic: str, partition: int, *, records: int) -> Sequence[SourceRecord]:
        """About the last `records` records of a partition (at least these where there are so many), in order."""
        begin = await self._ends.begin(topic, partition)
        back = int(records * _MARKERS_SHARE) + 64
        while True:
            end = await self._ends.end(topic, partition)
            start = max(begin, end - back)
            found = await self.read(topic, partition, from_offset=start)
            if len(found) >= records or start == begin:
                return found
            back *= 4

    @asynccontextmanager
    async def _consumer(self, topic: str, partition: int) -> AsyncIterator[AIOKafkaConsumer]:
        name = self._kafka.topic(topic)
        arguments: Mapping[str, Any] = {
            **self._kafka.to_aiokafka(),
            "isolation_level": "read_committed",
            "auto_offset_reset": "none",
            "enable_auto_commit": False,
            "max_partition_fetch_bytes": _READ_FETCH_BYTES,
            "fetch_max_wait_ms": _POLL_MS,
        }
        consumer = AIOKafkaConsumer(**arguments)
        try:
            await consumer.start()
            read_source_records(consumer)
            consumer.assign([TopicPartition(name, partition)])
            yield consumer
        except KafkaError as error:
            raise _translated(error, f"{name}/{partition}") from error
        finally:
            await consumer.stop()


async def _read_range(consumer: AIOKafkaConsumer, start: int, end: int) -> list[SourceRecord]:
    """The records in [start, end) of the consumer's one partition; ends behind markers, too.

    The position always gets there: the last offset before the end is in the active segment, which is never compacted,
    and a fetch moves the position past markers, aborted records and the gaps that compaction left in a batch.
    """
    (at,) = consumer.assignment()
    consumer.seek(at, start)
    found: list[SourceRecord] = []
    while True:
        fetched = (await consumer.getmany(timeout_ms=_POLL_MS)).get(at, [])
        found.extend(record for record in fetched if record.offset < end)
        position = await consumer.position(at)
        if position >= end:
            return found
