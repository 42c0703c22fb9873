"""Hours of event time in which a row that rating takes for new may be known to the ledger; kept by the one sink.

Rating of a partition knows what came in that partition. A copy or an earlier revision that comes in another one is
new to it, so of hours with such events the sink looks up every row, marked or not:
1. hours of rows astray (`RATED_SCHEMA`): their copies belong into another partition,
2. hours of revisions whose first one the ledger has not seen: it may come in any partition.
Where all producers follow the rule of keys and revisions follow their first, there are none, and nothing is looked up.
"""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from sinks.revisions import Identity
from sinks.store import Store

HOUR_US = 3_600_000_000


class WatchedHours:
    """The hours since 1970 whose rows are all looked up."""

    def __init__(self) -> None:
        self._hours: set[int] = set()

    def load(self, store: Store) -> None:
        """They are those of the ledger; rather too many than too few. Raises: StoreUnavailableError."""
        sql = (
            "SELECT DISTINCT intDiv(toUnixTimestamp(toStartOfHour(e.ts)), 3600)"
            " FROM usage_events_store AS e WHERE e.astray OR e.revision > 1"
        )
        self._hours |= {int(hour) for (hour,) in store.rows(sql)}

    def add(self, rows: pa.Table, unforeseen: Iterable[Identity]) -> None:
        """Those of the rows that are astray, and of revisions that came without a first one, are watched."""
        self._hours |= {hour for hour, _, _ in unforeseen}
        self._hours |= set(hours_of(rows.filter(rows["astray"])).tolist())

    def of(self, rows: pa.Table) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Which rows fall into one."""
        if not self._hours:
            return np.zeros(rows.num_rows, np.bool_)
        return np.isin(hours_of(rows), np.fromiter(self._hours, np.int64))


def hours_of(rows: pa.Table) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """The hour since 1970 of each row's event time."""
    return np.asarray(rows["ts"].cast(pa.int64())).astype(np.int64) // HOUR_US
