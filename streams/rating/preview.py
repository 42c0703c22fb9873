"""Events priced leaf by leaf, as rating would price them, for `burnline replay --dry-run` and for audits.

Nothing is sent, no duplicate is dropped, no policy is looked at.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Any

import msgspec
import numpy as np

from schemas.dead_letters import WHAT_TO_DO
from schemas.errors import InvalidMessage
from schemas.money import plain, usd
from schemas.usage import LEAVES
from schemas.usage_codec import decode
from streams.ports import SourceRecord
from streams.rating.charging import Charges, Pricing, charge
from streams.rating.columns import Columns
from streams.rating.decoding import Decoded, decode_all
from streams.rating.judging import judge
from streams.rating.price_rules import Prices
from streams.rating.prices import PARTS, PriceBook

_CHUNK = 1000


def priced_lines(
    events: Iterable[bytes], *, append_time_us: int, prices: Prices | None = None
) -> Iterator[dict[str, Any]]:
    """Each event with its leaves, their rates and costs, in order; a refused one with its reason instead.

    `append_time_us` is when they would arrive. Amounts are decimals as text; rates are USD per million tokens or units,
    but the rate of `requests` is USD per thousand calls. The lines are ready for JSON.
    """
    prices = prices or _list_prices()
    waiting = iter(events)
    while some := list(islice(waiting, _CHUNK)):
        yield from _lines(some, append_time_us, prices)


@cache
def _list_prices() -> Prices:
    """The prices of nobody in particular, looked up once per process."""
    return Prices(PriceBook())


def _lines(values: list[bytes], append_time_us: int, prices: Prices) -> list[dict[str, Any]]:
    records = [SourceRecord(at, append_time_us, None, value, ()) for at, value in enumerate(values)]
    decoded = decode_all(records)
    lines: dict[int, dict[str, Any]] = {record.offset: _refusal(refusal) for record, refusal in decoded.refused}
    if decoded.id:
        lines |= _priced(decoded, prices)
    return [lines[at] for at in range(len(values))]


def _priced(decoded: Decoded, prices: Prices) -> dict[int, dict[str, Any]]:
    columns = Columns(decoded)
    charges = charge(columns, prices)
    judged = judge(columns, charges, decoded.records)
    lines = {record.offset: _refusal(refusal) for record, refusal in judged.refused}
    for row in judged.valid.tolist():
        lines[decoded.records[row].offset] = _line(decoded.records[row].value or b"", charges, row)
    return lines


def _refusal(refusal: InvalidMessage) -> dict[str, Any]:
    message = f"{refusal.message}; what to do: {WHAT_TO_DO[refusal.reason]}"
    return {"dead_letter": {"reason": refusal.reason.value, "path": refusal.path, "message": message}}


def _line(raw: bytes, charges: Charges, row: int) -> dict[str, Any]:
    line: dict[str, Any] = msgspec.to_builtins(decode(raw))
    line["pricing"] = _pricing(charges, row)
    return line


def _pricing(charges: Charges, row: int) -> dict[str, Any]:
    """What an event costs, part by part; a rule is the override or discount that makes it differ from the list."""
    status = Pricing(int(charges.status[row]))
    rates = charges.rates[charges.rate[row]] if charges.rate[row] >= 0 else (None,) * len(PARTS)
    summed = status is not Pricing.gateway_cache_hit
    used = [at for at in np.flatnonzero(charges.counts[row]).tolist() if PARTS[at] in LEAVES or rates[at] is not None]
    rule = charges.quotes[charges.quote[row]].rule
    pricing: dict[str, Any] = {
        "pricing_status": status.name,
        "price_book_version": charges.version,
        "cost_usd": _usd(int(charges.cost[row])),
        "list_cost_usd": _usd(int(charges.listed[row])),
        "ceiling_cost_usd": _usd(int(charges.ceiling[row])),
        **({"rule": f"{rule.kind} {rule.id}"} if rule is not None else {}),
        "leaves": {
            PARTS[at]: {
                "count": int(charges.counts[row, at]),
                "rate_usd": None if (rate := rates[at]) is None else plain(rate),
                "cost_usd": None if rate is None or not summed else _usd(int(charges.parts[row, at])),
            }
            for at in used
        },
    }
    if row in charges.units:
        pricing["units"] = {
            unit.unit: {
                "count": plain(unit.amount),
                "rate_usd": None if unit.rate is None else plain(unit.rate),
                "cost_usd": None if unit.cost_pico_usd is None else _usd(unit.cost_pico_usd),
            }
            for unit in charges.units[row]
        }
    return pricing


def _usd(pico_usd: int) -> str | None:
    return plain(usd(pico_usd)) if pico_usd >= 0 else None
