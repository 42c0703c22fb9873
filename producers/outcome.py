"""What a replay did, and how far it is: honest counts. Pure.

Law: sent + skipped == rows, unless the replay was interrupted; `sent` counts what Kafka has acknowledged.
"""

from dataclasses import dataclass, field
from datetime import datetime

from producers.dialect import Skipped

_ROWS_SHOWN = 5


@dataclass(kw_only=True)
class SkippedRows:
    """How many rows were skipped for one reason, and the first few of them."""

    count: int = 0
    first: list[Skipped] = field(default_factory=list)


@dataclass(kw_only=True)
class Outcome:
    """What a replay did. `repeated` counts rows whose (source, id) was read before: Burnline counts them once."""

    import_id: str
    shift: str
    rows: int
    sent: int = 0
    skipped: dict[str, SkippedRows] = field(default_factory=dict)
    repeated: int = 0
    first_time: datetime | None = None
    last_time: datetime | None = None
    interrupted: bool = False
    unacknowledged: int = 0

    @property
    def skipped_count(self) -> int:
        """How many rows were skipped, for any reason."""
        return sum(rows.count for rows in self.skipped.values())

    def skip(self, item: Skipped) -> None:
        """One more row is skipped for its reason."""
        rows = self.skipped.setdefault(str(item.reason), SkippedRows())
        rows.count += 1
        if len(rows.first) < _ROWS_SHOWN:
            rows.first.append(item)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a replay is; `waiting_for` says what is wrong with Kafka now, empty when nothing is."""

    rows_read: int
    rows: int
    sent: int
    skipped: int
    waiting_for: str
