"""What the ledger holds of a group: whether it is there in full, and what of its events was there before.

An event of a group is there if its row is, or a row of the same event that takes its place: one of a higher revision,
or the same revision from another group (a copy that rating could not see).
"""
# ruff: noqa: S608  the texts are made of our own names; values travel as server-side parameters

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from sinks.revisions import Held, Identity, Resolution, resolve
from sinks.rows import WHOLE, WHOLE_SCHEMA, as_rated, claims, identities, identities_of, repeats
from sinks.store import FINAL, Store
from sinks.watched_hours import WatchedHours

_IDS_AT_ONCE = 2_000
MOST_ID_BYTES = 90_000
"""Of all ids in one statement: servers take 128 KiB in a parameter, and would refuse the same question for ever."""
_HOUR_US = 3_600_000_000
_ASKED_FOR = (
    "toStartOfHour(e.ts) IN {hours:Array(DateTime('UTC'))} AND e.id IN {ids:Array(String)}"
    " AND (empty({sources:Array(String)}) OR e.source IN {sources:Array(String)})"
)
"""The parameters of `_questions`; more sources than one parameter can name are not asked for."""


def _hours(rows: pa.Table) -> list[int]:
    return (np.asarray(rows["ts"].cast(pa.int64())) // _HOUR_US).tolist()  # type: ignore[no-any-return]  # pyarrow has no types


def _as_times(hours: Sequence[int]) -> list[datetime]:
    return [datetime.fromtimestamp(hour * 3600, UTC) for hour in sorted(set(hours))]


def missing(store: Store, rows: pa.Table, *, group_id: str) -> int:
    """How many events of the group's rows the ledger does not have. Raises: StoreUnavailableError."""
    if rows.num_rows == 0:
        return 0
    hours = _hours(rows)
    sql = (
        "SELECT uniqExact(toStartOfHour(e.ts), e.source, e.id) FROM usage_events_store AS e"
        " WHERE e.group_id = {group:String} AND e.ts BETWEEN {first:DateTime('UTC')} AND {last:DateTime('UTC')}"
    )
    first, last = _as_times([min(hours), max(hours) + 1])
    stored = store.rows(sql, {"group": group_id, "first": first, "last": last})[0][0]
    if stored >= identities(rows):
        return 0
    revisions = known_revisions(store, rows)
    wanted = zip(identities_of(rows), rows["revision"].to_pylist(), strict=True)
    return len({identity for identity, at in wanted if revisions.get(identity, 0) < at})


def days_of_group(store: Store, group_id: str) -> dict[date, int]:
    """The days on which the ledger has events of a group, and how many. Raises: StoreUnavailableError."""
    sql = (
        "SELECT toDate(e.ts) AS day, uniqExact(e.source, e.id) FROM usage_events_store AS e"
        " WHERE e.group_id = {group:String} GROUP BY day"
    )
    return {day: int(events) for day, events in store.rows(sql, {"group": group_id})}


def resolution(store: Store, rows: pa.Table, watched: WatchedHours) -> Resolution:
    """What becomes of a group's rows beside what the ledger holds. Raises: StoreUnavailableError.

    Looked up are only rows that rating marked, revisions, and those of watched hours: rating itself knows of all others
    that they are new.
    """
    doubtful = np.asarray(rows["maybe_duplicate"]) | (np.asarray(rows["revision"]) > 1) | watched.of(rows)
    looked_up = rows.filter(pa.array(doubtful))
    known = held(store, looked_up) if looked_up.num_rows else {}
    # Any row may be of the same event as another row of the group.
    found = resolve(claims(rows if repeats(rows) else looked_up), known)
    watched.add(rows, found.unforeseen)
    return found


def held(store: Store, rows: pa.Table) -> dict[Identity, Held]:
    """What the ledger has of the rows' events, undone and void ones too. Raises: StoreUnavailableError."""
    sql = (
        "SELECT toInt64(toUnixTimestamp(toStartOfHour(e.ts))), e.source, e.id, max(e.version),"
        " argMax(e.is_deleted, e.version) FROM usage_events_store AS e"
        f" WHERE {_ASKED_FOR} GROUP BY 1, 2, 3"
    )
    return {
        (second // 3600, source, id_): Held(version >> 32, not is_deleted, version & 0xFFFFFFFF)
        for parameters in _questions(identities_of(rows))
        for second, source, id_, version, is_deleted in store.rows(sql, parameters)
    }


def whole_rows(store: Store, wanted: Collection[Identity]) -> pa.Table:
    """The rows that the ledger has of these events, with all columns of a rated row and their places.

    What is undone or void is not among them. Raises: StoreUnavailableError.
    """
    columns = ", ".join(f"e.{name}" for name in WHOLE)
    sql = f"SELECT {columns} FROM usage_events_store AS e FINAL WHERE {_ASKED_FOR}"
    names = set(wanted)
    tables = []
    for parameters in _questions(sorted(names)):
        table = as_rated(store.arrow(sql, parameters, **FINAL))
        tables.append(table.filter(pa.array([one in names for one in identities_of(table)], pa.bool_())))
    return pa.concat_tables([WHOLE_SCHEMA.empty_table(), *tables]).combine_chunks()


def _questions(wanted: Sequence[Identity]) -> Iterator[dict[str, Any]]:
    """Parameters for all events, as many in each statement as it can take."""
    ids = [id_ for _, _, id_ in wanted]
    for some in lookups(sorted(range(len(ids)), key=wanted.__getitem__), ids):
        sources = sorted({wanted[i][1] for i in some})
        yield {
            "hours": _as_times([wanted[i][0] for i in some]),
            "sources": sources if sum(map(_parameter_bytes, sources)) <= MOST_ID_BYTES else [],
            "ids": sorted({ids[i] for i in some}),
        }


def known_revisions(store: Store, rows: pa.Table) -> dict[Identity, int]:
    """The highest revision that the ledger has of each of these events. Raises: StoreUnavailableError."""
    return {identity: row.revision for identity, row in held(store, rows).items()}


def lookups(order: Sequence[int], ids: Sequence[str]) -> Iterator[list[int]]:
    """The rows in this order, in lists that one statement can ask for: so many at most, and so many bytes of ids."""
    some: list[int] = []
    nbytes = 0
    for row in order:
        more = _parameter_bytes(ids[row])
        if some and (len(some) == _IDS_AT_ONCE or nbytes + more > MOST_ID_BYTES):
            yield some
            some, nbytes = [], 0
        some.append(row)
        nbytes += more
    if some:
        yield some


def _parameter_bytes(text: str) -> int:
    """What it takes at most in an array that is a parameter: in quotes, quotes and backslashes escaped twice."""
    return len(text.encode()) + 3 * (text.count("\\") + text.count("'")) + 4
