"""Events priced leaf by leaf, as rating would price them, for `burnline replay --dry-run` and for audits.

Nothing is sent, no duplicate is dropped, no policy is looked at.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec
import numpy as np

from schemas.errors import InvalidMessage
from schemas.money import plain, usd
from schemas.usage import LEAVES
from schemas.usage_codec import UsageStruct, complete
from streams.ports import SourceRecord
from streams.rating.charging import Charges, Pricing, charge
from streams.rating.columns import Columns
from streams.rating.dead_letters import WHAT_TO_DO
from streams.rating.decoding import decode_all
from streams.rating.judging import judge
from streams.rating.prices import PARTS, PRICE_BOOK_VERSION, PriceBook

_CHUNK = 1000


def priced_lines(
    events: Iterable[bytes], *, append_time_us: int, book: PriceBook | None = None
) -> Iterator[dict[str, Any]]:
    """Each event with its leaves, their rates and costs, in order; a refused one with its reason instead.

    `append_time_us` is when they would arrive. Amounts are decimals as text; rates are USD per million tokens, but the
    rate of `requests` is USD per thousand calls. The lines are ready for JSON.
    """
    prices = book or PriceBook()
    waiting = iter(events)
    while some := list(islice(waiting, _CHUNK)):
        yield from _lines(some, append_time_us, prices)


def _lines(values: list[bytes], append_time_us: int, book: PriceBook) -> list[dict[str, Any]]:
    records = [SourceRecord(at, append_time_us, None, value, ()) for at, value in enumerate(values)]
    decoded = decode_all(records)
    columns = Columns(decoded)
    charges = charge(columns, book)
    judged = judge(columns, charges, decoded.records)
    lines: dict[int, dict[str, Any]] = {
        record.offset: _refusal(refusal) for record, refusal in (*decoded.refused, *judged.refused)
    }
    for row in judged.valid.tolist():
        lines[decoded.records[row].offset] = _line(decoded.events[row], charges, row)
    return [lines[at] for at in range(len(values))]


def _refusal(refusal: InvalidMessage) -> dict[str, Any]:
    message = f"{refusal.message}; what to do: {WHAT_TO_DO[refusal.reason]}"
    return {"dead_letter": {"reason": refusal.reason.value, "path": refusal.path, "message": message}}


def _line(event: UsageStruct, charges: Charges, row: int) -> dict[str, Any]:
    complete(event.data)
    status = Pricing(int(charges.status[row]))
    priced = status is Pricing.priced
    rates = charges.rates[charges.rate[row]] if charges.rate[row] >= 0 else (None,) * len(PARTS)
    calls_cost = rates[-1] is not None
    used = [at for at in np.flatnonzero(charges.counts[row]).tolist() if PARTS[at] in LEAVES or calls_cost]
    cost = int(charges.cost[row])
    ceiling = int(charges.ceiling[row])
    line: dict[str, Any] = msgspec.to_builtins(event)
    line["pricing"] = {
        "pricing_status": status.name,
        "price_book_version": PRICE_BOOK_VERSION,
        "cost_usd": plain(usd(cost)) if cost >= 0 else None,
        "ceiling_cost_usd": plain(usd(ceiling)) if ceiling >= 0 else None,
        "leaves": {
            PARTS[at]: {
                "count": int(charges.counts[row, at]),
                "rate_usd": None if (rate := rates[at]) is None else plain(rate),
                "cost_usd": plain(usd(int(charges.parts[row, at]))) if priced else None,
            }
            for at in used
        },
    }
    return line
