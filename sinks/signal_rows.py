"""Signals as rows: which table each goes to, and how. Pure.

Every table has a natural key, so storing a signal twice changes nothing. Newer fields of newer writers are ignored.
Long because it lists the columns of every table.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa
from pydantic import ValidationError

from schemas.charge_states import KEPT_TYPE, RENEWAL_TYPE, WORD_TYPE
from schemas.deliveries import DELIVERY_TYPE, RESEND_TYPE, DeliveryStatus
from schemas.errors import InvalidMessage, Reason
from schemas.heartbeats import HEARTBEAT_TYPE, Beat
from schemas.periods import instant
from schemas.signals import (
    ADVICE_TYPE,
    ALERT_TYPE,
    BUDGET_STATES_TYPE,
    DEAD_LETTER_TYPE,
    RATES_TYPE,
    Alert,
    BudgetStates,
    DeadLetter,
    Rates,
)
from sinks.advice_rows import ADVICE_SCHEMA, ADVICE_TABLE, advice_row
from sinks.charge_rows import CHARGES_SCHEMA, CHARGES_TABLE, charge_row
from sinks.outcome_rows import OUTCOMES_SCHEMA, OUTCOMES_TABLE
from sinks.rows import MAX_PARTITIONS

_TIME = pa.timestamp("us", tz="UTC")
_MONEY = pa.decimal128(38, 12)
_STRINGS = pa.map_(pa.string(), pa.string())
_PLACE = [("src_partition", pa.int32()), ("src_offset", pa.int64())]
TABLES: Mapping[str, pa.Schema] = {
    "burn_rates_store": pa.schema(
        [
            ("org", pa.string()),
            ("entity_type", pa.string()),
            ("entity_id", pa.string()),
            ("window_sec", pa.uint32()),
            ("window_end", _TIME),
            ("requests", pa.int64()),
            ("tokens", pa.int64()),
            ("cost_usd", _MONEY),
            ("usd_per_hour", _MONEY),
            ("tokens_per_min", _MONEY),
            *_PLACE,
        ]
    ),
    "budget_states_store": pa.schema(
        [
            ("org", pa.string()),
            ("budget_id", pa.string()),
            ("member", pa.string()),
            ("period_start", _TIME),
            ("period_end", _TIME),
            ("unit", pa.string()),
            ("limit", _MONEY),
            ("spent", _MONEY),
            ("estimated_usd", _MONEY),
            ("spent_to_limit_ratio", pa.float64()),
            ("requests", pa.int64()),
            ("unpriced_requests", pa.int64()),
            ("highest_threshold", pa.decimal128(18, 6)),
            ("forecast", _MONEY),
            ("status", pa.string()),
            ("policy_offset", pa.int64()),
            ("owner", pa.string()),
            ("at", _TIME),
            *_PLACE,
        ]
    ),
    "alert_events_store": pa.schema(
        [
            ("alert_id", pa.string()),
            ("seq", pa.uint32()),
            ("status", pa.string()),
            ("topic", pa.string()),
            ("mode", pa.string()),
            ("basis", pa.string()),
            ("notify", pa.bool_()),
            ("rule", pa.string()),
            ("kind", pa.string()),
            ("level", pa.string()),
            ("severity", pa.string()),
            ("org", pa.string()),
            ("entity_type", pa.string()),
            ("entity_id", pa.string()),
            ("budget_id", pa.string()),
            ("member", pa.string()),
            ("period_start", _TIME),
            ("period_end", _TIME),
            ("at", _TIME),
            ("opened_at", _TIME),
            ("resolved_at", _TIME),
            ("reason", pa.string()),
            ("unit", pa.string()),
            ("value", _MONEY),
            ("threshold", _MONEY),
            ("estimated_usd", _MONEY),
            ("owner", pa.string()),
            ("labels", _STRINGS),
            ("evidence", _STRINGS),
            ("bridge", pa.string()),
            ("message", pa.string()),
            ("runbook_url", pa.string()),
        ]
    ),
    "dead_letters_store": pa.schema(
        [
            ("topic", pa.string()),
            ("partition", pa.int32()),
            ("offset", pa.int64()),
            ("append_time", _TIME),
            ("reason", pa.string()),
            ("path", pa.string()),
            ("message", pa.string()),
            ("key_base64", pa.string()),
            ("value_base64", pa.string()),
            ("value_bytes", pa.int64()),
            ("headers", _STRINGS),
            ("dialect", pa.string()),
            ("redacted_values", pa.int64()),
            ("cut", pa.bool_()),
        ]
    ),
    "deliveries_store": pa.schema(
        [
            ("delivery_id", pa.string()),
            ("org", pa.string()),
            ("route", pa.string()),
            ("destination", pa.string()),
            ("alert_id", pa.string()),
            ("seq", pa.uint32()),
            ("topic", pa.string()),
            ("partition", pa.int32()),
            ("offset", pa.int64()),
            ("status", pa.string()),
            ("attempts", pa.uint32()),
            ("reason", pa.string()),
            ("at", _TIME),
            ("request_id", pa.string()),
            *_PLACE,
        ]
    ),
    "alert_times_store": pa.schema(
        [
            *((name, pa.string()) for name in ("alert_id", "org", "topic", "rule", "status")),
            ("seq", pa.uint32()),
            ("at", _TIME),
            ("published_at", _TIME),
        ]
    ),
    "heartbeats_store": pa.schema(
        [
            ("lane", pa.uint16()),
            ("beat_id", pa.string()),
            *((name, _TIME) for name in ("sent_at", "received_at", "rated_at", "published_at")),
        ]
    ),
    ADVICE_TABLE: ADVICE_SCHEMA,
    CHARGES_TABLE: CHARGES_SCHEMA,
    OUTCOMES_TABLE: OUTCOMES_SCHEMA,
}
_MONTH = "%Y%m"
_PARTITIONED: Mapping[str, tuple[str, str]] = {
    "burn_rates_store": ("window_end", "%Y%m%d"),
    "budget_states_store": ("period_start", _MONTH),
    "dead_letters_store": ("append_time", _MONTH),
    CHARGES_TABLE: ("ts", _MONTH),
    OUTCOMES_TABLE: ("ts", _MONTH),
}
"""The column of each table's partition key, and how a time names its partition."""


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One row and the table that it belongs to."""

    table: str
    values: dict[str, Any]


class _Envelope(msgspec.Struct):
    type: str
    data: msgspec.Raw


def signal_rows(raw: bytes, *, partition: int, offset: int, append_time_us: int | None = None) -> list[SignalRow]:
    """The rows of one signal; with its append time, also when it was published.

    Raises: InvalidMessage: it is none that this version can read.
    """
    try:
        envelope = msgspec.json.decode(raw, type=_Envelope)
        rows = _READERS[envelope.type](bytes(envelope.data))
    except KeyError as error:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "type", f"no signal of ours has the type {error}") from error
    except (msgspec.MsgspecError, ValidationError) as error:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "", str(error)) from error
    if append_time_us is not None:
        rows += _published(rows, instant(append_time_us))
    place = {"src_partition": partition, "src_offset": offset}
    return [
        SignalRow(row.table, row.values | place) if "src_offset" in TABLES[row.table].names else row for row in rows
    ]


def _rates(data: bytes) -> list[SignalRow]:
    rates = Rates.model_validate_json(data)
    return [
        SignalRow(
            "burn_rates_store",
            {
                "org": rates.org,
                "entity_type": rate.entity_type,
                "entity_id": rate.entity_id,
                "window_end": rates.window_end,
                **window.model_dump(mode="python", exclude={"cost_usd", "usd_per_hour", "tokens_per_min"}),
                "cost_usd": window.cost_usd,
                "usd_per_hour": window.usd_per_hour,
                "tokens_per_min": window.tokens_per_min,
            },
        )
        for rate in rates.rates
        for window in rate.windows
    ]


def _budget_states(data: bytes) -> list[SignalRow]:
    states = BudgetStates.model_validate_json(data)
    return [
        SignalRow("budget_states_store", {"org": states.org, "at": states.at, **dict(state)}) for state in states.states
    ]


def _alert(data: bytes) -> list[SignalRow]:
    alert = Alert.model_validate_json(data)
    bridge = None if alert.bridge is None else alert.bridge.model_dump_json()
    return [SignalRow("alert_events_store", dict(alert) | {"bridge": bridge})]


def _heartbeat(data: bytes) -> list[SignalRow]:
    beat = msgspec.json.decode(data, type=Beat)
    times = {"sent_at": beat.sent_us, "received_at": beat.received_us, "rated_at": beat.rated_us}
    values = {"lane": beat.lane, "beat_id": beat.beat_id} | {name: instant(us) for name, us in times.items()}
    return [SignalRow("heartbeats_store", values | {"published_at": values["rated_at"]})]


def _published(rows: list[SignalRow], at: datetime) -> list[SignalRow]:
    """When the signal stood on its topic: of a heartbeat in its row, of an alert as a row of its own."""
    found = []
    for row in rows:
        if row.table == "heartbeats_store":
            row.values["published_at"] = at
        elif row.table == "alert_events_store":
            names = set(TABLES["alert_times_store"].names) & row.values.keys()
            found.append(
                SignalRow("alert_times_store", {name: row.values[name] for name in names} | {"published_at": at})
            )
    return found


def _dead_letter(data: bytes) -> list[SignalRow]:
    letter = dict(DeadLetter.model_validate_json(data))
    letter.pop("dead_letter_id")
    return [SignalRow("dead_letters_store", letter | {"reason": letter["reason"].value})]


def _delivery(data: bytes) -> list[SignalRow]:
    return [SignalRow("deliveries_store", dict(DeliveryStatus.model_validate_json(data)))]


def _advice(data: bytes) -> list[SignalRow]:
    return [SignalRow(ADVICE_TABLE, advice_row(data))]


def _charge(data: bytes) -> list[SignalRow]:
    return [SignalRow(CHARGES_TABLE, charge_row(data))]


def _request(_: bytes) -> list[SignalRow]:
    """What is asked of the notifier is no row, nor what rating remembers for itself; what comes of it is."""
    return []


_READERS: Mapping[str, Callable[[bytes], list[SignalRow]]] = {
    RATES_TYPE: _rates,
    BUDGET_STATES_TYPE: _budget_states,
    ADVICE_TYPE: _advice,
    ALERT_TYPE: _alert,
    DEAD_LETTER_TYPE: _dead_letter,
    DELIVERY_TYPE: _delivery,
    HEARTBEAT_TYPE: _heartbeat,
    RESEND_TYPE: _request,
    KEPT_TYPE: _charge,
    RENEWAL_TYPE: _request,
    WORD_TYPE: _request,
}


def to_table(name: str, rows: Iterable[dict[str, Any]]) -> pa.Table:
    """The rows as the store wants them: exact money rounded at 12 places, '' for missing strings."""
    schema = TABLES[name]
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    whole = [row | {name: row.get(name) or "" for name in texts} for row in rows]
    return pa.Table.from_pylist([_at_scale(row, schema) for row in whole], schema=schema)


def _at_scale(row: dict[str, Any], schema: pa.Schema) -> dict[str, Any]:
    exact = {field.name: field.type.scale for field in schema if pa.types.is_decimal(field.type)}
    return {
        key: round(value, exact[key]) if key in exact and value is not None else value for key, value in row.items()
    }


def tables(rows: Iterable[SignalRow]) -> list[tuple[str, pa.Table]]:
    """The rows as inserts: by table, and none over more than MAX_PARTITIONS partitions."""
    by_table: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        by_table.setdefault(row.table, {}).setdefault(_partition(row), []).append(row.values)
    found = []
    for name, partitions in by_table.items():
        keys = sorted(partitions)
        for start in range(0, len(keys), MAX_PARTITIONS):
            some = [values for key in keys[start : start + MAX_PARTITIONS] for values in partitions[key]]
            found.append((name, to_table(name, some)))
    return found


def _partition(row: SignalRow) -> str:
    column, form = _PARTITIONED.get(row.table, ("", ""))
    at = row.values.get(column)
    return at.strftime(form) if isinstance(at, datetime) else ""
