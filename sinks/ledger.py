"""What the ledger holds of a group: whether it is there in full, and which of its events were there before.

An event of a group is there if its row is, or a row of the same event that takes its place: one of a higher revision,
or the same revision from another group (a copy that rating could not see).
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa

from sinks.rows import PLACE, RowPlace, identities
from sinks.store import Store

_IDS_AT_ONCE = 2_000
MOST_ID_BYTES = 90_000
"""Of all ids in one statement: servers take 128 KiB in a parameter, and would refuse the same question for ever."""
_HOUR_US = 3_600_000_000
Identity = tuple[int, str, str]


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
    wanted = zip(hours, rows["source"].to_pylist(), rows["id"].to_pylist(), rows["revision"].to_pylist(), strict=True)
    return len({(hour, source, id_) for hour, source, id_, at in wanted if revisions.get((hour, source, id_), 0) < at})


def days_of_group(store: Store, group_id: str) -> dict[date, int]:
    """The days on which the ledger has events of a group, and how many. Raises: StoreUnavailableError."""
    sql = (
        "SELECT toDate(e.ts) AS day, uniqExact(e.source, e.id) FROM usage_events_store AS e"
        " WHERE e.group_id = {group:String} GROUP BY day"
    )
    return {day: int(events) for day, events in store.rows(sql, {"group": group_id})}


def copies(store: Store, rows: pa.Table) -> set[RowPlace]:
    """The rows that rating marked as possible copies and that the ledger has already, in this revision or a higher one.

    Only marked rows are looked up: rating itself knows of all others that they are new.
    """
    marked = rows.filter(rows["maybe_duplicate"])
    if marked.num_rows == 0:
        return set()
    revisions = known_revisions(store, marked)
    chosen = marked.select(["source", "id", "revision", *PLACE]).to_pylist()
    return {
        (row["src_partition"], row["src_offset"], row["src_index"])
        for hour, row in zip(_hours(marked), chosen, strict=True)
        if revisions.get((hour, row["source"], row["id"]), 0) >= row["revision"]
    }


def known_revisions(store: Store, rows: pa.Table) -> dict[Identity, int]:
    """The highest revision that the ledger has of each of these events: (hour since 1970, source, id) -> revision."""
    hours = _hours(rows)
    ids = rows["id"].to_pylist()
    order = sorted(range(len(ids)), key=hours.__getitem__)
    found: dict[Identity, int] = {}
    sql = (
        "SELECT toInt64(toUnixTimestamp(toStartOfHour(e.ts))), e.source, e.id, max(e.revision)"
        " FROM usage_events_store AS e"
        " WHERE toStartOfHour(e.ts) IN {hours:Array(DateTime('UTC'))} AND e.id IN {ids:Array(String)}"
        " GROUP BY 1, 2, 3"
    )
    for some in lookups(order, ids):
        parameters = {"hours": _as_times([hours[i] for i in some]), "ids": sorted({ids[i] for i in some})}
        for second, source, id_, revision in store.rows(sql, parameters):
            found[second // 3600, source, id_] = revision
    return found


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
