"""Faust's aiokafka transport, with one message for all records of a partition in one fetch.

Stock Faust spends about 100 us on each message, whatever it holds; here a message is a `FetchedBatch`. What differs:
1. `_fetch_records` packs each partition's records into one; a partition whose lane is full is left with the broker.
2. aiokafka makes `SourceRecord`s instead of its own records.
3. Faust decides and seeks nothing: positions belong to the lanes, which say them in `internal.progress`, within their
   transactions. The group's offsets are committed now and then, for whoever watches the group's lag with other tools.
4. The consumer is `read_committed`, a static member, and never resets a position by itself. A process that loses its
   seat in the group ends (`streams.seat`).
5. Lanes are closed before partitions are given up, and opened by themselves once they know where to read.

Long because it is one thought: each override is there because of the others.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import ConsumerStoppedError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata
from faust import Schema
from faust.events import Event
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT, Message

from schemas.errors import FatalError, LogChangedError
from streams.fetch_wait import wait_long_where_all_is_asked
from streams.gates import FetchedBatch, Gate
from streams.ports import SourceRecord
from streams.seat import Seat
from streams.source_records import read_source_records

_LOG = structlog.get_logger()
_COMMIT_WAIT_SEC = 2.0
_FULL_WAIT_SEC = 0.01
"""How soon a full lane is looked at again: short, as room may come at any time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VitalSigns:
    """Whether a consumer waits to rejoin its group, and when each partition that has room was last fetched."""

    rejoins: bool
    answered_ms: Mapping[TP, int]


class LaneKeeper(Protocol):
    """Who owns the lanes of the partitions that this worker has."""

    def begin(self, partitions: frozenset[TP]) -> None:
        """Lanes are being opened for these partitions (topics as the broker names them), in the background."""
        ...

    async def end(self) -> None:
        """Every lane has finished what it had in hand and holds nothing any more."""
        ...

    def deliver(self, batch: FetchedBatch) -> None:
        """The lane behind the batch's gate has it in its queue."""
        ...

    def positions(self) -> Mapping[TP, int]:
        """Up to where each lane is done."""
        ...

    def fail(self, error: BaseException) -> None:
        """The process ends."""
        ...


class StreamApp(Protocol):
    """What the transport needs of the app, beside what Faust knows."""

    lanes: LaneKeeper
    consumer_arguments: Mapping[str, Any]


class BatchConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust is read without types
    """Fetches in a thread of its own, where heartbeats go out too; hands over through gates."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:  # noqa: ANN401  Faust's own signature
        super().__init__(*arguments, **keywords)
        self.gates: dict[TP, Gate] = {}
        self.seat: Seat | None = None

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:  # noqa: ANN401, ARG002  Faust's own signature
        return AIOKafkaConsumer(
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            **self.app.consumer_arguments,
        )

    async def on_start(self) -> None:
        """The consumer runs and gives source records; it has not joined its group yet."""
        await super().on_start()
        consumer = self._ensure_consumer()
        read_source_records(consumer)
        wait_long_where_all_is_asked(consumer)
        self.seat = Seat(consumer._coordinator, fail=self._fail)  # noqa: SLF001  aiokafka has no door for it

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        """The group's offsets are committed, as far as the partitions are ours. Raises: KafkaError."""
        consumer = self._ensure_consumer()
        named = {TopicPartition(*partition): offset for partition, offset in offsets.items()}
        ours = {at: OffsetAndMetadata(named[at], "") for at in named.keys() & consumer.assignment()}
        if ours:
            await consumer.commit(ours)
        return bool(ours)

    async def open_gate(self, partition: TP, gate: Gate, offset: int) -> None:
        """The consumer reads this partition from `offset`, and its records go through the gate."""
        self._ensure_consumer().seek(TopicPartition(*partition), offset)
        gate.open_at(offset)
        self.gates[partition] = gate

    def vital_signs(self) -> VitalSigns:
        """How the consumer is; may be called from any thread, as it only reads."""
        consumer = self._consumer
        if consumer is None or consumer._coordinator is None:  # noqa: SLF001  aiokafka has no door for it
            return VitalSigns(rejoins=False, answered_ms={})
        assigned = consumer.assignment()
        hungry = [partition for partition, gate in self.gates.items() if gate.room() and partition in assigned]
        return VitalSigns(
            rejoins=consumer._coordinator._rejoin_needed_fut.done(),  # noqa: SLF001  aiokafka has no door for it
            answered_ms={at: consumer.last_poll_timestamp(TopicPartition(*at)) or 0 for at in hungry},
        )

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: Iterable[TP],
        timeout: float | None = None,  # noqa: ASYNC109  Faust's own signature
        max_records: int | None = None,
    ) -> dict[TP, list[ConsumerRecord]]:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher  # noqa: SLF001  as Faust's own driver does
        if consumer._closed or fetcher._closed:  # noqa: SLF001  as Faust's own driver does
            raise ConsumerStoppedError
        gates = {partition: gate for partition, gate in self.gates.items() if partition in active_partitions}
        ready = {TopicPartition(*partition) for partition, gate in gates.items() if gate.room()}
        with fetcher._subscriptions.fetch_context():  # noqa: SLF001  a consumer that waits for its lanes is not idle
            if not ready:
                await asyncio.sleep(_FULL_WAIT_SEC)
                return {}
            assigned = consumer.assignment()
            wait_sec = timeout if len(ready) == len(assigned) else _FULL_WAIT_SEC
            try:
                fetched = await fetcher.fetched_records(ready, timeout=wait_sec, max_records=max_records)
                return self._hand_over(consumer, fetched)
            except NoOffsetForPartitionError:
                return {}  # a fetch that outlived a rebalance looked at a partition whose lane has not sought yet
            except OffsetOutOfRangeError as error:
                self._fail(LogChangedError(f"the log no longer holds what we read next: {error}; looked at anew"))
            except KafkaError as error:
                self._fail(FatalError(f"cannot fetch: {error}"))
            except FatalError as error:
                self._fail(error)
        return {}

    def _hand_over(
        self, consumer: AIOKafkaConsumer, fetched: Mapping[TopicPartition, list[SourceRecord]]
    ) -> dict[TP, list[ConsumerRecord]]:
        """One message per partition. Runs without a break after the fetch, so that positions and records agree."""
        state = consumer._subscription.subscription.assignment  # noqa: SLF001  `position()` is a coroutine: a break
        handed: dict[TP, list[ConsumerRecord]] = {}
        for partition, gate in self.gates.items():
            at = TopicPartition(*partition)
            if not gate.opened or state is None or at not in state.tps:
                continue
            position = state.state_value(at).position
            records = fetched.get(at)
            if records:
                handed[partition] = [_as_message(at, gate.hand(records, position=position))]
            gate.saw(position)
        return handed

    def _fail(self, error: FatalError) -> None:
        self.parent_loop.call_soon_threadsafe(self.app.lanes.fail, error)


def _as_message(at: TopicPartition, batch: FetchedBatch) -> ConsumerRecord:
    """A batch in the clothes of one record, for Faust."""
    last = batch.records[-1]
    return ConsumerRecord(
        at.topic, at.partition, last.offset, last.append_time_us // 1000, 1, None, batch, None, 0, 0, ()
    )


class _NoReadOffsets(defaultdict[TP, None]):
    """Faust drops what stands below an offset that it read; lanes may read again, and check the order themselves."""

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def __setitem__(self, partition: TP, offset: Any) -> None:  # noqa: ANN401  nothing is kept of it
        return


class BatchConsumer(driver.Consumer):  # type: ignore[misc]  # Faust is read without types
    """Faust's consumer without acks and seeks; it tells the lanes when partitions come and go."""

    _thread: BatchConsumerThread

    def __init__(self, *arguments: Any, **keywords: Any) -> None:  # noqa: ANN401  Faust's own signature
        super().__init__(*arguments, **keywords)
        self._read_offset = _NoReadOffsets()
        self._said: Mapping[TP, int] = {}

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def open_gate(self, partition: TP, gate: Gate, offset: int) -> None:
        """Records of this partition go through the gate, from `offset` on.

        Raises: aiokafka.errors.IllegalStateError: the partition is not ours any more.
        """
        opening = self._thread.open_gate(partition, gate, offset)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(opening, self._thread.thread_loop))

    def give_up_seat(self) -> None:
        """When the consumer stops, this worker's partitions move to the others at once."""
        if self._thread.seat is not None:
            self._thread.seat.give_up()

    def vital_signs(self) -> VitalSigns:
        """How the consumer under this one is."""
        return self._thread.vital_signs()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Lanes end first, with what they have in hand committed; then Faust gives the partitions up."""
        await self._end_lanes()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Lanes begin in the background, so that a long recovery does not cost the membership."""
        await super().on_partitions_assigned(assigned, generation_id)
        self.app.lanes.begin(frozenset(assigned))

    async def on_stop(self) -> None:
        """Lanes end, with what they have in hand committed; then the consumer stops."""
        await self._end_lanes()
        await self.commit()
        await super().on_stop()

    async def _end_lanes(self) -> None:
        self._thread.gates = {}
        await self.app.lanes.end()
        self._thread.gates = {}  # a lane may have opened its gate while it was told to end

    async def perform_seek(self) -> None:
        """Nothing: lanes seek."""

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ANN401, ARG002, FBT001, FBT002  Faust's own signature
        """The group's offsets are those of the lanes, if a coordinator takes them soon; else a later call says them."""
        offsets = self.app.lanes.positions()
        if offsets == self._said:
            return False
        saying = asyncio.run_coroutine_threadsafe(self._thread.commit(offsets), self._thread.thread_loop)
        try:
            said = await asyncio.wait_for(asyncio.wrap_future(saying), _COMMIT_WAIT_SEC)
        except (KafkaError, TimeoutError) as error:
            _LOG.debug("offsets were not committed", reason=repr(error))
            return False
        self._said = offsets
        return said

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: offsets between batches are markers, and nobody counts acks."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: it would miss commits that are never made; progress is what shows that a lane moves."""


class Transport(driver.Transport):  # type: ignore[misc]  # Faust is read without types
    """Faust's aiokafka transport with the batch consumer."""

    Consumer: ClassVar[type[BatchConsumer]] = BatchConsumer


class BatchSchema(Schema):  # type: ignore[misc]  # Faust is read without types
    """A message's value is the event's value: nothing is decoded."""

    def compile(self, app: AppT, **_keywords: Any) -> Callable[..., Awaitable[Event]]:  # noqa: ANN401  Faust's own signature
        """A decoder that leaves everything as it is."""

        async def decode(message: Message, *, propagate: bool = False) -> Event:  # noqa: ARG001  Faust's own signature
            return Event(app, None, message.value, message.headers, message)

        return decode
