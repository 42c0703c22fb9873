"""Puts a recorded group into the ledger and its rollups, exactly once, whatever happens to ClickHouse meanwhile.

1. Insert each part under its token. Nothing failed: done. (A crash before: the next life does all of this in doubt.)
2. In doubt (an insert's outcome is unknown, or an earlier life began it): wait until nothing of ours runs in the
   server, repeat the inserts under the same tokens; what is there already is not stored twice.
3. Then check: an engine that died between noting the token and keeping the rows says "known" and stores nothing
   (clickhouse.md 7b). If events are missing, insert under new tokens; the ledger keeps one row per event anyway.
4. Then make the rollups equal the ledger on the days of the group. Also without doubt, where a row replaced another.
"""

from collections import Counter
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime

import pyarrow as pa
from structlog.typing import FilteringBoundLogger

from schemas.errors import CorruptStateError
from schemas.internal import RATED_SCHEMA
from sinks.groups import Group, heal_token
from sinks.ledger import days_of_group, missing, resolution, whole_rows
from sinks.lives import take_over
from sinks.patience import Patience
from sinks.reconcile import Repair, reconcile
from sinks.revisions import LATE_DUPLICATE, REVISION, Identity, Resolution
from sinks.rows import days_of, split_by_month
from sinks.store import Store
from sinks.watched_hours import WatchedHours

TABLE = "usage_events_store"
MOST_HEALS = 3


class Inserter:
    """Stores groups one after the other; for one thread."""

    def __init__(
        self, store: Store, patience: Patience, log: FilteringBoundLogger, *, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._patience = patience
        self._log = log
        self._now = now
        self._heals = 0
        self._watched = WatchedHours()

    def take_over(self) -> None:
        """Nothing of an earlier sink runs in ClickHouse, and its repairs will change nothing any more.

        Raises: StopRequested: the process is to leave.
        """
        self._patience.until_done(lambda: take_over(self._store))

    def put(self, group: Group, rows: pa.Table, *, in_doubt: bool, replaced: Collection[Identity] = ()) -> None:
        """The group's rows are in the ledger and in every rollup, once; `replaced` are events that were there before.

        Raises: CorruptStateError: the rows are not those that the group was recorded with, or cannot be stored.
                StopRequested: the process is to leave; the next life repeats the group.
        """
        parts = split_by_month(rows)
        if len(parts) != len(group.tokens):
            raise CorruptStateError(f"group {group.group_id} has {len(parts)} parts, recorded were {len(group.tokens)}")
        doubt = in_doubt

        def store() -> None:
            if doubt:
                self._store.quiet()
            for token, part in zip(group.tokens, parts, strict=True):
                self._store.insert(TABLE, part, token=token)
            if doubt:
                self._heal(group, rows, parts)
            if doubt:
                self._reconcile(days_of(rows), reason="recovery")
            elif replaced:
                self._reconcile({_day(hour) for hour, _, _ in replaced}, reason="revision")

        def doubtful() -> None:
            nonlocal doubt
            doubt = True

        self._patience.until_done(store, after_failure=doubtful)

    def begin(self) -> None:
        """What is stored by now is known as far as `resolve` needs it. Raises: StopRequested."""
        self._patience.until_done(lambda: self._watched.load(self._store))

    def resolve(self, rows: pa.Table) -> tuple[Resolution, pa.RecordBatch]:
        """What becomes of a group's rows, and the stored rows that they replace.

        To be asked before the group is recorded, never afterwards.

        Raises: StopRequested: the process is to leave.
        """
        found = self._patience.until_done(lambda: resolution(self._store, rows, self._watched))
        wanted = found.replaced
        replaced = self._patience.until_done(lambda: whole_rows(self._store, wanted)) if wanted else None
        if found.taken_back:
            reasons = Counter(found.taken_back.values())
            self._log.warning(
                "late copies are left out of the ledger and taken back from budgets",
                events=reasons[LATE_DUPLICATE],
                revised=reasons[REVISION],
            )
        if replaced is None:
            return found, pa.RecordBatch.from_pylist([], schema=RATED_SCHEMA)
        if replaced.num_rows != len(wanted):
            raise CorruptStateError(f"of {len(wanted)} rows that are to be replaced the ledger has {replaced.num_rows}")
        return found, replaced.select(RATED_SCHEMA.names).combine_chunks().to_batches()[0]

    def settle(self, group_id: str) -> int:
        """How many events of a group that cannot be repeated are stored; the rollups of its days equal the ledger."""

        def equal() -> int:
            self._store.quiet()
            days = days_of_group(self._store, group_id)
            for repair in reconcile(self._store, days, reason="lost", now=self._now()):
                self._say(repair, reason="lost")
            return sum(days.values())

        return self._patience.until_done(equal)

    def _heal(self, group: Group, rows: pa.Table, parts: list[pa.Table]) -> None:
        for _ in range(MOST_HEALS):
            lost = missing(self._store, rows, group_id=group.group_id)
            if lost == 0:
                return
            self._heals += 1
            self._log.warning("events missing after an insert, storing them again", group=group.group_id, events=lost)
            for token, part in zip(group.tokens, parts, strict=True):
                again = heal_token(token, attempt=group.attempt, heal=self._heals)
                self._store.insert(TABLE, part, token=again)
        if missing(self._store, rows, group_id=group.group_id):
            raise CorruptStateError(f"group {group.group_id} is not stored after {MOST_HEALS} repetitions")

    def _reconcile(self, days: Collection[date], *, reason: str) -> None:
        for repair in reconcile(self._store, days, reason=reason, now=self._now()):
            self._say(repair, reason=reason)

    def _say(self, repair: Repair, *, reason: str) -> None:
        self._log.info(
            "rollup repaired",
            rollup=repair.rollup,
            day=str(repair.day),
            rows=repair.rows_repaired,
            requests_before=repair.requests_before,
            requests_ledger=repair.requests_ledger,
            reason=reason,
        )


def _day(hour: int) -> date:
    return datetime.fromtimestamp(hour * 3600, UTC).date()
