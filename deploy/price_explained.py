"""Events as their prices are explained: what rating charges for each part, and where each rate is from. Pure."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from schemas.signals import rfc3339
from streams.rating.preview import priced_lines
from streams.rating.price_rules import Prices, Question
from streams.rating.price_sources import Source, notes_of, sources_of
from streams.rating.prices import SLOT_US


def explained(
    events: Sequence[dict[str, Any]], prices: Prices, *, now: datetime, at: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """Each event's price, ready for JSON; a refused one with its reason (`dead_letter`); `at` moves events there."""
    for event in events:
        moved = {name: value for name, value in event.items() if name != "pricing"}
        if at is not None:
            moved["time"] = rfc3339(at)
        arrival_us = int(max(now, at or now, _time_of(event) or now).timestamp() * 1_000_000)
        (line,) = priced_lines([json.dumps(moved).encode()], append_time_us=arrival_us, prices=prices)
        yield line if "dead_letter" in line else _explained(line, prices)


def _time_of(event: dict[str, Any]) -> datetime | None:
    """An event's time, where it can be read: one that lies ahead is priced as if it had arrived then."""
    try:
        at = datetime.fromisoformat(str(event.get("time")))
    except ValueError:
        return None
    return None if at.tzinfo is None else at


def _explained(line: dict[str, Any], prices: Prices) -> dict[str, Any]:
    data, pricing = line["data"], line["pricing"]
    at_us = int(datetime.fromisoformat(line["time"]).timestamp() * 1_000_000)
    asked = Question(
        org=data["org"],
        provider=data["provider"],
        model=data["model"],
        tier=data.get("service_tier"),
        inference_region=data.get("inference_region"),
        region=data.get("region"),
        slot=at_us // SLOT_US,
    )
    units = pricing.get("units", {})
    sources = sources_of(prices, asked, input_tokens=data.get("input_tokens") or 0, units=iter(units))
    return {
        **{name: data.get(name) for name in ("org", "provider", "model", "service_tier", "inference_region", "region")},
        **{name: line[name] for name in ("source", "id", "time")},
        "parts": [_part(name, said, sources[name]) for name, said in (pricing["leaves"] | units).items()],
        **{name: pricing[name] for name in ("pricing_status", "cost_usd", "list_cost_usd", "ceiling_cost_usd")},
        "reported_cost_usd": data.get("reported_cost_usd"),
        "rule": pricing.get("rule"),
        "price_book_version": pricing["price_book_version"],
        "notes": notes_of(prices, asked),
    }


def _part(name: str, said: dict[str, Any], source: Source) -> dict[str, Any]:
    return {
        "part": name,
        **said,
        "per": "1,000 calls" if name == "requests" else "1,000,000",
        "valid_from": None if source.valid_from is None else rfc3339(source.valid_from),
        "valid_until": None if source.valid_until is None else rfc3339(source.valid_until),
        "source": source.says,
        "url": source.url,
    }
