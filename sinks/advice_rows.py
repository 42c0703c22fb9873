"""Advice as rows of `advice_store`; storing one twice changes nothing. Pure."""

from typing import Any

import pyarrow as pa

from schemas.signals import Advice

ADVICE_TABLE = "advice_store"
_TIME = pa.timestamp("us", tz="UTC")
_MONEY = pa.decimal128(38, 12)
ADVICE_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("org", "entity_type", "entity_id", "advice", "rule", "alert_id")),
        ("at", _TIME),
        ("valid_until", _TIME),
        ("calls", pa.int64()),
        *((name, _MONEY) for name in ("spent_usd", "expected_usd", "high_usd")),
        ("like_runs", pa.int64()),
        *((name, pa.string()) for name in ("agent", "message")),
    ]
)


def advice_row(data: bytes) -> dict[str, Any]:
    """The row of an advice. Raises: pydantic.ValidationError: it is none."""
    return dict(Advice.model_validate_json(data))
