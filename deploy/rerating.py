"""The ledger priced anew, hour by hour: what differs, as new prices for the sink, and what that changes.

The sink applies a price only to the very row that was priced (its version), so nothing that changes meanwhile is
written over; what is asked for again once it is right changes nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from deploy.budget_changes import Moved
from deploy.moments import in_utc
from deploy.store_client import rows, streamed
from schemas.connection import ClickHouseSettings
from schemas.money import usd
from schemas.requests import PRICES_SCHEMA, version_of
from sinks.adjustments import pieces
from sinks.correction_questions import hours_of, rows_between
from streams.rating.price_rules import Prices
from streams.rating.repricing import PRICED_BY, Repriced, repriced

MOST_BYTES = 600_000
"""Of new prices in one record, before compression; the topic takes 1 MiB."""
MOST_ROWS = 5_000
_AT_ONCE = 2_000
_HOUR = timedelta(hours=1)
_KEYS = ("source", "id", "revision", "correction")
_COSTS = ("cost_usd", "list_cost_usd", "ceiling_cost_usd", "pricing_status")
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which events are priced anew: of [since, until), alike in `filters`."""

    since: datetime
    until: datetime
    filters: Mapping[str, str]


@dataclass(slots=True)
class Line:
    """What changes on a day for a model."""

    events: int = 0
    tokens: int = 0
    before_usd: Decimal = Decimal(0)
    after_usd: Decimal = Decimal(0)


@dataclass
class Preview:
    """What a rerate changes: of all events that were looked at, those that differ, by day and model."""

    fields: tuple[str, ...]
    """The columns that budgets look at."""
    looked_at: int = 0
    differ: int = 0
    refused: int = 0
    """They would cost 1,000,000 USD or more, and stay as they are."""
    lines: dict[tuple[date, str], Line] = field(default_factory=lambda: defaultdict(Line))
    moved: dict[tuple[tuple[str, ...], datetime], Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def add(self, row: Json, before: Decimal, after: Decimal) -> None:
        """An event that differs."""
        self.differ += 1
        line = self.lines[row["ts"].date(), row["model"]]
        line.events += 1
        line.tokens += (row["input_tokens"] or 0) + (row["output_tokens"] or 0)
        line.before_usd += before
        line.after_usd += after
        quarter = row["ts"].replace(minute=row["ts"].minute // 15 * 15, second=0, microsecond=0)
        self.moved[tuple(row[name] for name in self.fields), quarter] += after - before

    def budgets(self) -> Iterator[Moved]:
        """What budgets are told."""
        for (names, at), change in self.moved.items():
            yield Moved(dict(zip(self.fields, names, strict=True)), at, 0, 0, change)


def new_prices(
    settings: ClickHouseSettings, wanted: Wanted, prices: Prices, preview: Preview
) -> Iterator[pa.RecordBatch]:
    """The new prices of all rows that differ, in records for the sink; `preview` grows with them.

    Raises: StoreUnavailableError, QueryError.
    """
    asked = hours_of(wanted.filters, since=wanted.since, until=wanted.until)
    waiting: list[Json] = []
    for found in rows(settings, asked.sql, asked.parameters):
        hour = in_utc(found["t"])
        columns = tuple(dict.fromkeys((*_KEYS, *PRICED_BY, *_COSTS, *preview.fields)))
        since, until = max(wanted.since, hour), min(wanted.until, hour + _HOUR)
        within = rows_between(columns, wanted.filters, since=since, until=until)
        with streamed(settings, within.sql, within.parameters) as events:
            for some in _chunks(events):
                waiting += differing(some, prices, preview)
                while len(waiting) >= MOST_ROWS:
                    yield from _records(waiting[:MOST_ROWS])
                    del waiting[:MOST_ROWS]
    yield from _records(waiting)


def differing(some: list[Json], prices: Prices, preview: Preview) -> Iterator[Json]:
    """Of these rows those whose money or status is another under the prices: rows of PRICES_SCHEMA."""
    preview.looked_at += len(some)
    for row, new in zip(some, repriced(some, prices), strict=True):
        if new.refused:
            preview.refused += 1
            continue
        now = _now(new)
        if all(row[name] == now[name] for name in _COSTS):
            continue
        preview.add(row, row["cost_usd"] or Decimal(0), now["cost_usd"] or Decimal(0))
        version = version_of(revision=row["revision"], correction=row["correction"])
        yield {"ts": row["ts"], "source": row["source"], "id": row["id"], "version": version, **now}


def _now(new: Repriced) -> Json:
    amounts = {"cost_usd": new.cost, "list_cost_usd": new.listed, "ceiling_cost_usd": new.ceiling}
    exact = {name: None if pico is None else usd(pico) for name, pico in amounts.items()}
    return {**exact, "pricing_status": new.pricing_status}


def _chunks(events: Iterable[Json]) -> Iterator[list[Json]]:
    some: list[Json] = []
    for event in events:
        some.append({**event, "ts": in_utc(event["ts"])})
        if len(some) == _AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _records(found: list[Json]) -> Iterator[pa.RecordBatch]:
    if found:
        yield from pieces(pa.RecordBatch.from_pylist(found, schema=PRICES_SCHEMA), most_bytes=MOST_BYTES)
