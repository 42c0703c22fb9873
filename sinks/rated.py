"""The worker that stores `internal.rated`: gather a group, record it, insert it, go on. There is one in the world.

0. Look up the rows that may be copies or revisions of old events: of each event one row survives (`revisions.py`),
   the others are left out.
1. Record the group, what is left out, the signed rows that say so to rating, and the progress of the group before, in
   one transaction. A crash before: nothing happened; the messages are gathered anew, perhaps otherwise.
2. Insert. A crash before or meanwhile: the next life reads the record and repeats exactly this group (`inserter.py`);
   it publishes nothing, since what the group led to was published with its record.
3. Its progress is said with the next group, or alone when there is nothing else to do. A crash before: the next life
   repeats an insert that was complete; its tokens are known, nothing changes.
Long because the steps of a life stand side by side.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa
from structlog.typing import FilteringBoundLogger

from schemas.errors import CorruptStateError, KafkaUnavailableError, LogChangedError
from schemas.progress import Progress
from sinks.adjustments import signed_rows
from sinks.corrector import Corrector, Life
from sinks.group_log import GroupLog, stored_progress, word
from sinks.groups import (
    Gathered,
    Gatherer,
    Group,
    Limits,
    RatedMessage,
    Span,
    covered,
    group_name,
    left_out_of,
    part_tokens,
)
from sinks.inserter import Inserter
from sinks.log_questions import TopicFacts
from sinks.log_reader import End, LogReader, Record
from sinks.opener import Opener
from sinks.patience import Patience
from sinks.rated_log import RATED, last_group, rated_message, read_spans
from sinks.reconciler import Reconciler
from sinks.revisions import Resolution
from sinks.rows import split_by_month, store_rows

_IDLE_SEC = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What the worker reads from and writes to."""

    reader: LogReader
    log: GroupLog
    inserter: Inserter
    patience: Patience
    opener: Opener
    reconciler: Reconciler
    corrector: Corrector


class RatedWorker:
    """Stores every message of `internal.rated` exactly once."""

    def __init__(self, doors: Doors, limits: Limits, log: FilteringBoundLogger) -> None:
        self._doors = doors
        self._limits = limits
        self._log = log
        self._facts = TopicFacts("", 0)
        self._epoch = 0
        self._number = 0
        self._progress: dict[int, Progress] = {}
        self._unsaid: set[int] = set()
        self._starts: dict[int, int] = {}
        self._gone: dict[int, int] = {}  # records of each partition that retention took, still to be said

    def run(self) -> None:
        """Ends only by an error or StopRequested. Raises: FencedError, CorruptStateError, LogChangedError."""
        gatherer = Gatherer(self._recover(), self._limits)
        self._log.info("storing", topic=RATED, epoch=self._epoch, positions=self._positions())
        while True:
            self._doors.patience.check()
            idle = self._gather(gatherer)
            if gatherer.due(now_us=_now_us()) or (idle and gatherer.moved() and not gatherer.waiting()):
                self._store(gatherer.close())
            self._doors.opener.step(self._stored())
            self._doors.reconciler.step(self._stored())
            if idle:
                self._say()
                self._doors.patience.until_done(lambda: self._doors.log.assure(self._word()))

    def _recover(self) -> Mapping[int, int]:
        """Earlier sinks are fenced, the last group is whole; where each partition goes on."""
        doors, until_done = self._doors, self._doors.patience.until_done
        until_done(doors.log.open)
        doors.inserter.take_over()
        doors.reconciler.finish()
        self._facts = until_done(lambda: doors.reader.facts(RATED))
        said = until_done(lambda: stored_progress(doors.reader))
        group = until_done(lambda: last_group(doors.reader))
        self._progress = {partition: entry for (topic, partition), entry in said.items() if topic == RATED}
        self._same_topic([entry.topic_id for entry in self._progress.values()])
        if group is not None:
            self._same_topic([group.topic_id])
            self._epoch = group.epoch
            if group.correction is not None:
                doors.corrector.repeat(group.correction)
            elif not covered(group, self._positions()):
                self._repeat(group)
        doors.inserter.begin()
        self._epoch += 1
        doors.corrector.begin(Life(epoch=self._epoch, topic_id=self._facts.topic_id, say=self._say))
        self._starts = {partition: self._start(partition) for partition in range(self._facts.partitions)}
        rated = {(RATED, partition): start for partition, start in self._starts.items()}
        doors.reader.assign({**rated, **doors.opener.begin(said), **doors.reconciler.begin(said)})
        return self._starts

    def _same_topic(self, known_ids: Sequence[str]) -> None:
        if any(known and known != self._facts.topic_id for known in known_ids):
            raise LogChangedError(
                f"{RATED} is not the topic that the sink's positions belong to (it was deleted and created anew);"
                " restore all of Kafka, or give this stack new prefixes and a new database"
            )

    def _start(self, partition: int) -> int:
        low, high = self._doors.patience.until_done(lambda: self._doors.reader.bounds((RATED, partition)))
        entry = self._progress.get(partition)
        if entry is None:
            return low
        if entry.next_offset > high:
            raise LogChangedError(f"{RATED}/{partition} ends at {high}, but {entry.next_offset} was reached before")
        if low > entry.next_offset:  # nobody is believed at once that records are gone
            low, _ = self._doors.patience.until_done(lambda: self._doors.reader.bounds((RATED, partition)))
        start = self._after_loss(partition, reached=entry.next_offset, low=low)
        if start > entry.next_offset:  # it is said though nothing may ever come behind it
            self._advance((Span(partition=partition, first=entry.next_offset, next=start),), ())
        return start

    def _after_loss(self, partition: int, *, reached: int, low: int) -> int:
        if low > reached:
            self._log.error(
                "retention took records before they were stored", partition=partition, records=low - reached
            )
            self._gone[partition] = self._gone.get(partition, 0) + low - reached
        return max(low, reached)

    def _repeat(self, group: Group) -> None:
        """The recorded group is stored, whatever of it was stored before."""
        doors = self._doors
        if self._lost(group):
            return
        group = msgspec.structs.replace(group, attempt=group.attempt + 1)
        doors.patience.until_done(lambda: doors.log.commit(group=group, progress=()))
        messages = doors.patience.until_done(lambda: read_spans(doors.reader, group.spans))
        if sum(message.rows.num_rows for message in messages) != group.rows:
            raise CorruptStateError(f"group {group.group_id} was recorded with {group.rows} rows; the log has others")
        rows = store_rows(messages, group_id=group.group_id, left_out=group.left_out)
        self._log.info("repeating the last group", group=group.group_id, rows=rows.num_rows, attempt=group.attempt)
        doors.inserter.put(group, rows, in_doubt=True)
        self._advance(group.spans, messages)
        self._say()

    def _lost(self, group: Group) -> bool:
        """Whether retention took messages of the group, so that it cannot be repeated; if so, that is said."""
        reader, until_done = self._doors.reader, self._doors.patience.until_done
        if until_done(lambda: all(reader.bounds((RATED, span.partition))[0] <= span.first for span in group.spans)):
            return False
        events = self._doors.inserter.settle(group.group_id)
        self._log.error(
            "retention took the last group before it was known to be stored",
            group=group.group_id,
            stored=events,
            recorded=group.rows,
        )
        self._advance(group.spans, ())
        return True

    def _gather(self, gatherer: Gatherer) -> bool:
        """What is there is in the open group, until that is full; whether nothing came."""
        wait_sec, nothing = _IDLE_SEC, True
        try:
            while not gatherer.full() and (fact := self._doors.reader.take(wait_sec=wait_sec)) is not None:
                self._doors.patience.back()
                wait_sec = 0.0
                if fact.topic != RATED:
                    self._doors.opener.take(fact)
                    self._doors.reconciler.take(fact)
                    continue
                nothing = False
                if isinstance(fact, Record):
                    gatherer.add(rated_message(fact), now_us=_now_us())
                elif isinstance(fact, End):
                    gatherer.reach(fact.partition, fact.offset)
                else:
                    self._skip_lost(gatherer, fact.partition)
        except KafkaUnavailableError as error:
            self._doors.patience.gone(error)
        return nothing

    def _skip_lost(self, gatherer: Gatherer, partition: int) -> None:
        place, reader, until_done = (RATED, partition), self._doors.reader, self._doors.patience.until_done
        low, _ = until_done(lambda: reader.bounds(place))
        gatherer.reach(partition, self._after_loss(partition, reached=gatherer.position(partition), low=low))
        until_done(lambda: reader.seek(place, gatherer.position(partition)))

    def _store(self, gathered: Gathered) -> None:
        """The gathered messages are stored; their progress is still to be said."""
        if gathered.rows():
            group, rows, resolution, replaced = self._group(gathered)
            if replaced.num_rows:
                self._doors.opener.finish(self._stored())  # its sums must not hold both what was and what is
            opened = self._doors.opener.opened
            signed = signed_rows(group.group_id, gathered.messages, resolution, replaced, opened=opened)
            commit, progress = self._doors.log.commit, self._to_say()
            self._doors.patience.until_done(lambda: commit(group=group, progress=progress, adjustments=signed))
            self._unsaid.clear()
            self._doors.inserter.put(group, rows, in_doubt=False, replaced=resolution.replaced)
            self._log.debug("stored", group=group.group_id, rows=group.rows)
        self._advance(gathered.spans, gathered.messages)

    def _group(self, gathered: Gathered) -> tuple[Group, pa.Table, Resolution, pa.RecordBatch]:
        """The group, its rows for the store, what becomes of them, and the stored rows that they replace."""
        self._number += 1
        topic_id = self._facts.topic_id
        name = group_name(epoch=self._epoch, number=self._number, topic_id=topic_id, spans=gathered.spans)
        rows = store_rows(gathered.messages, group_id=name)
        resolution, replaced = self._doors.inserter.resolve(rows)
        left_out = left_out_of(resolution.left_out)
        if left_out:
            rows = store_rows(gathered.messages, group_id=name, left_out=left_out)
        group = Group(
            group_id=name,
            epoch=self._epoch,
            topic_id=topic_id,
            spans=gathered.spans,
            rows=gathered.rows(),
            left_out=tuple(left_out),
            tokens=part_tokens(name, len(split_by_month(rows))),
        )
        return group, rows, resolution, replaced

    def _advance(self, spans: Sequence[Span], messages: Sequence[RatedMessage]) -> None:
        newest = {message.partition: message.header for message in messages}
        for span in spans:
            before = self._progress.get(span.partition)
            header = newest.get(span.partition)
            said = word(
                (RATED, span.partition),
                span.next,
                topic_id=self._facts.topic_id,
                policy_offset=header.policy_offset if header else before.policy_offset if before else -1,
                log_time_us=header.log_time_us if header else before.log_time_us if before else 0,
            )
            lost = self._gone.pop(span.partition, 0) + (before.lost_records if before else 0)
            self._progress[span.partition] = msgspec.structs.replace(said, lost_records=lost)
            self._unsaid.add(span.partition)

    def _to_say(self) -> list[Progress]:
        return [self._progress[partition] for partition in sorted(self._unsaid)]

    def _say(self) -> None:
        if self._unsaid:
            self._doors.patience.until_done(lambda: self._doors.log.commit(group=None, progress=self._to_say()))
            self._unsaid.clear()

    def _word(self) -> Progress:
        """Something true to say again, when there is nothing new."""
        if not self._progress:
            self._advance((Span(partition=0, first=self._starts[0], next=self._starts[0]),), ())
        return next(iter(self._progress.values()))

    def _stored(self) -> dict[int, int]:
        """Up to where each partition is stored, whether that was said or not."""
        return self._starts | self._positions()

    def _positions(self) -> dict[int, int]:
        return {partition: entry.next_offset for partition, entry in self._progress.items()}


def _now_us() -> int:
    return time.time_ns() // 1000
