"""The ledger between two times as FOCUS rows: hour by hour, so that memory holds the rows of one hour only."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Any

from deploy.moments import in_utc
from deploy.store_client import rows, streamed
from schemas.connection import ClickHouseSettings
from schemas.money import pico_usd
from schemas.signals import rfc3339
from schemas.usage import LEAVES
from sinks.focus import FocusRows, Priced, events_between, hours_between
from streams.rating.preview import priced_lines
from streams.rating.price_rules import Prices
from streams.rating.prices import PriceBook

_HOUR = timedelta(hours=1)
_CHUNK = 1000
_NAMES = ("provider", "model", "service_tier", "region", "inference_region")
Json = dict[str, Any]


@dataclass
class Exported:
    """How much was exported: events, and those without a price."""

    events: int = 0
    unpriced: int = 0


def focus_rows(
    settings: ClickHouseSettings, exported: Exported, *, since: datetime, until: datetime
) -> Iterator[dict[str, Any]]:
    """The rows of [since, until) in order of time. Raises: StoreUnavailableError, QueryError."""
    asked = hours_between(since=since, until=until)
    for found in rows(settings, asked.sql, asked.parameters):
        hour = in_utc(found["t"])
        within = events_between(since=max(since, hour), until=min(until, hour + _HOUR))
        with streamed(settings, within.sql, within.parameters) as events:
            yield from rows_of(events, exported)


def rows_of(
    events: Iterable[Mapping[str, Any]],
    exported: Exported,
    priced: "Callable[[list[Json]], list[Priced]] | None" = None,
) -> Iterator[dict[str, Any]]:
    """The rows of some events."""
    gathered = FocusRows()
    price = priced or priced_parts
    waiting = ({**event, "ts": in_utc(event["ts"])} for event in events)
    while some := list(islice(waiting, _CHUNK)):
        for event, parts in zip(some, price(some), strict=True):
            gathered.add(event, parts)
    exported.events += gathered.events
    exported.unpriced += gathered.unpriced
    yield from gathered.rows()


def priced_parts(events: list[Json]) -> list[Priced]:
    """What the prices known now say of each part of each event, at the time of the event."""
    newest = max(int(event["ts"].timestamp()) for event in events)
    lines = priced_lines(map(_as_event, events), append_time_us=(newest + 1) * 1_000_000, prices=_list_prices())
    return [_priced(line) for line in lines]


@cache
def _list_prices() -> Prices:
    """One book for a whole export: making one takes longer than pricing a thousand events."""
    return Prices(PriceBook())


def _priced(line: Mapping[str, Any]) -> Priced:
    said = line.get("pricing", {})
    parts = {**said.get("leaves", {}), **said.get("units", {})}
    rates = {name: _decimal(part["rate_usd"]) for name, part in parts.items()}
    costs = {
        name: None if part["cost_usd"] is None else pico_usd(Decimal(part["cost_usd"])) for name, part in parts.items()
    }
    return Priced(rates, costs)


def _as_event(event: Mapping[str, Any]) -> bytes:
    """The usage event that a row of the ledger came from, as far as its price goes."""
    data = {name: event[name] for name in _NAMES if event[name]} | {
        name: int(event[name]) for name in LEAVES if event[name] is not None
    }
    if event["units"]:
        data["units"] = dict(event["units"])
    if event["gateway_cache_hit"] is not None:
        data["gateway_cache_hit"] = bool(event["gateway_cache_hit"])
    said = {
        "specversion": "1.0", "type": "burnline.usage.v1", "source": "ledger", "id": "ledger",
        "time": rfc3339(event["ts"]), "data": {"org": event["org"], **data},
    }  # fmt: skip
    return json.dumps(said).encode()


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
