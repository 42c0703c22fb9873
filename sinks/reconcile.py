"""Rollups are made equal to the ledger, day by day, by inserting signed differences; what was repaired is written down.

Laws
1. Afterwards each rollup equals the ledger on these days, to the pico-dollar. A second run repairs nothing.
2. It may only run while no insert into the ledger runs: the sink calls it between its own inserts.
   A sink that was stopped and goes on after another took over changes nothing (`lives.py`).
3. A crash in the middle leaves a rollup that the next run repairs: differences are taken anew each time.
It works on a set of days, never on a range: one event of two years ago costs one day, not two years.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from schemas.errors import CorruptStateError
from sinks.lives import assure_last
from sinks.rollups import ROLLUPS, Rollup, difference_sql, repair_sql
from sinks.rows import MAX_PARTITIONS
from sinks.store import FINAL, Store

MOST_DAYS = 60
TRIES = 3
_MONEY = pa.decimal128(38, 12)
_SCHEMA = pa.schema(
    [
        ("reconciliation_id", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("day", pa.date32()),
        ("rollup", pa.string()),
        ("requests_before", pa.int64()),
        ("requests_ledger", pa.int64()),
        ("cost_before_usd", _MONEY),
        ("cost_ledger_usd", _MONEY),
        ("rows_repaired", pa.int64()),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Repair:
    """One day of one rollup that was not equal to the ledger, and is now."""

    day: date
    rollup: str
    rows_repaired: int
    requests_before: int
    requests_ledger: int
    cost_before_usd: Decimal
    cost_ledger_usd: Decimal


def day_chunks(days: Iterable[date]) -> Iterator[list[date]]:
    """The days in order, in lists of at most MOST_DAYS days and MAX_PARTITIONS months."""
    chunk: list[date] = []
    for day in sorted(days):
        months = {(known.year, known.month) for known in chunk} | {(day.year, day.month)}
        if len(chunk) == MOST_DAYS or len(months) > MAX_PARTITIONS:
            yield chunk
            chunk = []
        chunk.append(day)
    if chunk:
        yield chunk


def _parameters(days: Sequence[date]) -> dict[str, Any]:
    starts = [datetime.combine(day, time(), UTC) for day in days]
    return {"days": list(days), "hours": [start + timedelta(hours=hour) for start in starts for hour in range(24)]}


def differences(store: Store, rollup: Rollup, days: Sequence[date]) -> list[Repair]:
    """The days on which the rollup is not the ledger."""
    rows = store.rows(difference_sql(rollup), _parameters(days), **FINAL)
    return [Repair(row[0], rollup.store, *row[1:]) for row in rows]


def reconcile(
    store: Store, days: Iterable[date], *, reason: str, now: datetime, run_id: str | None = None
) -> list[Repair]:
    """Each rollup equals the ledger on these days; returns what was repaired, and keeps it in `reconciliations`.

    `run_id` says which run it is part of; without, it is one of its own.

    Raises: CorruptStateError: a rollup still differs after TRIES repairs.
            FencedError: it does because another sink has taken over; nothing was changed.
            StoreUnavailableError: repeat the whole.
    """
    store.quiet()
    repairs: list[Repair] = []
    for chunk in day_chunks(days):
        for rollup in ROLLUPS:
            repairs += _equal(store, rollup, chunk)
    if repairs:
        write_down(store, repairs, reason=reason, now=now, run_id=run_id)
    return repairs


def _equal(store: Store, rollup: Rollup, days: Sequence[date]) -> list[Repair]:
    found = wrong = differences(store, rollup, days)
    for _ in range(TRIES):
        if not wrong:
            return found
        # A token of its own: two equal differences are two repairs, never one that the engine thinks it knows.
        settings = FINAL | {"insert_deduplication_token": uuid.uuid4().hex, "async_insert": 0}
        parameters = _parameters([repair.day for repair in wrong]) | {"life": store.life_id}
        store.run(repair_sql(rollup), parameters, **settings)
        wrong = differences(store, rollup, [repair.day for repair in wrong])
    if wrong:
        assure_last(store)
        raise CorruptStateError(f"{rollup.store} still differs from the ledger on {wrong[0].day} after {TRIES} repairs")
    return found


def write_down(
    store: Store, repairs: Sequence[Repair], *, reason: str, now: datetime, run_id: str | None = None
) -> None:
    """The repairs are rows of `reconciliations`. Raises: StoreUnavailableError."""
    run = run_id or uuid.uuid4().hex
    for days in day_chunks({repair.day for repair in repairs}):
        rows = [
            {
                "reconciliation_id": run,
                "at": now,
                "day": repair.day,
                "rollup": repair.rollup.removesuffix("_store"),
                "requests_before": repair.requests_before,
                "requests_ledger": repair.requests_ledger,
                "cost_before_usd": repair.cost_before_usd,
                "cost_ledger_usd": repair.cost_ledger_usd,
                "rows_repaired": repair.rows_repaired,
                "reason": reason,
            }
            for repair in repairs
            if repair.day in days
        ]
        store.insert("reconciliations_store", pa.Table.from_pylist(rows, schema=_SCHEMA))
