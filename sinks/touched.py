"""Which days there is something to reconcile on, and what storing lost events again changes."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pyarrow as pa

from sinks.reconcile import Repair
from sinks.rows import days_of
from sinks.store import FINAL, Store

LEDGER = "usage_events_store"


def days_between(store: Store, *, since: date, until: date) -> set[date]:
    """The days of [since, until) on which the ledger or a rollup has anything. Raises: StoreUnavailableError."""
    sql = (
        "SELECT DISTINCT toDate(e.ts) FROM usage_events_store AS e"
        " WHERE e.ts >= {since:Date} AND e.ts < {until:Date}"
        " UNION DISTINCT SELECT DISTINCT toDate(r.t) FROM usage_15m_store AS r"
        " WHERE r.t >= {since:Date} AND r.t < {until:Date}"
        " UNION DISTINCT SELECT DISTINCT toDate(r.t) FROM usage_entities_store AS r"
        " WHERE r.t >= {since:Date} AND r.t < {until:Date}"
    )
    return {day for (day,) in store.rows(sql, {"since": since, "until": until})}


def days_touched(store: Store, positions: Mapping[int, int]) -> set[date]:
    """The days of rows that came from behind these positions of `internal.rated`. Raises: StoreUnavailableError."""
    sql = (
        "SELECT DISTINCT toDate(e.ts) FROM usage_events_store AS e"
        " WHERE e.src_partition = {partition:Int32} AND e.src_offset >= {first:Int64}"
    )
    return {
        day
        for partition, first in positions.items()
        for (day,) in store.rows(sql, {"partition": partition, "first": first})
    }


def restoring(store: Store, rows: pa.Table) -> list[Repair]:
    """What storing these rows, which the ledger lacks, will change per day. Raises: StoreUnavailableError."""
    sql = (
        "SELECT toDate(e.ts) AS day, toInt64(count()), sum(toDecimal128(ifNull(e.cost_usd, 0), 12))"
        " FROM usage_events_store AS e FINAL WHERE e.is_deleted = 0 AND toDate(e.ts) IN {days:Array(Date)} GROUP BY day"
    )
    known = {day: (events, cost) for day, events, cost in store.rows(sql, {"days": sorted(days_of(rows))}, **FINAL)}
    added: dict[date, tuple[int, Decimal]] = {}
    for at, cost in zip(rows["ts"].to_pylist(), rows["cost_usd"].to_pylist(), strict=True):
        events, sum_usd = added.get(at.date(), (0, Decimal(0)))
        added[at.date()] = (events + 1, sum_usd + (cost or 0))
    return [
        Repair(day, LEDGER, events, before, before + events, cost, cost + more)
        for day, (events, more) in sorted(added.items())
        for before, cost in [known.get(day, (0, Decimal(0)))]
    ]
