"""One lane: a source partition's batches, each in one transaction with its outputs and its progress.

Steps of a batch, and what a crash between them costs:
1. The chain is checked: the batch begins where the one before ended. A broken chain ends the process; nothing is lost.
2. The first batch after a start, and what has killed a process: progress says in a transaction of its own that a
   process is about to step it (`streams.attempts`). A crash after it is counted; one before it, in a replay or in the
   lane's recovery is not.
3. The policy log is waited for; the step runs in the worker thread. A crash repeats both: nothing was sent.
4. Outputs and the entry in `internal.progress` go into one transaction. A crash before the commit aborts it (the next
   owner's fence does), one after it has everything; nothing in between can be seen. The entry of a step without outputs
   may wait a moment for the next one's (`streams.lane_pace`); a crash repeats it.

Long because a lane's life is one thought: what it takes, when it speaks, how it ends.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from schemas.errors import FatalError, TryAgainError
from schemas.progress import Progress, progress_bytes
from streams.attempts import MOST_DEATHS, Attempt, Attempts, Deaths
from streams.gates import FetchedBatch, Gate, Seen
from streams.lane_clock import LaneClock
from streams.lane_pace import Quiet, may_wait
from streams.lane_producer import LaneProducer
from streams.lane_tools import PROGRESS_TOPIC, LaneName, LaneTools, to_messages
from streams.numbers import STEP, TRANSACTION, note_transaction, timed
from streams.ports import (
    KeepsCheckpoints,
    LaneLogic,
    Output,
    SetsAside,
    SourceBatch,
    SourceRecord,
    StepResult,
    Ticks,
)

Result = TypeVar("Result")
_LOG = structlog.get_logger()


class Lane:
    """Runs a stage's logic over one partition, from `position` on, until it is told to end.

    Below `replay_until` records are replayed: steps run, their outputs are dropped. `deaths` are those at this position
    before, `lost_records` those of this partition in all.
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
        deaths: Deaths,
        lost_records: int,
    ) -> None:
        self.name = name
        self.logic = logic
        self.progress = progress
        self.position = position
        self._replay_until = replay_until
        self._lost_records = lost_records
        self._deaths = Deaths()
        self._deaths_before = deaths.count
        self._attempts = Attempts(deaths, narrows=isinstance(logic, SetsAside))
        self._tools = tools
        self._producer = producer
        self._gate = gate
        self._queue: asyncio.Queue[FetchedBatch | None] = asyncio.Queue()
        self._ending = False
        self._for_good = False
        self._clock = LaneClock(progress.log_time_us if progress is not None else 0)
        self._quiet: Quiet | None = None
        self._spoke_sec = asyncio.get_running_loop().time()
        self.in_hand: tuple[int, int] | None = None

    def put(self, batch: FetchedBatch) -> None:
        """The batch waits for its turn. The gate bounds how many wait."""
        self._queue.put_nowait(batch)

    def wake(self) -> None:
        """The lane looks again when it is to tick."""
        self._queue.put_nowait(None)

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
                self._spoke_sec = self._now_sec()
            elif self._now_sec() < self._speaks_at_sec():
                pass  # it was woken
            elif self._quiet is not None:
                await self._say_quiet()
            else:
                await self._look_if_silent()
                self._spoke_sec = self._now_sec()
        await self._say_quiet()
        if self._for_good:
            await self._checkpoint()

    async def _next(self) -> FetchedBatch | None:
        """The next batch; None when none came before the lane is to speak, or when it was woken."""
        try:
            return await asyncio.wait_for(self._queue.get(), max(0.0, self._speaks_at_sec() - self._now_sec()))
        except TimeoutError:
            return None

    def _speaks_at_sec(self) -> float:
        """When the lane says something if nothing comes."""
        if self._quiet is not None:
            return self._quiet.until_sec
        return self._tools.pace.tick_at_sec(self._spoke_sec, now_sec=self._now_sec())

    def _now_sec(self) -> float:
        return asyncio.get_running_loop().time()

    async def _take(self, batch: FetchedBatch) -> None:
        if batch.gate is not self._gate:
            return  # fetched for an earlier owner of this partition within this process
        if batch.from_offset != self.position:
            where = f"{self.name.stage} on {self.name.topic}/{self.name.partition}"
            raise FatalError(f"{where}: a batch begins at {batch.from_offset}, but {self.position} was expected")
        split = bisect_left(batch.records, self._replay_until, key=lambda record: record.offset)
        if split:
            await self._step(batch.records[:split])
        records = batch.records[split:]
        while records:
            attempt = self._attempts.next(records)
            piece = records if attempt is None else records[: attempt.records]
            records = records[len(piece) :]
            next_offset = records[0].offset if records else batch.to_offset
            if attempt is None:
                await self._say(await self._step(piece), next_offset=next_offset, of=piece)
            else:
                await self._say_quiet()
                async with self._tools.one_at_a_time:
                    await self._attempt(attempt, piece, next_offset=next_offset)
        self.position = batch.to_offset

    async def _say(self, done: StepResult, *, next_offset: int, of: Sequence[SourceRecord]) -> None:
        """The step is committed, with the quiet ones before it; or it is quiet, and that may wait."""
        quiet, now_sec = self._quiet, self._now_sec()
        records = [*quiet.records, *of] if quiet is not None else of
        self._quiet = Quiet(quiet.since_sec if quiet is not None else now_sec, done, next_offset, records)
        if not may_wait(done) or now_sec >= self._quiet.until_sec:
            await self._say_quiet()

    async def _say_quiet(self) -> None:
        """Nothing waits to be said."""
        quiet, self._quiet = self._quiet, None
        if quiet is not None:
            await self._commit(quiet.result, next_offset=quiet.next_offset, of=quiet.records)

    async def _attempt(self, attempt: Attempt, records: Sequence[SourceRecord], *, next_offset: int) -> None:
        """The records are stepped and committed, or set aside; who dies in between is counted."""
        await self._mark(attempt.deaths)
        self._tell(attempt, records)
        if attempt.aside and isinstance(self.logic, SetsAside):
            record = records[0]
            if attempt.deaths.count > MOST_DEATHS + 1:  # it kills even whoever reads it to set it aside
                record = SourceRecord(record.offset, record.append_time_us, None, None, ())
            result = await self._in_thread(self.logic.set_aside, record)
        else:
            result = await self._step(records)
            if len(records) == 1:  # it does not kill, then; what may end the process now is the commit
                await self._mark(Deaths())
        self._deaths = self._attempts.left(next_offset)
        await self._commit(result, next_offset=next_offset, of=records)
        self._deaths = Deaths()

    def _tell(self, attempt: Attempt, records: Sequence[SourceRecord]) -> None:
        """A line about what has killed before, and what becomes of it."""
        if not self._deaths_before:
            return
        never = self._deaths_before >= MOST_DEATHS and not isinstance(self.logic, SetsAside)
        _LOG.error(
            "set aside" if attempt.aside else "tries again",
            topic=self.name.topic,
            partition=self.name.partition,
            offset=records[0].offset,
            records=len(records),
            reason=f"{self._deaths_before} processes died on it"
            + (f"; {self.name.stage} never skips a record" if never else ""),
        )

    async def _mark(self, deaths: Deaths) -> None:
        """Progress stands where it stood and says the deaths, as if this process had died already."""
        self._deaths = deaths
        said = self.progress
        await self._commit(self._nothing(), next_offset=max(self.position, said.next_offset if said else 0))
        self._deaths = Deaths()

    async def _step(self, records: Sequence[SourceRecord]) -> StepResult:
        batch = SourceBatch(self.name.topic, self.name.partition, records)
        self.in_hand = (records[0].offset, records[-1].offset)
        await self._tools.policy_log.wait_for(self.logic.policy_offset_needed(batch))
        with timed(STEP, self.name.topic):
            result = await self._in_thread(self.logic.step, batch)
        self.in_hand = None
        return result

    async def _in_thread(self, what: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._tools.thread, what, *arguments)

    async def _commit(self, done: StepResult, *, next_offset: int, of: Sequence[SourceRecord] = ()) -> list[int | None]:
        self._clock.advance(done.log_time_us)
        progress = Progress(
            stage=self.name.stage,
            topic=self.name.topic,
            partition=self.name.partition,
            next_offset=next_offset,
            policy_offset=done.policy_offset,
            log_time_us=self._clock.log_time_us,
            topic_id=self.name.topic_id,
            at_us=self._clock.log_time_us,
            held_back=done.held_back,
            deaths=self._deaths.count,
            state_id=self.name.state_id,
            tried_to=self._deaths.tried_to,
            alone=self._deaths.alone,
            lost_records=self._lost_records,
        )
        said = Output(PROGRESS_TOPIC, progress_bytes(progress), key=progress.key(), partition=0)
        with timed(TRANSACTION, self.name.topic):
            appended = await self._producer.commit(to_messages([*done.outputs, said], self._tools.kafka))
        note_transaction(self.name.topic, self.name.partition, done, of=of)
        self.progress = progress
        return appended

    async def _checkpoint(self) -> None:
        """The logic's checkpoint, if it keeps any and stands where progress says it stands."""
        said = self.progress
        if isinstance(self.logic, KeepsCheckpoints) and said is not None and self.caught_up():
            outputs = await self._in_thread(self.logic.checkpoint)
            result = StepResult(outputs, said.log_time_us, said.policy_offset)
            await self._commit(result, next_offset=said.next_offset)

    def caught_up(self) -> bool:
        """Whether the logic's state is that of the lane's progress: nothing is left to replay."""
        return self.position >= self._replay_until

    async def _look_if_silent(self) -> None:
        """A tick if nothing is unread; where the logic has no use for it, progress past the markers."""
        if isinstance(self.logic, Ticks):
            await self._tick_if_silent(self.logic)
        else:
            await self._pass_markers(self._gate.seen)

    async def _tick_if_silent(self, logic: Ticks) -> None:
        """A tick, if nothing is unread.

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
        result = await self._in_thread(logic.tick, self._clock.tick_time_us())
        if result is None:
            await self._pass_markers(seen)
            return
        appended = await self._commit(result, next_offset=seen.position)
        self._clock.ticked(min((at for at in appended if at is not None), default=None))

    async def _pass_markers(self, seen: Seen) -> None:
        """Progress is where the consumer is, if everything below it was handed over and is done: only markers are."""
        said_to = self.progress.next_offset if self.progress else 0
        if not self._ending and seen.handed == self.position and seen.position > max(said_to, self._replay_until - 1):
            await self._commit(self._nothing(), next_offset=seen.position)

    def _nothing(self) -> StepResult:
        """No conclusions: what was said stands."""
        said = self.progress
        policy_offset, held_back = (said.policy_offset, said.held_back) if said else (-1, 0)
        return StepResult((), self._clock.log_time_us, policy_offset, held_back)
