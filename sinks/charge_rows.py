"""Charges as rating keeps them, as rows of `charges_store`: one per charge, its highest revision. Pure."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from schemas.charge_states import kept_from_bytes
from schemas.policies import SCOPE_KEYS

CHARGES_TABLE = "charges_store"
_TIME = pa.timestamp("us", tz="UTC")
_MONEY = pa.decimal128(38, 12)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CATEGORY: Mapping[str, str] = {
    "seat": "Purchase",
    "subscription": "Purchase",
    "commitment": "Purchase",
    "credit": "Credit",
    "tax": "Tax",
    "refund": "Adjustment",
    "adjustment": "Adjustment",
}
"""Source: FOCUS 1.2, ChargeCategory."""
CHARGES_SCHEMA = pa.schema(
    [
        ("charge_id", pa.string()),
        ("ts", _TIME),  # of the first revision, so that a charge never moves to another partition
        ("received_at", _TIME),
        ("source", pa.string()),
        ("id", pa.string()),
        ("revision", pa.uint32()),
        ("import_id", pa.string()),
        *((name, pa.string()) for name in SCOPE_KEYS),
        ("kind", pa.string()),
        ("charge_category", pa.string()),
        ("charge_class", pa.string()),
        ("amount_usd", _MONEY),
        ("service_from", pa.date32()),
        ("service_until", pa.date32()),
        ("timezone", pa.string()),
        ("contract", pa.string()),
        ("vendor", pa.string()),
        ("item", pa.string()),
        ("quantity", _MONEY),
        ("unit_price_usd", _MONEY),
        ("asserted", pa.map_(pa.string(), pa.string())),  # what it said itself of whom it belongs to, and is not so
    ]
)
_NAMES = ("import_id", *SCOPE_KEYS, "timezone", "contract", "vendor", "item")
_NUMBERS = ("quantity", "unit_price_usd")


def charge_row(raw: bytes) -> dict[str, Any]:
    """The row of a kept charge. Raises: msgspec.MsgspecError: rating cannot have written it."""
    kept = kept_from_bytes(raw)
    data: dict[str, Any] = msgspec.json.decode(kept.data)
    return {
        "charge_id": kept.charge_id,
        "ts": datetime.fromisoformat(kept.time),
        "received_at": _EPOCH + timedelta(microseconds=kept.received_us),
        "source": kept.source,
        "id": kept.id,
        "revision": data["revision"],
        **{name: data.get(name) for name in _NAMES},
        "kind": data["kind"],
        "charge_category": _CATEGORY.get(data["kind"], ""),
        "charge_class": "Correction" if data["kind"] in {"refund", "adjustment"} else "",
        "amount_usd": Decimal(data["amount_usd"]),
        "service_from": date.fromisoformat(data["service_from"]),
        "service_until": date.fromisoformat(data["service_until"]),
        **{name: None if data.get(name) is None else Decimal(data[name]) for name in _NUMBERS},
        "asserted": data.get("asserted") or {},
    }
