"""The ledger keeps a row for a number of days after it was received: whole months go, what they summed up to stays.

Laws
1. Rollups stay as they were, for ever: what goes is first summed up in `..._expired_store`, and a rollup is the ledger
   and what has expired (`rollups.py`). Later rows of such a month, and their corrections, count as any others.
2. A month goes as a whole, when its newest row was received long enough ago.
3. A crash costs nothing: an expiry that was begun is ended before anything else is done (`finish`). Its sums are a
   partition of their own, written anew; rows go by when they were received, which no later row meets.
4. A sink that was taken over sums up nothing (`lives.py`).

1. The run's row says which month goes. 2. It is summed up. 3. The run's row says that it was. 4. Its rows go.
5. The run's row says done.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

import msgspec
from structlog.typing import FilteringBoundLogger

from sinks.lives import assure_last
from sinks.patience import Patience
from sinks.rollups import ROLLUPS, expire_sql
from sinks.runs import Run
from sinks.store import FINAL, Setting, Store

_SYNC: dict[str, Setting] = {"mutations_sync": 1}


class Expiry(msgspec.Struct, frozen=True, kw_only=True):
    """A month (like 202501) of which the rows go that were received up to `until`: all that it has."""

    month: int
    until: datetime
    events: int
    begun_at: datetime
    is_summed: bool = False

    @property
    def name(self) -> str:
        """What its run and its sums are called: the same in every life of the sink."""
        return f"expiry-{self.month}-{self.until:%Y%m%dT%H%M%S%f}"

    def days(self) -> tuple[date, date]:
        """The days [first, after) of the month."""
        first = date(self.month // 100, self.month % 100, 1)
        return first, (first + timedelta(days=31)).replace(day=1)


def due(store: Store, *, before: datetime, now: datetime) -> list[Expiry]:
    """The months of which every row was received before that moment, oldest first. Raises: StoreUnavailableError."""
    sql = (
        "SELECT toYYYYMM(e.ts) AS month, max(e.received_at) AS newest, uniqExact(e.source, e.id)"
        " FROM usage_events_store AS e WHERE e.ts < {before:DateTime64(6, 'UTC')} GROUP BY month"
        " HAVING newest < {before:DateTime64(6, 'UTC')} ORDER BY month"
    )
    found = [
        Expiry(month=month, until=_utc(newest), events=events, begun_at=now)
        for month, newest, events in store.rows(sql, {"before": before})
    ]
    return [one for one in found if one.days()[1] <= before.date()]  # of the month of `before` only a part was asked


def unfinished(store: Store) -> list[Expiry]:
    """Those that were begun and not ended, oldest first. Raises: StoreUnavailableError."""
    sql = (
        "SELECT r.message FROM reconciliations_store AS r FINAL"
        " WHERE r.kind = 'run' AND r.reason = 'retention' AND r.state = 'running' ORDER BY r.at"
    )
    return [msgspec.json.decode(message, type=Expiry) for (message,) in store.rows(sql)]


def sum_up(store: Store, one: Expiry) -> None:
    """What goes is summed up for every rollup. Raises: FencedError; StoreUnavailableError: do it again."""
    store.quiet()
    assure_last(store)
    parameters = {"name": one.name, "until": one.until, "month": one.month, "life": store.life_id}
    for rollup in ROLLUPS:
        store.run(f"ALTER TABLE {rollup.expired} DROP PARTITION '{one.name}'")
        store.run(expire_sql(rollup), parameters, **FINAL)


def let_go(store: Store, one: Expiry) -> None:
    """The ledger has no row of it any more. Raises: FencedError; StoreUnavailableError: do it again."""
    store.quiet()
    assure_last(store)
    sql = (
        f"ALTER TABLE usage_events_store DELETE IN PARTITION ID '{one.month}'"
        " WHERE received_at <= {until:DateTime64(6, 'UTC')}"
    )
    store.run(sql, {"until": one.until}, **_SYNC)


class Expirer:
    """Lets months go; every step is to be taken while no insert runs, and nothing is reconciled within one."""

    def __init__(
        self, store: Store, patience: Patience, log: FilteringBoundLogger, *, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._until_done = patience.until_done
        self._log = log
        self._now = now

    def finish(self) -> None:
        """No expiry is half done. Raises: FencedError."""
        for one in self._until_done(lambda: unfinished(self._store)):
            self._carry_out(one, {})

    def run(self, *, keep_days: int, positions: Mapping[int, int]) -> Iterator[None]:
        """Every month that is due goes, one a step; none where rows are kept for ever (0). Raises: FencedError."""
        if keep_days == 0:
            return
        now = self._now()
        for one in self._until_done(lambda: due(self._store, before=now - timedelta(days=keep_days), now=now)):
            self._carry_out(one, positions)
            yield

    def _carry_out(self, one: Expiry, positions: Mapping[int, int]) -> None:
        since, until = one.days()
        run = Run(
            run_id=one.name, reason="retention", at=one.begun_at, positions=positions, since=since, until=until, days=1
        )
        if not one.is_summed:
            self._write(run, one)
            self._until_done(lambda: sum_up(self._store, one))
        summed = msgspec.structs.replace(one, is_summed=True)
        self._write(run, summed)
        self._until_done(lambda: let_go(self._store, one))
        run.state, run.days_done = "done", 1
        self._write(run, summed)
        self._log.info("a month of the ledger has expired", month=one.month, events=one.events)

    def _write(self, run: Run, one: Expiry) -> None:
        run.message = msgspec.json.encode(one).decode()
        self._until_done(lambda: run.write(self._store, now=self._now()))


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
