"""What `internal.rated` has and the ledger lacks: each place must be stored, or its event stored from another place.

Places that were left out as copies are of events that the ledger has, so they are found equal without their record.
"""

from collections.abc import Sequence
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from sinks.groups import RatedMessage
from sinks.ledger import known_revisions
from sinks.revisions import resolve
from sinks.rows import PLACE, claims, identities_of, store_rows
from sinks.store import Store


def rows_within(messages: Sequence[RatedMessage], *, name: str, since: date | None, until: date | None) -> pa.Table:
    """The rows of the messages on the days [since, until) of UTC, as a group of this name would store them."""
    rows = store_rows(messages, group_id=name)
    days = rows["ts"].cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    for bound, holds in ((since, pc.greater_equal), (until, pc.less)):
        if bound is not None and rows.num_rows:
            kept = holds(days, pa.scalar(bound, pa.date32()))
            rows, days = rows.filter(kept), days.filter(kept)
    return rows.combine_chunks()


def lost(store: Store, rows: pa.Table) -> pa.Table:
    """Those of the rows whose event the ledger does not have, one for each event. Raises: StoreUnavailableError."""
    if rows.num_rows == 0:
        return rows
    doubtful = _of_messages_that_lack_rows(store, rows)
    if doubtful.num_rows == 0:
        return doubtful
    revisions = known_revisions(store, doubtful)
    wanted = zip(identities_of(doubtful), doubtful["revision"].to_pylist(), strict=True)
    missing = doubtful.filter(pa.array([revisions.get(identity, 0) < at for identity, at in wanted], pa.bool_()))
    again = resolve(claims(missing), {}).left_out
    places = zip(*(missing[name].to_pylist() for name in PLACE), strict=True)
    return missing.filter(pa.array([place not in again for place in places], pa.bool_())).combine_chunks()


def _of_messages_that_lack_rows(store: Store, rows: pa.Table) -> pa.Table:
    """The rows of messages of which fewer places are in the ledger than there are rows."""
    counted = rows.group_by(["src_partition", "src_offset"]).aggregate([([], "count_all")])
    wanted = {(row["src_partition"], row["src_offset"]): row["count_all"] for row in counted.to_pylist()}
    partitions = sorted({partition for partition, _ in wanted})
    spans, parameters = [], _bounds(rows)
    for number, partition in enumerate(partitions):
        offsets = [offset for at, offset in wanted if at == partition]
        parameters |= {f"p{number}": partition, f"a{number}": min(offsets), f"z{number}": max(offsets)}
        spans.append(
            f"(e.src_partition = {{p{number}:Int32}}"
            f" AND e.src_offset BETWEEN {{a{number}:Int64}} AND {{z{number}:Int64}})"
        )
    sql = (
        "SELECT e.src_partition, e.src_offset, uniqExact(e.src_index) FROM usage_events_store AS e"  # noqa: S608  our own names; values are parameters
        " WHERE e.ts BETWEEN {first:DateTime64(6, 'UTC')} AND {last:DateTime64(6, 'UTC')}"
        f" AND ({' OR '.join(spans)}) GROUP BY 1, 2"
    )
    stored = {(partition, offset): count for partition, offset, count in store.rows(sql, parameters)}
    short = {place for place, count in wanted.items() if stored.get(place, 0) < count}
    places = zip(rows["src_partition"].to_pylist(), rows["src_offset"].to_pylist(), strict=True)
    return rows.filter(pa.array([place in short for place in places], pa.bool_())).combine_chunks()


def _bounds(rows: pa.Table) -> dict[str, datetime | int]:
    ends = pc.min_max(rows["ts"]).as_py()
    return {"first": ends["min"], "last": ends["max"]}
