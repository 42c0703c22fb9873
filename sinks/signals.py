"""The worker that stores conclusions, outcomes and dead letters: read, insert, say the progress. Twice changes nothing.

1. Insert. A crash before the progress is said: the next life inserts the same again, which the natural keys absorb.
2. Say the progress. It never runs ahead of what is stored.
A signal that cannot be read is logged and counted, and blocks nobody. An outcome that cannot is a dead letter, sent in
the transaction of the progress.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from schemas.errors import InvalidMessage, KafkaUnavailableError
from schemas.progress import Progress
from sinks.group_log import GroupLog, stored_progress, word
from sinks.log_reader import End, LogReader, Place, Record
from sinks.outcome_rows import TOPIC as OUTCOMES
from sinks.outcomes import Outcomes
from sinks.patience import Patience
from sinks.signal_rows import SignalRow, signal_rows, tables
from sinks.store import Store

TOPICS = (
    "usage.rates",
    "usage.dead_letters",
    OUTCOMES,
    "alerts.budgets",
    "alerts.anomalies",
    "alerts.governance",
    "alerts.value",
    "control.advice",
    "internal.deliveries",
    "internal.charges",
    "internal.heartbeats",
)
MOST_ROWS = 20_000
MOST_BYTES = 32 * 2**20
_IDLE_SEC = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalDoors:
    """What the worker reads from and writes to."""

    reader: LogReader
    log: GroupLog
    store: Store
    patience: Patience


class SignalWorker:
    """Stores every signal; for one thread."""

    def __init__(self, doors: SignalDoors, log: FilteringBoundLogger, *, wait_ms: int) -> None:
        self._reader = doors.reader
        self._progress_log = doors.log
        self._store = doors.store
        self._patience = doors.patience
        self._wait_sec = wait_ms / 1000
        self._log = log
        self._topic_ids: dict[str, str] = {}
        self._words: dict[Place, Progress] = {}  # what was said of each partition
        self._ends: dict[Place, tuple[int, int]] = {}  # next offset, append time of the newest record
        self._rows: list[SignalRow] = []
        self._outcomes = Outcomes()
        self._letters: list[tuple[Place, bytes, bytes]] = []
        self._nbytes = 0
        self.unreadable = 0

    def run(self) -> None:
        """Ends only by an error or StopRequested. Raises: FencedError."""
        self._reader.assign(self._starts())
        while True:
            self._patience.check()
            self._gather()
            rows, self._letters = self._patience.until_done(lambda: self._outcomes.settle(self._store))
            self._rows += rows
            for name, table in tables(self._rows):
                self._patience.until_done(lambda name=name, table=table: self._store.insert(name, table))  # type: ignore[misc]  # mypy does not infer defaults of lambdas
            self._rows.clear()
            self._nbytes = 0
            self._say()

    def _starts(self) -> Mapping[Place, int]:
        until_done = self._patience.until_done
        until_done(self._progress_log.open)
        said = until_done(lambda: stored_progress(self._reader))
        starts: dict[Place, int] = {}
        for topic in TOPICS:
            facts = until_done(lambda topic=topic: self._reader.facts(topic))  # type: ignore[misc]  # as above
            self._topic_ids[topic] = facts.topic_id
            for partition in range(facts.partitions):
                place = (topic, partition)
                low, high = until_done(lambda place=place: self._reader.bounds(place))  # type: ignore[misc]  # as above
                entry = said.get(place)
                same = entry is not None and entry.topic_id == facts.topic_id and entry.next_offset <= high
                starts[place] = max(low, entry.next_offset) if entry is not None and same else low
                self._words[place] = entry if entry is not None and same else self._word(place, starts[place])
        return starts

    def _gather(self) -> None:
        """Rows of what came within the wait, or until there are enough of them."""
        until = time.monotonic() + self._wait_sec
        try:
            while (
                len(self._rows) + len(self._outcomes) < MOST_ROWS
                and self._nbytes < MOST_BYTES
                and time.monotonic() < until
            ):
                fact = self._reader.take(wait_sec=_IDLE_SEC)
                if fact is None:
                    continue
                self._patience.back()
                place = (fact.topic, fact.partition)
                if isinstance(fact, Record):
                    self._read(fact)
                    self._ends[place] = (fact.offset + 1, fact.append_time_us)
                elif isinstance(fact, End):
                    _, newest_us = self._ends.get(place, (0, 0))
                    self._ends[place] = (fact.offset, newest_us)
                else:
                    self._skip_lost(place)
        except KafkaUnavailableError as error:
            self._patience.gone(error)

    def _read(self, record: Record) -> None:
        if record.topic == OUTCOMES:
            self._outcomes.read(record)
            self._nbytes += len(record.value)
            return
        try:
            self._rows += signal_rows(
                record.value, partition=record.partition, offset=record.offset, append_time_us=record.append_time_us
            )
            self._nbytes += len(record.value)
        except InvalidMessage as error:
            self.unreadable += 1
            place = f"{record.topic}/{record.partition}@{record.offset}"
            self._log.error("a signal that cannot be read is left out", place=place, reason=error.message[:300])

    def _skip_lost(self, place: Place) -> None:
        low, _ = self._patience.until_done(lambda: self._reader.bounds(place))
        self._log.error("retention took signals before they were stored", topic=place[0], partition=place[1], next=low)
        self._patience.until_done(lambda: self._reader.seek(place, low))

    def _say(self) -> None:
        """Progress is said; where there is none, something is said now and then, so that being fenced is heard."""
        until_done = self._patience.until_done
        if not self._ends:
            until_done(lambda: self._progress_log.assure(next(iter(self._words.values()))))
            return
        entries = [self._word(place, next_offset, newest) for place, (next_offset, newest) in self._ends.items()]
        until_done(lambda: self._progress_log.commit(group=None, progress=entries, records=self._letters))
        self._words |= {(entry.topic, entry.partition): entry for entry in entries}
        self._ends.clear()

    def _word(self, place: Place, next_offset: int, newest_us: int = 0) -> Progress:
        return word(place, next_offset, topic_id=self._topic_ids[place[0]], log_time_us=newest_us)
