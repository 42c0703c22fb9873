"""The lanes of a worker: opened when partitions come, ended before they go.

Steps of opening, in this order:
1. The transactional producers of all partitions start: whoever had them is fenced, its open transactions are settled.
2. Only then is progress read: nobody can move it any more but us.
3. The policy log is read as far as the lane has named it: who opens budgets believes that policies never go back.
4. The logic recovers, the gate opens where it wants to begin, the lane runs.
A crash anywhere here has changed nothing but the fence.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import structlog
from aiokafka.errors import IllegalStateError
from faust.types import TP

from schemas.errors import FatalError
from schemas.progress import Progress
from streams.gates import FetchedBatch, Gate
from streams.lane import Lane
from streams.lane_producer import LaneProducer
from streams.lane_start import Start
from streams.lane_tools import LaneName, LaneTools, state_topic
from streams.patience import until_done
from streams.ports import LaneLogic, PartitionReader, StageLogic
from streams.readers import LogEnds
from streams.recorded import Place, RecordedPositions, deaths_at
from streams.settings import LANE_DEPTH
from streams.topic_facts import TopicFacts

_LOG = structlog.get_logger()


class GateOpener(Protocol):
    """The consumer, as far as lanes know it."""

    async def open_gate(self, partition: TP, gate: Gate, offset: int) -> None:
        """Records of the partition go through the gate, from `offset` on."""
        ...


class Lanes:
    """Keeps one lane for each partition that this worker has; implements the transport's `LaneKeeper`."""

    def __init__(  # noqa: PLR0913  made in one place, by name
        self,
        *,
        stage: StageLogic,
        tools: LaneTools,
        ends: LogEnds,
        reader: PartitionReader,
        facts: TopicFacts,
        consumer: Callable[[], GateOpener],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._stage = stage
        self._tools = tools
        self._ends = ends
        self._reader = reader
        self._facts = facts
        self._consumer = consumer
        self._fail = fail
        self._group = f"{tools.kafka.group_prefix}{stage.name}"
        self._states = {topic: state_topic(stage.name, topic) for topic in stage.source_topics}
        self._recorded = RecordedPositions(stage.name, tools.kafka, ends=ends, reader=reader, facts=facts)
        self._names = {tools.kafka.topic(topic): topic for topic in stage.source_topics}
        self._opening: asyncio.Task[None] | None = None
        self._lanes: dict[Place, tuple[Lane, asyncio.Task[None]]] = {}
        self._gates: dict[Gate, Lane] = {}
        self._parked: dict[Place, tuple[LaneLogic, Progress]] = {}
        self._closed = False

    def begin(self, partitions: frozenset[TP]) -> None:
        """Lanes for exactly these partitions are being opened, in the background."""
        if not partitions or self._closed:
            return
        places = sorted((self._names[topic], partition) for topic, partition in partitions)
        self._opening = asyncio.create_task(self._open_all(places), name="open lanes")
        self._opening.add_done_callback(self._ended)

    async def end(self) -> None:
        """Every lane has finished the batch it had in hand and holds nothing any more; its logic is parked."""
        await self._end(for_good=False)

    async def _end(self, *, for_good: bool) -> None:
        opening, self._opening = self._opening, None
        if opening is not None and not opening.done():
            opening.cancel()
            await asyncio.wait({opening})
        for lane, _ in self._lanes.values():
            lane.end(for_good=for_good)
        await asyncio.gather(*(task for _, task in self._lanes.values()), return_exceptions=True)
        self._lanes.clear()
        self._gates.clear()

    async def close(self) -> None:
        """Every lane has ended, with a checkpoint where its logic keeps them; none begins any more."""
        self._closed = True
        await self._end(for_good=True)

    def positions(self) -> Mapping[TP, int]:
        """Up to where each lane that this worker has, or had last, is done; topics as the broker names them."""
        said = {place: progress for place, (_, progress) in self._parked.items()}
        said |= {place: lane.progress for place, (lane, _) in self._lanes.items() if lane.progress is not None}
        topic = self._tools.kafka.topic
        return {TP(topic(place[0]), place[1]): progress.next_offset for place, progress in said.items()}

    def deliver(self, batch: FetchedBatch) -> None:
        """The lane behind the batch's gate has it in its queue; a batch of an ended lane is dropped."""
        self.heard()
        lane = self._gates.get(batch.gate)
        if lane is not None:
            lane.put(batch)

    def heard(self) -> None:
        """Something came, so lanes tick often from now on, for a while."""
        if self._tools.pace.heard(asyncio.get_running_loop().time()):
            for lane, _ in self._lanes.values():
                lane.wake()

    def fail(self, error: BaseException) -> None:
        """The process ends."""
        self._fail(error)

    async def _open_all(self, places: Iterable[Place]) -> None:
        producers = {place: self._producer(place) for place in places}
        try:
            await asyncio.gather(*(until_done(producer.start) for producer in producers.values()))
            states = (state for state in self._states.values() if state is not None)
            named = sorted({*self._stage.source_topics, *states})
            ids = await until_done(lambda: self._facts.require(named))
            progress = await until_done(self._recorded.progress)
            opened = (
                self._open(self._name(place, ids), producers.pop(place), progress.get(place))
                for place in sorted(producers)
            )
            await asyncio.gather(*opened)
        finally:
            for producer in producers.values():
                await producer.stop()

    def _name(self, place: Place, ids: Mapping[str, str]) -> LaneName:
        topic, partition = place
        return LaneName(
            stage=self._stage.name,
            topic=topic,
            topic_id=ids[topic],
            partition=partition,
            state_id=ids.get(self._states[topic] or "", ""),
        )

    def _producer(self, place: Place) -> LaneProducer:
        kafka = self._tools.kafka
        topic, partition = place
        return LaneProducer(
            connection=kafka.to_aiokafka(),
            transactional_id=f"{self._group}-{kafka.topic(topic)}-{partition}",
        )

    async def _open(self, name: LaneName, producer: LaneProducer, progress: Progress | None) -> None:
        place = topic, partition = name.topic, name.partition
        try:
            start = await self._recorded.start(name, progress)
            if progress is not None:
                await self._tools.policy_log.wait_for(progress.policy_offset)
            logic, position = await self._logic(place, progress, start)
            gate = Gate(LANE_DEPTH)
            lane = Lane(
                name,
                self._tools,
                logic=logic,
                producer=producer,
                gate=gate,
                position=position,
                replay_until=start.offset,
                progress=progress,
                deaths=deaths_at(start, progress),
                lost_records=(progress.lost_records if progress else 0) + start.lost_records,
            )
            self._gates[gate] = lane
            await self._consumer().open_gate(TP(self._tools.kafka.topic(topic), partition), gate, position)
        except IllegalStateError:  # the partition went while we opened its lane; `end` follows
            await producer.stop()
            return
        except BaseException:
            await producer.stop()
            raise
        task = asyncio.create_task(self._run(lane, producer), name=f"lane {topic}/{partition}")
        task.add_done_callback(self._ended)
        self._lanes[place] = (lane, task)
        _LOG.info("lane runs", topic=topic, partition=partition, position=position, next_offset=start.offset)

    async def _logic(self, place: Place, progress: Progress | None, start: Start) -> tuple[LaneLogic, int]:
        """The lane's logic and where it begins to read: as it was parked if nobody moved on since, else recovered."""
        topic, partition = place
        parked = self._parked.pop(place, None)
        if parked is not None and parked[1] == progress and parked[1].next_offset == start.offset:
            return parked[0], start.offset
        logic = self._stage.lane(topic, partition)
        replay_from = await until_done(lambda: logic.recover(self._reader, next_offset=start.offset))
        if replay_from > start.offset:
            where = f"{self._stage.name} on {topic}/{partition}"
            raise FatalError(f"{where} would begin at {replay_from}, past {start.offset}")
        begin = await until_done(lambda: self._ends.begin(topic, partition))
        if replay_from < min(begin, start.offset):
            _LOG.error("replay is cut", topic=topic, partition=partition, wanted=replay_from, first_kept=begin)
        return logic, min(max(replay_from, begin), start.offset)

    async def _run(self, lane: Lane, producer: LaneProducer) -> None:
        try:
            await lane.run()
            if lane.progress is not None and lane.caught_up():
                self._parked[lane.name.topic, lane.name.partition] = (lane.logic, lane.progress)
        finally:
            await producer.stop()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            for lane, its_task in self._lanes.values():
                if its_task is task and lane.in_hand is not None:
                    error.add_note(f"batch of {lane.name.topic}/{lane.name.partition}: offsets {lane.in_hand}")
            self._fail(error)
