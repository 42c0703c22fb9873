"""Burn rates that changed, as messages for `usage.rates`: at most one per org and 5 s.

Laws
1. An entity is said when a row came since it was last said, each minute while its last hour is above zero (what it
   burns falls as time passes), and once more for each window that has fallen to zero at the floor.
2. A message holds at most `MOST_RATES` entities, those not said for the longest first; the rest follow.
3. `silent` (in replay, where it was said already) changes nothing but that nothing is written: the state moves on.
4. Amounts are exact; rates per hour are cut to the pico-USD, tokens per minute to three decimals.
The JSON is written by hand from integers, because pydantic takes 50 times as long; a test holds it to the models.
"""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.periods import instant
from schemas.signals import RATES_TYPE, rfc3339
from streams.burn import rings
from streams.burn.state import UNSAID, BurnState
from streams.ports import Output

Ints = npt.NDArray[np.int64]

SAID_WINDOWS_SEC = (300, 3600, 21600, 86400, 259200)
EVERY_US = 5_000_000
AGAIN_US = 60_000_000
MOST_RATES = 1000


def rates(state: BurnState, *, silent: bool = False) -> list[Output]:
    """The rates to say now, orgs in order of name; what was said is marked."""
    table = state.entities
    unsaid = _unsaid_entities(state)
    if len(unsaid) == 0:
        return []
    outputs = []
    org = table.columns["org_slot"][unsaid]
    names = {int(slot): (table.keys[int(slot)] or ("",))[0] for slot in np.unique(org)}
    for org_slot, name in sorted(names.items(), key=lambda item: item[1]):
        slots = unsaid[org == org_slot]
        order = np.argsort(table.columns["said_us"][slots], kind="stable")
        chosen = slots[order[:MOST_RATES]]
        table.will_change(chosen)
        by_window = _sums_by_window(state, chosen)
        if not silent:
            outputs.append(_rates_of(state, name, chosen, by_window))
        table.columns["said_us"][chosen] = state.clock.lead_us
        table.columns["flags"][chosen] &= ~np.uint8(UNSAID)
    return outputs


def held_back(state: BurnState) -> int:
    """How many entities and budget states have changed since they were last said, and how much came late, unjudged."""
    entities = np.count_nonzero(state.entities.column("flags") & UNSAID) + sum(len(c[0]) for c in state.watch.late)
    return int(entities) + int(np.count_nonzero(state.periods.column("unsaid")))


def _unsaid_entities(state: BurnState) -> Ints:
    table = state.entities
    unsaid = (table.column("flags") & UNSAID) != 0
    said, newest = table.column("said"), table.column("newest")
    this_hour = (said & (1 << SAID_WINDOWS_SEC.index(3600))) != 0
    unsaid |= this_hour & (table.column("said_us") <= state.clock.lead_us - AGAIN_US)
    if state.clock.floor_us is not None and said.any():
        for bit, window_sec in enumerate(SAID_WINDOWS_SEC):
            ring = rings.WINDOW_RING[window_sec]
            first, _ = rings.window_cells(ring, window_us=window_sec * 1_000_000, at_us=state.clock.floor_us)
            unsaid |= ((said & (1 << bit)) != 0) & (newest // ring.buckets < first)
    return np.flatnonzero(unsaid)


def _sums_by_window(state: BurnState, slots: Ints) -> list[rings.Sums]:
    """What each window of these rows holds now; which of them are above zero is marked."""
    at_us, columns = state.clock.lead_us, state.entities.columns
    by_window = [rings.sums(columns, slots, window_sec=window_sec, at_us=at_us) for window_sec in SAID_WINDOWS_SEC]
    said = np.zeros(len(slots), np.uint8)
    for bit, found in enumerate(by_window):
        said |= ((found.requests != 0) | (found.micro != 0) | (found.tokens != 0)).astype(np.uint8) << bit
    columns["said"][slots] = said
    return by_window


def _rates_of(state: BurnState, org: str, slots: Ints, sums: list[rings.Sums]) -> Output:
    by_window: list[list[dict[str, Any]]] = []
    for window_sec, found in zip(SAID_WINDOWS_SEC, sums, strict=True):
        columns = (found.requests, found.tokens, found.micro, found.pico)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        by_window.append([_window(window_sec, *row) for row in rows])
    keys = [state.entities.keys[slot] or ("", "", "") for slot in slots.tolist()]
    entities = sorted(
        (
            {"entity_type": key[1], "entity_id": key[2], "windows": list(windows)}
            for key, windows in zip(keys, zip(*by_window, strict=True), strict=True)
        ),
        key=lambda rate: (rate["entity_type"], rate["entity_id"]),
    )
    end = rfc3339(instant(state.clock.lead_us))
    return signal_of(RATES_TYPE, org, end, f"{org}/{end}", {"org": org, "window_end": end, "rates": entities})


def _window(window_sec: int, requests: int, tokens: int, micro: int, pico: int) -> dict[str, Any]:
    cost_pico = micro * 1_000_000 + pico
    return {
        "window_sec": window_sec,
        "requests": requests,
        "tokens": tokens,
        "cost_usd": usd_text(cost_pico),
        "usd_per_hour": usd_text(cost_pico * 3600 // window_sec),
        "tokens_per_min": decimal_text(tokens * 60_000 // window_sec, places=3),
    }


def usd_text(pico_usd: int) -> str:
    """Exact USD as plain text."""
    return decimal_text(pico_usd, places=12)


def decimal_text(number: int, *, places: int) -> str:
    """An integer with its decimal point moved left, without trailing zeros."""
    if number < 0:
        return f"-{decimal_text(-number, places=places)}"
    digits = str(number)
    if len(digits) <= places:
        digits = digits.zfill(places + 1)
    rest = digits[-places:].rstrip("0")
    return f"{digits[:-places]}.{rest}" if rest else digits[:-places]


def signal_of(kind: str, org: str, at: str, signal_id: str, data: dict[str, Any]) -> Output:
    """The record of an org's rates or states."""
    signal = {
        "specversion": "1.0",
        "type": kind,
        "source": "burnline",
        "id": signal_id,
        "time": at,
        "subject": f"org/{org}",
        "datacontenttype": "application/json",
        "data": data,
    }
    return Output(topic="usage.rates", key=org.encode(), value=msgspec.json.encode(signal))
