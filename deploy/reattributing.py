"""The ledger attributed anew, hour by hour, by the directory in force: whose else an event is, for the sink.

A stored row stands for its event: what the directory has no word on stays as it is. As with prices, the sink changes
only the very row that was looked at (its version), and what is asked for again once it is right changes nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from deploy.budget_changes import Moved
from deploy.moments import in_utc
from deploy.rerating import MOST_BYTES, MOST_ROWS, Wanted
from deploy.store_client import rows, streamed
from schemas.connection import ClickHouseSettings
from schemas.requests import ATTRIBUTED, ATTRIBUTIONS_SCHEMA, version_of
from sinks.adjustments import pieces
from sinks.correction_questions import hours_of, rows_between
from streams.rating.attribution import Directory, Said

_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEYS = ("ts", "source", "id", "revision", "correction")
_AMOUNTS = ("model", "input_tokens", "output_tokens", "cost_usd")
Json = dict[str, Any]


@dataclass(slots=True)
class Line:
    """What goes from one team to another on a day; equal names: only who or which level above changes."""

    events: int = 0
    cost_usd: Decimal = Decimal(0)


@dataclass
class Moves:
    """What a reattribution changes, by day, team before and team after."""

    fields: tuple[str, ...]
    """The columns that budgets look at."""
    looked_at: int = 0
    differ: int = 0
    lines: dict[tuple[date, str, str], Line] = field(default_factory=lambda: defaultdict(Line))
    moved: dict[tuple[tuple[str, ...], datetime], list[Any]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0, Decimal(0)])
    )

    def add(self, row: Json, now: Json) -> None:
        """An event that is somebody else's."""
        self.differ += 1
        cost = row["cost_usd"] or Decimal(0)
        line = self.lines[row["ts"].date(), row["team"], now["team"] or ""]
        line.events += 1
        line.cost_usd += cost
        tokens = (row["input_tokens"] or 0) + (row["output_tokens"] or 0)
        quarter = row["ts"].replace(minute=row["ts"].minute // 15 * 15, second=0, microsecond=0)
        for sign, names in ((-1, row), (1, row | now)):
            sums = self.moved[tuple(names[name] or "" for name in self.fields), quarter]
            for at, amount in enumerate((1, tokens, cost)):
                sums[at] += sign * amount

    def budgets(self) -> Iterator[Moved]:
        """What budgets are told."""
        for (names, at), (requests, tokens, cost) in self.moved.items():
            yield Moved(dict(zip(self.fields, names, strict=True)), at, requests, tokens, cost)


def new_attributions(
    settings: ClickHouseSettings, wanted: Wanted, directory: Directory, moves: Moves
) -> Iterator[pa.RecordBatch]:
    """Whose the rows are that are not whose they should be, in records for the sink; `moves` grows with them.

    Raises: StoreUnavailableError, QueryError.
    """
    asked = hours_of(wanted.filters, since=wanted.since, until=wanted.until)
    columns = tuple(dict.fromkeys((*_KEYS, "org", "credential", *ATTRIBUTED, *_AMOUNTS, *moves.fields)))
    waiting: list[Json] = []
    for found in rows(settings, asked.sql, asked.parameters):
        hour = in_utc(found["t"])
        since, until = max(wanted.since, hour), min(wanted.until, hour + _HOUR)
        within = rows_between(columns, wanted.filters, since=since, until=until)
        with streamed(settings, within.sql, within.parameters) as events:
            for row in differing(events, directory, moves):
                waiting.append(row)
                if len(waiting) == MOST_ROWS:
                    yield from _records(waiting)
                    waiting.clear()
    yield from _records(waiting)


def differing(events: Iterable[Json], directory: Directory, moves: Moves) -> Iterator[Json]:
    """Of these rows those that are somebody else's by the directory: rows of ATTRIBUTIONS_SCHEMA."""
    for event in events:
        row = {**event, "ts": in_utc(event["ts"])}
        moves.looked_at += 1
        said = Said(row["org"], row["source"], *(row[name] or None for name in Said._fields[2:]))
        found = directory.attributed(said, (row["ts"] - _EPOCH) // timedelta(microseconds=1))
        now: Json = {name: getattr(found, name) for name in ATTRIBUTED}
        if all((row[name] or None) == now[name] for name in ATTRIBUTED):
            continue
        moves.add(row, now)
        version = version_of(revision=row["revision"], correction=row["correction"])
        yield {"ts": row["ts"], "source": row["source"], "id": row["id"], "version": version, **now}


def _records(found: list[Json]) -> Iterator[pa.RecordBatch]:
    if found:
        yield from pieces(pa.RecordBatch.from_pylist(found, schema=ATTRIBUTIONS_SCHEMA), most_bytes=MOST_BYTES)
