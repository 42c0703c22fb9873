"""What an import has in the ledger, in its order (hour, source, id), some at a time.

What was undone is not there any more; what a revision took the place of belongs to the revision's import. What came
without an import has none: '' names nothing.
"""
# ruff: noqa: S608  the texts are made of our own names; values travel as server-side parameters

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from sinks.revisions import Identity
from sinks.rows import WHOLE, as_rated
from sinks.store import FINAL, Store


def import_size(store: Store, import_id: str, *, org: str) -> int:
    """How many events of an import count; of this organisation, where one is named. Raises: StoreUnavailableError."""
    sql = f"SELECT count() FROM usage_events_store AS e FINAL WHERE {_OF_IMPORT}"
    return int(store.rows(sql, {"import": import_id, "org": org}, **FINAL)[0][0])


def import_keys(store: Store, import_id: str, *, org: str, after: Identity | None, limit: int) -> list[Identity]:
    """The first events of an import behind `after` that count, in the order of the ledger.

    Raises: StoreUnavailableError.
    """
    sql = (
        "SELECT toInt64(toUnixTimestamp(toStartOfHour(e.ts))) AS second, toString(e.source) AS source, e.id AS id"
        f" FROM usage_events_store AS e FINAL WHERE {_OF_IMPORT} AND {_BEHIND}"
        " ORDER BY second, source, id LIMIT {limit:UInt32}"
    )
    parameters = {"import": import_id, "org": org, "limit": limit} | _behind(after)
    return [(second // 3600, source, id_) for second, source, id_ in store.rows(sql, parameters, **FINAL)]


def import_between(store: Store, import_id: str, *, org: str, after: Identity | None, upto: Identity) -> pa.Table:
    """The rows of an import that count, behind `after`, up to and with `upto`. Raises: StoreUnavailableError."""
    columns = ", ".join(f"e.{name}" for name in WHOLE)
    sql = (
        f"SELECT {columns} FROM usage_events_store AS e FINAL WHERE {_OF_IMPORT} AND {_BEHIND}"
        " AND toStartOfHour(e.ts) <= {last_hour:DateTime('UTC')} AND (toUnixTimestamp(toStartOfHour(e.ts)),"
        " toString(e.source), e.id) <= ({last_second:UInt32}, {last_source:String}, {last_id:String})"
    )
    hour, source, id_ = upto
    bounds = {"last_hour": _hour_start(hour), "last_second": hour * 3600, "last_source": source, "last_id": id_}
    parameters = {"import": import_id, "org": org} | _behind(after) | bounds
    return as_rated(store.arrow(sql, parameters, **FINAL))


_OF_IMPORT = "e.import_id != '' AND e.import_id = {import:String} AND ({org:String} = '' OR e.org = {org:String})"
_BEHIND = (
    "toStartOfHour(e.ts) >= {hour:DateTime('UTC')} AND (toUnixTimestamp(toStartOfHour(e.ts)), toString(e.source), e.id)"
    " > ({second:UInt32}, {source:String}, {id:String})"
)


def _behind(after: Identity | None) -> dict[str, Any]:
    hour, source, id_ = after or (0, "", "")
    return {"hour": _hour_start(hour), "second": hour * 3600, "source": source, "id": id_}


def _hour_start(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * 3600, UTC)
