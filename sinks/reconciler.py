"""Does what operators ask, and reconciles each night, between the groups of the worker that stores `internal.rated`.

1. A request is read from `internal.requests`, or a night is due. A crash from here on: done again from the beginning,
   which changes nothing that is equal already. A request keeps its id.
2. What `internal.rated` still has (up to where it is stored) is looked for in the ledger; what is missing is stored
   again, under a token of its own.
3. Each rollup is made equal to the ledger, some days at a time.
4. The run's row says done; then the request's progress is said.
Each slice takes about a second at most; groups are inserted between slices, never beside one.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import msgspec
import pyarrow as pa
from structlog.typing import FilteringBoundLogger

from schemas.errors import CorruptStateError
from schemas.progress import Progress
from schemas.requests import (
    PRICES_HEADER,
    Correction,
    ReconcileRequest,
    Request,
    request_from_bytes,
)
from sinks.corrector import Corrector
from sinks.expiring import Expirer
from sinks.forgetter import Forgetter
from sinks.group_log import GroupLog, word
from sinks.log_reader import End, LogReader, Place, Record, Vanished
from sinks.nights import next_night
from sinks.patience import Patience
from sinks.reconcile import Repair, reconcile, write_down
from sinks.restore import lost, rows_within
from sinks.retained import Retained
from sinks.rows import days_of, split_by_month
from sinks.runs import Run, last_night
from sinks.store import Store
from sinks.touched import LEDGER, days_between, days_touched, restoring

REQUESTS: Place = ("internal.requests", 0)
DAYS_AT_ONCE = 7
_EARLIER = timedelta(minutes=10)  # events may lie 5 minutes ahead of their append time


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilerDoors:
    """What it reads from and writes to; all but `open_reader` are the worker's own, for its thread."""

    reader: LogReader
    log: GroupLog
    store: Store
    patience: Patience
    corrector: Corrector
    open_reader: Callable[[], LogReader]  # a second one, over internal.rated
    now: Callable[[], datetime]


class Reconciler:
    """Does what operators ask, and each night by itself; `step` is to be called while no insert runs."""

    def __init__(
        self, doors: ReconcilerDoors, log: FilteringBoundLogger, *, hour_utc: int | None, keep_days: int = 0
    ) -> None:
        self._doors = doors
        self._log = log
        self._hour = hour_utc
        self._keep_days = keep_days
        self._forgetter = Forgetter(doors.store, doors.patience, log, now=doors.now)
        self._expirer = Expirer(doors.store, doors.patience, log, now=doors.now)
        self._topic_id = ""
        self._asked: list[tuple[int, Request | None]] = []  # next offset, request; None: unreadable
        self._stored: Mapping[int, int] = {}
        self._night: datetime | None = None
        self._work = self._run()

    def finish(self) -> None:
        """What an earlier life left half done, and may not be reconciled beside, is done. Raises: FencedError."""
        self._expirer.finish()

    def begin(self, said: Mapping[Place, Progress]) -> dict[Place, int]:
        """Goes on after the last request that was done; what is to be read for it, from where."""
        until_done = self._doors.patience.until_done
        self._topic_id = until_done(lambda: self._doors.reader.facts(REQUESTS[0])).topic_id
        low, high = until_done(lambda: self._doors.reader.bounds(REQUESTS))
        entry = said.get(REQUESTS)
        known = entry is not None and entry.topic_id == self._topic_id
        if self._hour is not None:
            night = until_done(lambda: last_night(self._doors.store, now=self._doors.now()))
            self._night = next_night(night.at, hour_utc=self._hour)
        return {REQUESTS: min(high, max(low, entry.next_offset)) if entry is not None and known else low}

    def take(self, fact: Record | End | Vanished) -> None:
        """What came from a topic that it reads; one that cannot be read is logged and passed over."""
        if (fact.topic, fact.partition) != REQUESTS or not isinstance(fact, Record):
            return
        if any(name == PRICES_HEADER for name, _ in fact.headers):
            return  # the request that they are for comes later, and names them
        request: Request | None = None
        try:
            request = request_from_bytes(fact.value)
        except msgspec.MsgspecError as error:
            self._log.error("a request that cannot be read is passed over", offset=fact.offset, reason=str(error))
        self._asked.append((fact.offset + 1, request))

    def step(self, stored: Mapping[int, int]) -> None:
        """A slice of work, if there is any. `stored`: next offset of each partition of `internal.rated`.

        Raises: FencedError, StopRequested.
        """
        self._stored = stored
        next(self._work)

    def _run(self) -> Iterator[None]:
        while True:
            if self._asked:
                next_offset, request = self._asked[0]
                if isinstance(request, ReconcileRequest):
                    yield from self._requested(request)
                elif isinstance(request, Correction):
                    yield from self._doors.corrector.run(request, lambda: self._stored)
                elif request is not None:
                    yield from self._forgetter.run(request, self._stored)
                self._said(next_offset)
                self._asked.pop(0)
            elif self._night is not None and self._doors.now() >= self._night:
                yield from self._nightly()
            yield

    def _requested(self, request: ReconcileRequest) -> Iterator[None]:
        run = Run(
            run_id=request.request_id,
            reason="request",
            at=self._doors.now(),
            positions=dict(self._stored),
            since=request.since,
            until=request.until,
        )
        store = self._doors.store
        starts = self._retained_from(datetime.combine(request.since, datetime.min.time(), UTC) - _EARLIER)
        yield from self._guarded(run, starts, lambda: days_between(store, since=request.since, until=request.until))

    def _nightly(self) -> Iterator[None]:
        yield from self._expirer.run(keep_days=self._keep_days, positions=self._stored)
        now = self._doors.now()
        night = self._doors.patience.until_done(lambda: last_night(self._doors.store, now=now))
        run = Run(run_id=uuid4().hex, reason="nightly", at=now, positions=dict(self._stored))
        yesterday, store = now.date() - timedelta(days=1), self._doors.store
        behind = {partition: night.positions.get(partition, 0) for partition in self._stored}
        yield from self._guarded(run, night.positions, lambda: {yesterday, *days_touched(store, behind)})
        self._night = next_night(now, hour_utc=self._hour or 0)

    def _guarded(self, run: Run, starts: Mapping[int, int], days: Callable[[], set[date]]) -> Iterator[None]:
        """The run, from its row "running" to its row "done" or "failed"."""
        self._log.info("reconciling", run=run.run_id, reason=run.reason, since=str(run.since), until=str(run.until))
        self._write(run)
        try:
            restored = yield from self._restore(run, starts)
            wanted = sorted(restored | self._doors.patience.until_done(days))
            run.days = len(wanted)
            for start in range(0, len(wanted), DAYS_AT_ONCE):
                some = wanted[start : start + DAYS_AT_ONCE]
                self._equal(run, some)
                run.days_done += len(some)
                self._write(run)
                yield
            run.state = "done"
        except CorruptStateError as error:
            run.state, run.message = "failed", str(error)
            self._log.error("reconciling failed", run=run.run_id, reason=str(error))
        self._write(run)
        self._log.info(
            "reconciled",
            run=run.run_id,
            state=run.state,
            days=run.days,
            days_unequal=len(run.unequal),
            events_compared=run.events_compared,
            events_restored=run.events_restored,
        )

    def _restore(self, run: Run, starts: Mapping[int, int]) -> Generator[None, None, set[date]]:
        """Events that the log has and the ledger lacks are stored; returns their days."""
        until_done = self._doors.patience.until_done
        days: set[date] = set()
        with self._doors.open_reader() as reader:
            retained = Retained(reader, self._doors.patience, starts=starts, ends=run.positions)
            for messages in retained:
                name = f"reconcile-{uuid4().hex}"
                rows = rows_within(messages, name=name, since=run.since, until=run.until)
                run.events_compared += rows.num_rows
                missing = until_done(lambda rows=rows: lost(self._doors.store, rows))  # type: ignore[misc]  # mypy does not infer defaults of lambdas
                if missing.num_rows:
                    self._store_again(run, missing, name=name)
                    days |= days_of(missing)
                if messages:
                    self._write(run)
                yield
        return days

    def _store_again(self, run: Run, rows: pa.Table, *, name: str) -> None:
        until_done, store = self._doors.patience.until_done, self._doors.store
        repairs = until_done(lambda: restoring(store, rows))
        for number, part in enumerate(split_by_month(rows)):
            until_done(lambda number=number, part=part: store.insert(LEDGER, part, token=f"{name}/{number}"))  # type: ignore[misc]  # as above
        until_done(lambda: write_down(store, repairs, reason=run.reason, now=run.at, run_id=run.run_id))
        run.events_restored += rows.num_rows
        run.unequal |= {repair.day for repair in repairs}
        self._log.error("events that the ledger had lost are stored again", events=rows.num_rows, group=name)

    def _equal(self, run: Run, days: list[date]) -> None:
        store = self._doors.store

        def once() -> list[Repair]:
            return reconcile(store, days, reason=run.reason, now=run.at, run_id=run.run_id)

        for repair in self._doors.patience.until_done(once):
            run.unequal.add(repair.day)
            self._log.warning("rollup repaired", rollup=repair.rollup, day=str(repair.day), rows=repair.rows_repaired)

    def _write(self, run: Run) -> None:
        self._doors.patience.until_done(lambda: run.write(self._doors.store, now=self._doors.now()))

    def _said(self, next_offset: int) -> None:
        entry = word(REQUESTS, next_offset, topic_id=self._topic_id)
        self._doors.patience.until_done(lambda: self._doors.log.commit(group=None, progress=[entry]))

    def _retained_from(self, at: datetime) -> dict[int, int]:
        until_done, reader = self._doors.patience.until_done, self._doors.reader
        return {
            partition: until_done(lambda partition=partition: reader.offset_at(("internal.rated", partition), at))  # type: ignore[misc]  # as above
            for partition in self._stored
        }
