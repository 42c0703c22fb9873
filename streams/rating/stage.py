"""The rating stage: what one batch of `usage.events` leads to; other topics have `adjusting.py` and `accruing.py`.

Steps of a batch, all of them in one transaction of the lane; a crash before its commit leaves no trace of any:
1. decode; complete leaves; refuse what is no event or lies in the future
2. attribute by the directory; price; refuse what costs 10**6 USD or more
3. drop copies of what the duplicate window holds; refuse what contradicts it
4. rows to internal.rated, sums to *every* partition of internal.deltas, slim rows to every one of internal.steps,
   identities to internal.seen, refusals to usage.dead_letters
   What revises an event that the window holds, and what is void, is a row without sums (`corrects`): the sink, which
   has what it replaces, publishes the difference.

Laws
1. Dead letters + dropped copies + rows + heartbeats = records.
2. The same records, policies and window give the same bytes.
3. However records are cut into batches: the same rows, and deltas that merge to the same.
4. No bytes make a step raise.

Long because the steps of a batch stand side by side.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from schemas.aliases import NO_ALIASES, Aliases
from schemas.errors import InvalidMessage, Reason
from schemas.topics import BY_NAME
from streams.ports import Output, PartitionReader, PolicyLog, SourceBatch, SourceRecord, StepResult
from streams.rating.accruing import CHARGES_TOPIC, AccruingLane
from streams.rating.adjusting import ADJUSTMENTS_TOPIC, AdjustingLane
from streams.rating.attribution import NO_DIRECTORY
from streams.rating.charging import Charges, charge
from streams.rating.columns import Columns
from streams.rating.costs import Bools
from streams.rating.dead_letters import dead_letter
from streams.rating.decoding import Reader
from streams.rating.deltas import counted, deltas_of
from streams.rating.duplicates import Known, Verdict, Window
from streams.rating.groups import Ints
from streams.rating.heartbeats import without_heartbeats
from streams.rating.identity import content_hashes, event_identities
from streams.rating.judging import MAX_AHEAD_US, judge
from streams.rating.matching import DEFAULT_HORIZON_US, Matcher
from streams.rating.messages import Batch, delta_messages, rated_messages
from streams.rating.price_rules import Prices
from streams.rating.prices import PriceBook
from streams.rating.rows import Marks, rated_rows
from streams.rating.seen import Seen, enough, rebuilt, seen_from_bytes, seen_to_bytes
from streams.rating.steps import steps_of
from streams.rating.strays import strays

NAME = "rating"
SOURCE_TOPIC = "usage.events"
SEEN_TOPIC = "internal.seen"
WINDOW_EVENTS = 250_000
_KILLED = InvalidMessage(Reason.POISON, "", "each process that rated this record, and nothing else with it, died")
_REFUSALS = {
    Verdict.CONFLICT: InvalidMessage(
        Reason.CONFLICTING_DUPLICATE, "id", "an event of this source and id was counted with another content"
    ),
    Verdict.TIME_MOVED: InvalidMessage(
        Reason.EVENT_TIME_MOVED, "time", "a revision of this source and id was counted with another time"
    ),
}


class RatingStage:
    """Rating, for the lanes that run it; one per process, so that its lanes share the price book."""

    name = NAME
    source_topics = (SOURCE_TOPIC, ADJUSTMENTS_TOPIC, CHARGES_TOPIC)

    def __init__(
        self, policy_log: PolicyLog, *, window_events: int = WINDOW_EVENTS, book: PriceBook | None = None
    ) -> None:
        self._policies = policy_log
        self._prices = Prices(book or PriceBook())
        self._window_events = window_events

    def lane(self, topic: str, partition: int) -> "RatingLane | AdjustingLane | AccruingLane":
        """Fresh logic for a partition."""
        if topic == CHARGES_TOPIC:
            return AccruingLane(partition, self._policies)
        if topic == ADJUSTMENTS_TOPIC:
            return AdjustingLane(partition, self._policies)
        return RatingLane(partition, self._policies, self._prices, window_events=self._window_events)


class RatingLane:
    """Rating of one partition: the duplicate window, and the highest log time and policy offset said so far."""

    def __init__(self, partition: int, policies: PolicyLog, prices: Prices, *, window_events: int) -> None:
        self.partition = partition
        self.copies_dropped = 0
        self._policies = policies
        self._prices = prices
        self._reader = Reader()
        self._window = Window(window_events)
        self._log_time_us = 0
        self._policy_offset = -1
        self._next_offset = 0
        self._matcher = Matcher({})
        self._aliases = NO_ALIASES
        self._directory = NO_DIRECTORY
        self._matcher_offset = -1

    async def recover(self, reader: PartitionReader, *, next_offset: int) -> int:
        """The window is what it was after the last committed batch; reading goes on at `next_offset`.

        Raises: CorruptStateError: `internal.seen` holds what rating did not write.
        """
        asked, found = 256, [SourceRecord(0, 0, None, None, ())] * 256
        records: list[Seen] = []
        while len(found) >= asked // 4:
            found = list(await reader.read_last(SEEN_TOPIC, self.partition, records=asked))
            records = [seen_from_bytes(record.value) for record in found if record.value is not None]
            if enough(records, size=self._window.size):
                break
            asked *= 4
        self._window = rebuilt(records, size=self._window.size, max_ahead_us=MAX_AHEAD_US)
        if records:
            self._log_time_us, self._policy_offset = records[-1].log_time_us, records[-1].policy_offset
        self._next_offset = next_offset
        return next_offset

    def policy_offset_needed(self, batch: SourceBatch) -> int:  # noqa: ARG002  part of the port
        """The highest offset that this lane has named: policies never go back."""
        return self._policy_offset

    def tick(self, log_time_us: int) -> StepResult:
        """Empty messages to every partition: nothing came up to this time."""
        self._move(log_time_us)
        batch = self._batch(first_offset=self._next_offset, next_offset=self._next_offset, tick=True)
        return StepResult(delta_messages(batch, None), self._log_time_us, self._policy_offset)

    def step(self, batch: SourceBatch) -> StepResult:
        """All that the records lead to; the module says in which steps."""
        if not batch.records:
            return self.tick(self._log_time_us)
        self._move(batch.records[-1].append_time_us)
        self._next_offset = batch.records[-1].offset + 1
        heading = self._batch(first_offset=batch.records[0].offset, next_offset=self._next_offset, tick=False)

        decoded = self._reader.read(batch.records)
        refused, outputs = without_heartbeats(decoded.refused, heading)
        counted = {}
        if decoded.id:
            columns = Columns(decoded, self._aliases, self._directory)
            charges = charge(columns, self._prices)
            judged = judge(columns, charges, decoded.records)
            refused.extend(judged.refused)
            admitted = self._admit(columns, judged.valid)
            refused.extend((decoded.records[row], why) for row, why in admitted.refused)
            outputs.extend(self._conclusions(heading, columns, charges, admitted))
            kept, unpriced = len(admitted.kept), int(charges.unpriced[admitted.kept].sum())
            copies = len(judged.valid) - kept - len(admitted.refused)
            counted = {"priced": kept - unpriced, "unpriced": unpriced, "copy": copies}
        else:
            outputs.extend(delta_messages(heading, None))
        refused.sort(key=lambda pair: pair[0].offset)
        outputs.extend(dead_letter(*pair, topic=batch.topic, partition=batch.partition) for pair in refused)
        counted["dead_letter"] = len(refused)
        return StepResult(outputs, self._log_time_us, self._policy_offset, counted=counted)

    def set_aside(self, record: SourceRecord) -> StepResult:
        """The record is a dead letter and counts for nothing; the log moves on past it."""
        self._move(record.append_time_us)
        self._next_offset = record.offset + 1
        heading = self._batch(first_offset=record.offset, next_offset=self._next_offset, tick=False)
        letter = dead_letter(record, _KILLED, topic=SOURCE_TOPIC, partition=self.partition)
        return StepResult([*delta_messages(heading, None), letter], self._log_time_us, self._policy_offset)

    def _admit(self, columns: Columns, valid: Ints) -> "_Admitted":
        """Those of the valid rows that the duplicate window admits, which now holds them; and what is said of each."""
        identities = event_identities(columns)
        revisions = columns.numbers("revision").astype(np.uint32)
        known = Known(identities, revisions, columns.event_us, content_hashes(columns)).take(valid)
        held_before = len(self._window)
        verdicts, maybe = self._window.admit(known)
        self.copies_dropped += int((verdicts == Verdict.COPY).sum())
        revises = verdicts == Verdict.REVISION
        new = np.flatnonzero((verdicts == Verdict.COUNTED) | revises)
        corrects = columns.true("void")
        corrects[valid[revises]] = True
        astray = strays(columns, self.partition)
        maybe_duplicate = corrects | astray
        maybe_duplicate[valid[new]] |= maybe[new]
        refused = [
            (row, why)
            for verdict, why in _REFUSALS.items()
            for row in valid[np.flatnonzero(verdicts == verdict)].tolist()
        ]
        marks = Marks(
            identities=identities,
            live=self._live(columns),
            maybe_duplicate=maybe_duplicate,
            corrects=corrects,
            astray=astray,
            policy_offset=self._policy_offset,
            partition=self.partition,
        )
        return _Admitted(valid[new], refused, marks, known.take(new), held_before)

    def _conclusions(
        self, heading: Batch, columns: Columns, charges: Charges, admitted: "_Admitted"
    ) -> Iterator[Output]:
        """Rows, deltas and identities of the rows that are admitted."""
        kept, marks = admitted.kept, admitted.marks
        yield from rated_messages(heading, rated_rows(columns, charges, marks, kept=kept))
        counting = kept[~marks.corrects[kept]]
        deltas = deltas_of(counted(columns, charges, live=marks.live, kept=counting), self._matcher.matches(columns))
        yield from delta_messages(heading, deltas, steps_of(columns, charges, live=marks.live, kept=counting))
        if len(admitted.kept):
            yield self._seen(admitted.known, held_before=admitted.held_before)

    def _move(self, log_time_us: int) -> None:
        """Log time and policies are those of now; neither ever falls."""
        self._log_time_us = max(self._log_time_us, log_time_us)
        offset, policies = self._policies.latest()
        if offset > self._matcher_offset:
            self._matcher, self._matcher_offset = Matcher(policies), offset
            self._prices = self._prices.under(policies)
            self._aliases = Aliases(entry.policy for entry in policies.values())
            self._directory = self._directory.under(policies)
        self._policy_offset = max(self._policy_offset, offset)

    def _batch(self, *, first_offset: int, next_offset: int, tick: bool) -> Batch:
        return Batch(
            source_topic=SOURCE_TOPIC,
            source_partition=self.partition,
            lanes=BY_NAME[SOURCE_TOPIC].partitions,
            first_offset=first_offset,
            next_offset=next_offset,
            log_time_us=self._log_time_us,
            policy_offset=self._policy_offset,
            tick=tick,
        )

    def _live(self, columns: Columns) -> Bools:
        """Which rows are live: no older at their append time than the horizon of their org."""
        org = columns.codes("org")
        horizons = np.array([self._matcher.horizon_us.get(name, DEFAULT_HORIZON_US) for name in org.values], np.int64)
        horizon: Ints = horizons[org.codes] if columns.rows else columns.event_us
        live: Bools = columns.append_us - columns.event_us <= horizon
        return live

    def _seen(self, known: Known, *, held_before: int) -> Output:
        seen = Seen(
            known=known,
            held_before=held_before,
            newest_gone_us=self._window.newest_gone_us,
            log_time_us=self._log_time_us,
            policy_offset=self._policy_offset,
        )
        return Output(topic=SEEN_TOPIC, value=seen_to_bytes(seen), partition=self.partition)


@dataclass(frozen=True)
class _Admitted:
    """What the duplicate window said of a batch."""

    kept: Ints  # rows that are admitted
    refused: list[tuple[int, InvalidMessage]]  # row and why
    marks: Marks  # of all rows
    known: Known  # of the rows that are admitted
    held_before: int
