"""One lane: a source partition's batches, each in one transaction with its outputs, its progress and its position.

Steps of a batch, and what a crash between them costs:
1. The chain is checked: the batch begins where the one before ended. A broken chain ends the process; nothing is lost.
2. The policy log is waited for; the step runs in the worker thread. A crash repeats both: nothing was sent.
3. Outputs, the entry in `internal.progress` and the offset commit go into one transaction. A crash before the commit
   aborts it (the next owner's fence does), one after it has everything; nothing in between can be seen.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from aiokafka import TopicPartition

from schemas.connection import KafkaSettings
from schemas.errors import FatalError, TryAgainError
from schemas.internal import Progress, progress_bytes
from schemas.keys import partition_for
from schemas.topics import BY_NAME
from streams.gates import FetchedBatch, Gate
from streams.lane_clock import LaneClock
from streams.lane_producer import LaneProducer, Message
from streams.policy_log import KafkaPolicyLog
from streams.ports import KeepsCheckpoints, LaneLogic, Output, SourceBatch, SourceRecord, StepResult

PROGRESS_TOPIC = "internal.progress"


class Ends(Protocol):
    """Says where a partition ends now."""

    async def end(self, topic: str, partition: int) -> int:
        """The high watermark, asked for after this call began."""
        ...


@dataclass(frozen=True, kw_only=True)
class LaneName:
    """Which lane: of which stage, on which partition; `topic` without prefix, `topic_id` the broker's."""

    stage: str
    topic: str
    topic_id: str
    partition: int


@dataclass(frozen=True, kw_only=True)
class LaneTools:
    """What all lanes of a worker share."""

    kafka: KafkaSettings
    policy_log: KafkaPolicyLog
    ends: Ends
    thread: Executor
    tick_interval_sec: float


def to_messages(outputs: Sequence[Output], kafka: KafkaSettings) -> list[Message]:
    """The outputs with their topics' names on the broker and their partitions; a key decides where nobody said.

    Raises: FatalError: a topic that is not in `schemas/topics.py`, or a partition that it does not have.
    """
    messages: list[Message] = []
    for output in outputs:
        topic = BY_NAME.get(output.topic)
        if topic is None:
            raise FatalError(f"an output is for topic {output.topic!r}, which schemas/topics.py does not declare")
        partition = output.partition
        if partition is None:
            partition = partition_for(output.key or b"", topic.partitions)
        if not 0 <= partition < topic.partitions:
            raise FatalError(f"an output is for {output.topic}/{partition}; it has {topic.partitions} partitions")
        messages.append(Message(kafka.topic(output.topic), partition, output.key, output.value, output.headers))
    return messages


class Lane:
    """Runs a stage's logic over one partition, from `position` on, until it is told to end.

    Below `replay_until` records are replayed: steps run, their outputs are dropped.
    `in_hand` are the first and last offset of the batch whose step runs, for whoever reports that it failed.
    """

    def __init__(  # noqa: PLR0913  made in one place, by name
        self,
        name: LaneName,
        tools: LaneTools,
        *,
        logic: LaneLogic,
        producer: LaneProducer,
        gate: Gate,
        position: int,
        replay_until: int,
        progress: Progress | None,
    ) -> None:
        self.name = name
        self.logic = logic
        self.progress = progress
        self.position = position
        self._replay_until = replay_until
        self._tools = tools
        self._producer = producer
        self._gate = gate
        self._queue: asyncio.Queue[FetchedBatch | None] = asyncio.Queue()
        self._ending = False
        self._for_good = False
        self._clock = LaneClock(progress.log_time_us if progress is not None else 0)
        self.in_hand: tuple[int, int] | None = None

    def put(self, batch: FetchedBatch) -> None:
        """The batch waits for its turn. The gate bounds how many wait."""
        self._queue.put_nowait(batch)

    def end(self, *, for_good: bool = False) -> None:
        """`run` returns after what it has in hand; what waits is dropped, and read again by the next owner.

        `for_good`: the process stops, so a logic that keeps checkpoints writes one, for the start after this.
        """
        self._ending = True
        self._for_good = for_good
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Batches and ticks, one after the other, until `end`. Raises: FatalError, or whatever the logic raises."""
        while not self._ending:
            batch = await self._next()
            if self._ending:
                break
            if batch is not None:
                await self._take(batch)
                self._gate.done_batches += 1
            else:
                await self._tick_if_silent()
        if self._for_good:
            await self._checkpoint()

    async def _next(self) -> FetchedBatch | None:
        """The next batch; None when none came within a tick's time."""
        try:
            return await asyncio.wait_for(self._queue.get(), self._tools.tick_interval_sec)
        except TimeoutError:
            return None

    async def _take(self, batch: FetchedBatch) -> None:
        if batch.gate is not self._gate:
            return  # fetched for an earlier owner of this partition within this process
        if batch.from_offset != self.position:
            where = f"{self.name.stage} on {self.name.topic}/{self.name.partition}"
            raise FatalError(f"{where}: a batch begins at {batch.from_offset}, but {self.position} was expected")
        split = bisect_left(batch.records, self._replay_until, key=lambda record: record.offset)
        if split:
            await self._step(batch.records[:split])
        if split < len(batch.records):
            result = await self._step(batch.records[split:])
            await self._commit(result, next_offset=batch.to_offset)
        self.position = batch.to_offset

    async def _step(self, records: Sequence[SourceRecord]) -> StepResult:
        batch = SourceBatch(self.name.topic, self.name.partition, records)
        self.in_hand = (records[0].offset, records[-1].offset)
        await self._tools.policy_log.wait_for(self.logic.policy_offset_needed(batch))
        result = await asyncio.get_running_loop().run_in_executor(self._tools.thread, self.logic.step, batch)
        self.in_hand = None
        return result

    async def _commit(self, result: StepResult, *, next_offset: int) -> list[int | None]:
        self._clock.advance(result.log_time_us)
        progress = Progress(
            stage=self.name.stage,
            topic=self.name.topic,
            partition=self.name.partition,
            next_offset=next_offset,
            policy_offset=result.policy_offset,
            log_time_us=self._clock.log_time_us,
            topic_id=self.name.topic_id,
            at_us=self._clock.log_time_us,
            held_back=result.held_back,
        )
        said = Output(PROGRESS_TOPIC, progress_bytes(progress), key=progress.key(), partition=0)
        source = TopicPartition(self._tools.kafka.topic(self.name.topic), self.name.partition)
        appended = await self._producer.commit(
            to_messages([*result.outputs, said], self._tools.kafka), {source: next_offset}
        )
        self.progress = progress
        return appended

    async def _checkpoint(self) -> None:
        """The logic's checkpoint, if it keeps any and stands where progress says it stands."""
        said = self.progress
        if isinstance(self.logic, KeepsCheckpoints) and said is not None and self.caught_up():
            outputs = await asyncio.get_running_loop().run_in_executor(self._tools.thread, self.logic.checkpoint)
            result = StepResult(outputs, said.log_time_us, said.policy_offset)
            await self._commit(result, next_offset=said.next_offset)

    def caught_up(self) -> bool:
        """Whether the logic's state is that of the lane's progress: nothing is left to replay."""
        return self.position >= self._replay_until

    async def _tick_if_silent(self) -> None:
        """A tick, if nothing is unread; where the logic has none, progress past the markers, if it is not said yet.

        The argument for the time that it claims (law of `lane_clock`): the previous tick's append was acknowledged
        before this call, and the end of the log is asked for after that. If the consumer's position is not below that
        end, and every record below the position was handed to this lane and is done, then whatever is unread stands at
        or above that end, so it was appended after the question, so after the previous tick. The end is the high
        watermark, not the last stable offset: records of a transaction that is still open count as unread.
        """
        try:
            end = await self._tools.ends.end(self.name.topic, self.name.partition)
        except TryAgainError:
            return  # the broker is away; who commits next says so
        seen = self._gate.seen
        if self._ending or seen.handed != self.position or seen.position < max(end, self._replay_until):
            return
        result = await asyncio.get_running_loop().run_in_executor(
            self._tools.thread, self.logic.tick, self._clock.tick_time_us()
        )
        if result is None:
            await self._pass_markers(seen.position)
            return
        appended = await self._commit(result, next_offset=seen.position)
        self._clock.ticked(min((at for at in appended if at is not None), default=None))

    async def _pass_markers(self, position: int) -> None:
        """Progress and committed offset are at `position`: between there and what was said stand only markers."""
        said = self.progress
        if position > (0 if said is None else said.next_offset):
            nothing = StepResult(
                (),
                log_time_us=self._clock.log_time_us,
                policy_offset=-1 if said is None else said.policy_offset,
                held_back=0 if said is None else said.held_back,
            )
            await self._commit(nothing, next_offset=position)
