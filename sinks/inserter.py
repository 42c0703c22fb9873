"""Puts a recorded group into the ledger and its rollups, exactly once, whatever happens to ClickHouse meanwhile.

1. Insert each part under its token. Nothing failed: done. (A crash before: the next life does all of this in doubt.)
2. In doubt (an insert's outcome is unknown, or an earlier life began it): wait until nothing of ours runs in the
   server, repeat the inserts under the same tokens; what is there already is not stored twice.
3. Then check: an engine that died between noting the token and keeping the rows says "known" and stores nothing
   (clickhouse.md 7b). If events are missing, insert under new tokens; the ledger keeps one row per event anyway.
4. Then make the rollups equal the ledger on the days of the group. Also without doubt, where a row replaced another.
"""

from collections.abc import Callable
from datetime import datetime

import pyarrow as pa
from structlog.typing import FilteringBoundLogger

from schemas.errors import CorruptStateError
from sinks.groups import Group, LeftOut, heal_token, left_out_of
from sinks.ledger import copies, days_of_group, missing
from sinks.lives import take_over
from sinks.patience import Patience
from sinks.reconcile import Repair, reconcile
from sinks.rows import PLACE, days_of, repeated, replaces, split_by_month
from sinks.store import Store

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

    def take_over(self) -> None:
        """Nothing of an earlier sink runs in ClickHouse, and its repairs will change nothing any more.

        Raises: StopRequested: the process is to leave.
        """
        self._patience.until_done(lambda: take_over(self._store))

    def put(self, group: Group, rows: pa.Table, *, in_doubt: bool) -> None:
        """The group's rows are in the ledger and in every rollup, once.

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
            if doubt or replaces(rows):
                self._reconcile(rows, reason="recovery" if doubt else "revision")

        def doubtful() -> None:
            nonlocal doubt
            doubt = True

        self._patience.until_done(store, after_failure=doubtful)

    def copies(self, rows: pa.Table) -> list[LeftOut]:
        """The rows whose event is counted already: in the ledger, or by another row of this group.

        To be asked before the group is recorded, never afterwards.

        Raises: StopRequested: the process is to leave.
        """
        stored = self._patience.until_done(lambda: copies(self._store, rows))
        if stored:
            places = zip(*(rows[name].to_pylist() for name in PLACE), strict=True)
            rows = rows.filter(pa.array([place not in stored for place in places]))
        found = stored | repeated(rows)
        if found:
            self._log.warning("late copies are left out of the ledger and taken back from budgets", events=len(found))
        return left_out_of(found)

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

    def _reconcile(self, rows: pa.Table, *, reason: str) -> None:
        for repair in reconcile(self._store, days_of(rows), reason=reason, now=self._now()):
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
