"""Rows of the ledger priced anew, as rating would price their events: for `burnline rerate`. Pure.

Law: under the book and the rules that first priced a row, it costs what it cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from schemas.usage import LEAVES
from schemas.usage_codec import UsageDataStruct, UsageStruct
from streams.ports import SourceRecord
from streams.rating.charging import Pricing, charge
from streams.rating.columns import Columns
from streams.rating.decoding import decoded_of
from streams.rating.price_rules import Prices

PRICED_BY = (
    "ts", "org", "provider", "model", "service_tier", "region", "inference_region", "input_tokens", "output_tokens",
    *LEAVES, "units", "gateway_cache_hit",
)  # fmt: skip
"""What the price of a row depends on."""
_TEXT = ("org", "provider", "model", "service_tier", "region", "inference_region")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Repriced:
    """What a row costs under other prices, in pico-USD; None is what nobody knows."""

    cost: int | None
    listed: int | None
    ceiling: int | None
    pricing_status: str
    refused: bool  # it would cost 10**6 USD or more


def repriced(rows: Sequence[dict[str, Any]], prices: Prices) -> list[Repriced]:
    """Each row of the ledger, with the columns of PRICED_BY (`ts` aware, '' a missing name), under these prices."""
    if not rows:
        return []
    events = [_event(row) for row in rows]
    event_us = np.array([(row["ts"] - _EPOCH) // _MICROSECOND for row in rows], np.int64)
    records = [SourceRecord(0, 0, None, b"", ())] * len(rows)
    charges = charge(Columns(decoded_of(events, event_us, records)), prices)
    statuses = [Pricing(code).name for code in charges.status.tolist()]
    columns = (charges.cost, charges.listed, charges.ceiling)
    amounts = [[None if pico < 0 else pico for pico in column.tolist()] for column in columns]
    return [
        Repriced(cost, listed, ceiling, status, refused)
        for cost, listed, ceiling, status, refused in zip(*amounts, statuses, charges.refused.tolist(), strict=True)
    ]


def _event(row: dict[str, Any]) -> UsageStruct:
    said = {name: row[name] for name in (*LEAVES, "input_tokens", "output_tokens") if row[name] is not None}
    said |= {name: row[name] for name in _TEXT if row[name]}
    if row["units"]:
        said["units"] = dict(row["units"])
    if row["gateway_cache_hit"] is not None:
        said["gateway_cache_hit"] = bool(row["gateway_cache_hit"])
    data = UsageDataStruct(**said)
    return UsageStruct("1.0", "burnline.usage.v1", "ledger", "ledger", row["ts"], data)
