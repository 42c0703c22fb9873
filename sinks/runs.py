"""A run of reconciling as a row of `reconciliations`, written again as it goes on: the newest writing counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal

import pyarrow as pa

from sinks.store import Store

Reason = Literal["request", "nightly", "forget", "retention"]
TABLE = "reconciliations_store"
_SCHEMA = pa.schema(
    [
        ("reconciliation_id", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("day", pa.date32()),
        ("reason", pa.string()),
        ("kind", pa.string()),
        ("state", pa.string()),
        ("since", pa.date32()),
        ("until", pa.date32()),
        ("days", pa.uint32()),
        ("days_done", pa.uint32()),
        ("days_unequal", pa.uint32()),
        ("events_compared", pa.uint64()),
        ("events_restored", pa.uint64()),
        ("duration_sec", pa.float64()),
        ("message", pa.string()),
        ("positions", pa.map_(pa.int32(), pa.int64())),
    ]
)


@dataclass(slots=True, kw_only=True)
class Run:
    """What is known of a run by now.

    `since` and `until` are days of UTC, half-open; None where it takes what was touched since the last one.
    """

    run_id: str
    reason: Reason
    at: datetime
    positions: Mapping[int, int]
    since: date | None = None
    until: date | None = None
    state: Literal["running", "done", "failed"] = "running"
    days: int = 0
    days_done: int = 0
    unequal: set[date] = field(default_factory=set)
    events_compared: int = 0
    events_restored: int = 0
    message: str = ""

    def write(self, store: Store, *, now: datetime) -> None:
        """The run's row says what is known. Raises: StoreUnavailableError: write it again."""
        row = {
            "reconciliation_id": self.run_id,
            "at": self.at,
            "day": self.at.date(),
            "reason": self.reason,
            "kind": "run",
            "state": self.state,
            "since": self.since,
            "until": self.until,
            "days": self.days,
            "days_done": self.days_done,
            "days_unequal": len(self.unequal),
            "events_compared": self.events_compared,
            "events_restored": self.events_restored,
            "duration_sec": (now - self.at).total_seconds(),
            "message": self.message,
            "positions": sorted(self.positions.items()),
        }
        store.insert(TABLE, pa.Table.from_pylist([row], schema=_SCHEMA))


@dataclass(frozen=True, slots=True)
class Night:
    """When the last nightly run began, and up to where `internal.rated` was stored then."""

    at: datetime
    positions: Mapping[int, int]


def last_night(store: Store, *, now: datetime) -> Night:
    """The last nightly run that ended; before any, the moment when the first event of the ledger was received, or now.

    Raises: StoreUnavailableError.
    """
    sql = (
        "SELECT r.at, r.positions FROM reconciliations_store AS r FINAL"
        " WHERE r.kind = 'run' AND r.reason = 'nightly' AND r.state = 'done' ORDER BY r.at DESC LIMIT 1"
    )
    for at, positions in store.rows(sql):
        return Night(_utc(at), dict(positions))
    [(events, first)] = store.rows("SELECT count(), min(e.received_at) FROM usage_events_store AS e")
    return Night(_utc(first) if events else now, {})


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
