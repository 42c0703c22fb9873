"""Signals as rows: the golden examples, and what cannot be read."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from schemas.charge_states import KEPT_TYPE, WORD_TYPE, ChargesWord, record_bytes
from schemas.charges import decode_charge
from schemas.errors import InvalidMessage
from sinks.signal_rows import TABLES, signal_rows, tables
from streams.rating.standing_charges import kept_of

EXAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "examples"
TABLE_OF = {
    "burnline.advice.v1": ("advice_store", 1),
    "burnline.rates.v1": ("burn_rates_store", 2),
    "burnline.budget_states.v1": ("budget_states_store", 1),
    "burnline.dead_letter.v1": ("dead_letters_store", 1),
    "burnline.delivery.v1": ("deliveries_store", 1),
    "alert.spike": ("alert_events_store", 1),
    "alert.budget_threshold": ("alert_events_store", 1),
    "alert.budget_burn_rate": ("alert_events_store", 1),
    "alert.shared_credential": ("alert_events_store", 1),
    "alert.renewal": ("alert_events_store", 1),
}


@pytest.mark.parametrize("name", sorted(TABLE_OF))
def test_every_example_is_rows_of_its_table(name: str) -> None:
    """Each golden example of a signal becomes rows with every column of its table."""
    table, count = TABLE_OF[name]
    rows = signal_rows((EXAMPLES / f"{name}.json").read_bytes(), partition=3, offset=8)
    assert [row.table for row in rows] == [table] * count
    [(stored, arrow)] = tables(rows)
    assert (stored, arrow.num_rows, arrow.schema) == (table, count, TABLES[table])
    assert [set(TABLES[table].names) - set(row.values) for row in rows] == [set()] * count
    if "src_offset" in arrow.schema.names:
        assert arrow["src_offset"].to_pylist() == [8] * count


def test_money_keeps_its_last_digit_and_nulls_stay_null() -> None:
    """Amounts are exact; a forecast that nobody made is NULL, a member that is none is ''."""
    raw = (
        (EXAMPLES / "burnline.budget_states.v1.json").read_bytes().replace(b'"800.1234"', b'"99999999999.000000000001"')
    )
    [(_, arrow)] = tables(signal_rows(raw, partition=0, offset=0))
    row = arrow.to_pylist()[0]
    assert row["spent"] == Decimal("99999999999.000000000001")
    assert (row["forecast"], row["member"]) == (None, "")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"type":"burnline.other.v1","data":{}}',
        b'{"type":"burnline.alert.v1","data":{}}',
        b"\xff",
    ],
)
def test_what_is_no_signal_is_an_invalid_message(raw: bytes) -> None:
    """Whatever cannot be read has one verdict, and never another error."""
    with pytest.raises(InvalidMessage):
        signal_rows(raw, partition=0, offset=0)


def test_an_insert_touches_at_most_fifty_partitions() -> None:
    """Rates of 120 days are three inserts that hold all of them."""
    envelope = msgspec.json.decode((EXAMPLES / "burnline.rates.v1.json").read_bytes())
    rows = []
    for day in range(120):
        envelope["data"]["window_end"] = f"2026-{day // 28 + 1:02}-{day % 28 + 1:02}T00:00:00.000000Z"
        rows += signal_rows(msgspec.json.encode(envelope), partition=0, offset=day)
    found = tables(rows)
    assert [(name, table.num_rows) for name, table in found] == [
        ("burn_rates_store", 100), ("burn_rates_store", 100), ("burn_rates_store", 40),
    ]  # fmt: skip


def test_a_charge_is_one_row_with_its_service_period() -> None:
    """What rating keeps of a charge becomes a row with every column; what it remembers for itself becomes none."""
    event = decode_charge((EXAMPLES / "burnline.charge.v1.json").read_bytes())
    kept = kept_of(event, received_us=1_795_338_903_500_000)
    [row] = signal_rows(record_bytes(KEPT_TYPE, kept), partition=3, offset=8)
    [(table, arrow)] = tables([row])
    assert (table, arrow.schema) == ("charges_store", TABLES["charges_store"])
    [found] = arrow.to_pylist()
    assert (found["amount_usd"], found["quantity"], found["unit_price_usd"]) == (4680, 120, 39)
    assert (found["service_from"], found["service_until"]) == (date(2026, 11, 1), date(2026, 12, 1))
    assert (found["charge_category"], found["charge_class"], found["user"]) == ("Purchase", "", "")
    assert found["ts"] == event.time
    word = ChargesWord(log_time_us=1, policy_offset=2)
    assert signal_rows(record_bytes(WORD_TYPE, word), partition=3, offset=9) == []
