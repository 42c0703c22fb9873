"""Corrects what is stored when operators ask: undoes imports, rates or attributes anew; between the worker's groups.

A correction is done in slices of some thousand rows, in the order of hour, source and id. For each slice:
1. Take the rows that are to change, and make what they become. A crash before 2: nothing happened.
2. Record the slice, and what burn is told of it, in one transaction.
3. Write the audit, then insert the rows that take the place of the old ones. A crash between 2 and the end of 3: the
   next life reads the record, makes the same change of the rows that still have their old version, and publishes
   nothing. A row that has its new version was audited before.
4. Make the rollups equal the ledger on the days that are behind, and at the end on the rest.
What a request was about and is done by version: from the version that was seen, or not at all. So a request that is
begun anew changes only what the last life did not come to, and burn is told of each change once.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import uuid4

import msgspec
import pyarrow as pa
from structlog.typing import FilteringBoundLogger

from schemas.errors import CorruptStateError, KafkaUnavailableError
from schemas.requests import (
    ATTRIBUTIONS_SCHEMA,
    PRICES_SCHEMA,
    Correction,
    ReattributeRequest,
    RerateRequest,
    UndoRequest,
    news_from_bytes,
)
from sinks.correction_runs import AUDIT, CorrectionRun, changes, days_changed, ended
from sinks.corrections import Change, audit_rows, kind_of, renewed, store_rows_of, told, undone
from sinks.group_log import GroupLog
from sinks.groups import Group, Slice
from sinks.imports import import_between, import_keys, import_size
from sinks.ledger import held, whole_rows
from sinks.log_reader import TIMEOUT_SEC, LogReader, Place, Record
from sinks.opener import Opener
from sinks.patience import Patience
from sinks.reconcile import reconcile
from sinks.revisions import Identity
from sinks.rows import days_of, identities_of, split_by_month
from sinks.store import Store
from sinks.touched import LEDGER

REQUESTS: Place = ("internal.requests", 0)
SLICE_ROWS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectorDoors:
    """What it reads from and writes to; all but `open_reader` are the worker's own, for its thread."""

    log: GroupLog
    store: Store
    patience: Patience
    opener: Opener
    open_reader: Callable[[], LogReader]  # a second one, over the requests
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """Which life of the worker records slices."""

    epoch: int
    topic_id: str
    say: Callable[[], None]  # the progress of the group before is said: its record will not be the last any more


class Corrector:
    """Does corrections; every step is to be taken while no insert runs."""

    def __init__(self, doors: CorrectorDoors, log: FilteringBoundLogger) -> None:
        self._doors = doors
        self._log = log
        self._life = Life(epoch=0, topic_id="", say=lambda: None)

    def begin(self, life: Life) -> None:
        """Slices are recorded by this life of the worker."""
        self._life = life

    def repeat(self, recorded: Slice) -> None:
        """The slice that was recorded last is done, whatever of it was done before. Raises: StopRequested."""
        change = self._change(recorded)
        if change is None:
            self._log.error("what the last slice needs is gone; it is left as it is", offset=recorded.offset)
            return
        change = self._remaining(change)
        if change.rows:
            self._log.info("repeating the last slice", correction=recorded.request.request_id, rows=change.rows)
            self._put(change, in_doubt=True)

    def run(self, request: Correction, stored: Callable[[], Mapping[int, int]]) -> Iterator[None]:
        """The correction, slice by slice; nothing where it was done before. Raises: FencedError, StopRequested."""
        until_done, store = self._doors.patience.until_done, self._doors.store
        if until_done(lambda: ended(store, request.request_id)):
            return
        run = CorrectionRun(request=request, began_at=self._doors.now())
        open_days = until_done(lambda: days_changed(store, request.request_id))  # of an earlier life
        self._log.info("correcting", correction=request.request_id, kind=kind_of(request))
        try:
            for recorded in self._slices(request, run):
                days = self._slice(recorded, stored)
                behind = {day for day in open_days if days and day < min(days)}
                open_days = (open_days | days) - behind
                self._equal(run, behind)
                self._write(run)
                yield
            for day in sorted(open_days):
                self._equal(run, {day})
                yield
            run.state = "done"
        except CorruptStateError as error:
            run.state, run.message = "failed", str(error)
            self._log.error("correcting failed", correction=request.request_id, reason=str(error))
        self._write(run)
        self._log.info("corrected", correction=request.request_id, state=run.state, days=run.days)

    def _slices(self, request: Correction, run: CorrectionRun) -> Iterator[Slice]:
        if isinstance(request, RerateRequest | ReattributeRequest):
            run.events = request.rows
            each = -(-request.rows // max(1, len(request.offsets)))
            small = msgspec.structs.replace(request, offsets=())
            for number, offset in enumerate(request.offsets, 1):
                yield Slice(request=small, offset=offset)
                run.events_seen = min(number * each, request.rows)
            return
        yield from self._of_import(request, run)

    def _of_import(self, request: UndoRequest, run: CorrectionRun) -> Iterator[Slice]:
        """Slices of what the import has in the ledger, until a walk over it finds nothing."""
        store, until_done = self._doors.store, self._doors.patience.until_done
        before = until_done(lambda: changes(store, request.request_id)[0])  # by an earlier life
        left = until_done(lambda: import_size(store, request.import_id, org=request.org))
        run.events, run.events_seen = before + left, before
        found = True
        while found:  # once more: what came meanwhile may stand behind the walk
            found = False
            for after, upto in self._walk(request):
                found = True
                yield Slice(request=request, after=after, upto=upto)
                run.events_seen = min(run.events_seen + SLICE_ROWS, run.events)

    def _walk(self, request: UndoRequest) -> Iterator[tuple[Identity | None, Identity]]:
        """The bounds of slices, one after the other, over all that the import has."""
        store, after = self._doors.store, None

        def next_keys() -> list[Identity]:
            return import_keys(store, request.import_id, org=request.org, after=after, limit=SLICE_ROWS)

        while keys := self._doors.patience.until_done(next_keys):
            yield after, keys[-1]
            after = keys[-1]

    def _slice(self, recorded: Slice, stored: Callable[[], Mapping[int, int]]) -> set[date]:
        """The slice is done; the days on which it changed anything."""
        change = self._change(recorded)
        if change is None:
            raise CorruptStateError("internal.requests no longer has all of this request; ask for it anew")
        if not change.rows:
            return set()
        self._doors.opener.finish(stored())
        self._life.say()
        group_id = f"{kind_of(recorded.request)}-{uuid4().hex}"
        group = Group(
            group_id=group_id,
            epoch=self._life.epoch,
            topic_id=self._life.topic_id,
            spans=(),
            rows=change.rows,
            tokens=(),
            correction=recorded,
        )
        signed = told(change, group_id=group_id, opened=self._doors.opener.opened)
        self._doors.patience.until_done(lambda: self._doors.log.commit(group=group, progress=(), adjustments=signed))
        self._put(change, in_doubt=False)
        return set(days_of(change.before))

    def _change(self, recorded: Slice) -> Change | None:
        """What the slice changes, of the rows as they are now; None where what is new is gone."""
        store, until_done, request = self._doors.store, self._doors.patience.until_done, recorded.request
        if isinstance(request, UndoRequest):
            upto = recorded.upto
            if upto is None:
                raise CorruptStateError(f"a slice of {request.request_id} has no end")
            rows = until_done(
                lambda: import_between(store, request.import_id, org=request.org, after=recorded.after, upto=upto)
            )
            return undone(request, rows)
        schema = PRICES_SCHEMA if isinstance(request, RerateRequest) else ATTRIBUTIONS_SCHEMA
        news = until_done(lambda: self._news(recorded.offset, schema))
        if news is None:
            return None
        wanted = identities_of(pa.Table.from_batches([news]))
        return renewed(request, until_done(lambda: whole_rows(store, wanted)), news)

    def _news(self, offset: int, schema: pa.Schema) -> pa.RecordBatch | None:
        """What is new, at an offset of the requests. Raises: KafkaUnavailableError."""
        with self._doors.open_reader() as reader:
            reader.assign({REQUESTS: offset})
            fact = reader.take(wait_sec=TIMEOUT_SEC)
            if fact is None:
                raise KafkaUnavailableError(f"{REQUESTS[0]}: nothing came within {TIMEOUT_SEC:g} s")
            return news_from_bytes(fact.value, schema) if isinstance(fact, Record) and fact.offset == offset else None

    def _put(self, change: Change, *, in_doubt: bool) -> None:
        """The audit has the change, then the ledger."""
        doubt, store = in_doubt, self._doors.store

        def put() -> None:
            if doubt:
                store.quiet()
            todo = self._still(change) if doubt else change
            while todo.rows:
                for part in split_by_month(audit_rows(todo, now=self._doors.now())):
                    store.insert(AUDIT, part)
                group_id = f"{kind_of(change.request)}-{uuid4().hex}"  # a new one each time: it never names two things
                for number, part in enumerate(split_by_month(store_rows_of(todo, group_id=group_id))):
                    store.insert(LEDGER, part, token=f"{group_id}/{number}")
                todo = self._still(change)

        def doubtful() -> None:
            nonlocal doubt
            doubt = True

        self._doors.patience.until_done(put, after_failure=doubtful)

    def _remaining(self, change: Change) -> Change:
        return self._doors.patience.until_done(lambda: self._still(change))

    def _still(self, change: Change) -> Change:
        """What of the change is not in the ledger yet. Raises: StoreUnavailableError."""
        known = held(self._doors.store, change.before) if change.rows else {}
        return change.only({identity: row.version for identity, row in known.items() if row.counts})

    def _equal(self, run: CorrectionRun, days: set[date]) -> None:
        if days:
            store, reason, now = self._doors.store, kind_of(run.request), self._doors.now()
            name = run.request.request_id
            self._doors.patience.until_done(lambda: reconcile(store, days, reason=reason, now=now, run_id=name))
            run.days += len(days)

    def _write(self, run: CorrectionRun) -> None:
        self._doors.patience.until_done(lambda: run.write(self._doors.store, now=self._doors.now()))
