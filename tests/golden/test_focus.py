"""FOCUS files of ours: the columns of version 1.2, the ledger's sums, cells that run nowhere, whole or absent."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from deploy.csv_safe import to_csv
from deploy.focus_export import Exported, rows_of
from deploy.focus_files import write_focus
from schemas.errors import InputError
from schemas.usage import LEAVES
from sinks.focus import DIMENSIONS, PRICED_BY, FocusRows, Priced, cell, events_between, hours_between, totals
from sinks.focus_columns import COLUMNS, NAMES
from sinks.focus_split import shares

GOLDEN = Path(__file__).parent / "focus" / "export.csv"
AT = datetime(2026, 11, 22, 9, 15, 3, tzinfo=UTC)
# Column ids of FOCUS 1.2, Cost and Usage.
FOCUS_1_2 = [
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType",
    "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "CapacityReservationId",
    "CapacityReservationStatus", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountCategory", "CommitmentDiscountId",
    "CommitmentDiscountName", "CommitmentDiscountQuantity", "CommitmentDiscountStatus", "CommitmentDiscountType",
    "CommitmentDiscountUnit", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice",
    "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory",
    "PricingCurrency", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "RegionId",
    "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName",
    "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName",
    "SubAccountType", "Tags",
]  # fmt: skip


def ledger(cost: str | None = None, *, at: datetime = AT, listed: str | None = None, **changes: Any) -> dict[str, Any]:
    """A row of the ledger; `listed` is as `cost` unless given."""
    row: dict[str, Any] = dict.fromkeys(DIMENSIONS, "") | dict.fromkeys((*PRICED_BY, "cost_usd", "list_cost_usd"))
    row |= {"org": "acme", "team": "code", "user": "ana", "provider": "openai", "model": "gpt-4o", "ts": at,
            "pricing_status": "priced", "price_book_version": "test", "units": {}}  # fmt: skip
    paid = None if cost is None else Decimal(cost)
    return row | {"cost_usd": paid, "list_cost_usd": paid if listed is None else Decimal(listed)} | changes


LEDGER = [
    ledger("0.01128", input_uncached_tokens=1736, input_cache_read_tokens=3072, output_text_tokens=190,
           output_reasoning_tokens=120, project="shop", agent="bot-1", credential="key-41", region="us-east-1"),
    ledger("0.00434", at=AT + timedelta(minutes=9), input_uncached_tokens=1736, project="shop", agent="bot-1",
           credential="key-41", region="us-east-1"),
    ledger("0.003906", listed="0.00434", input_uncached_tokens=1736, team="=cmd()", price_book_version="discounted"),
    ledger(model="unknown-1", input_uncached_tokens=10, output_text_tokens=5, pricing_status="unpriced_model"),
    ledger("0.5", model="own", provider="own", input_uncached_tokens=3, output_text_tokens=1, listed="0.5"),
    ledger(pricing_status="no_usage"),
]  # fmt: skip


def exported(some: list[dict[str, Any]] = LEDGER) -> list[dict[str, Any]]:
    """The rows of these ledger rows, at today's list prices."""
    return list(rows_of(some, Exported()))


def test_all_columns_of_focus_are_there_and_ours_are_marked() -> None:
    """Each column id of FOCUS 1.2 is there once; every other name begins with x_."""
    assert [name for name in NAMES if not name.startswith("x_")] == sorted(FOCUS_1_2)
    assert len(set(NAMES)) == len(NAMES)


def test_export_is_the_golden_file() -> None:
    """These ledger rows are this file, cell by cell."""
    rows = [[cell(row[name]) for name in NAMES] for row in exported()]
    assert to_csv([NAMES, *rows]) == GOLDEN.read_text()


def test_cells_keep_to_their_columns() -> None:
    """What must not be empty is not, what has a list of values has one of them, and JSON columns hold objects."""
    for row in exported():
        for column in COLUMNS:
            value = row[column.name]
            assert value is not None or column.empty, column.name
            assert not column.allowed or value is None or value in column.allowed, column.name
            if column.kind == "json":
                assert isinstance(json.loads(value), dict)
            if column.kind == "time":
                assert str(cell(value)).endswith(":00:00Z")


def test_sums_are_those_of_the_ledger() -> None:
    """Costs and tokens of the file add up to the ledger, to the last digit; what has no price costs zero."""
    found = totals(exported())
    assert found["BilledCost"] == found["EffectiveCost"] == sum(row["cost_usd"] or 0 for row in LEDGER)
    assert found["ListCost"] == sum(row["list_cost_usd"] or 0 for row in LEDGER)
    assert found["Tokens"] == sum(row[leaf] or 0 for row in LEDGER for leaf in LEAVES)


def test_each_class_has_the_price_that_it_was_charged_at() -> None:
    """A unit price times the quantity is the list cost; a discount shows in the contracted price."""
    for row in exported():
        if row["ListUnitPrice"] is not None:
            assert abs(row["ListUnitPrice"] * row["PricingQuantity"] - row["ListCost"]) < Decimal("1E-9")
    by_team = {row["SubAccountId"]: row for row in exported() if row["x_PriceBookVersion"] == "discounted"}
    assert (by_team["=cmd()"]["ListUnitPrice"], by_team["=cmd()"]["ContractedUnitPrice"]) == (
        Decimal("2.5"),
        Decimal("2.25"),
    )


leaf_counts = st.dictionaries(st.sampled_from(LEAVES), st.integers(0, 10**9), max_size=4)
money = st.none() | st.integers(0, 10**17).map(lambda pico: Decimal(pico).scaleb(-12))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(leaf_counts, money, money, st.dictionaries(st.sampled_from(LEAVES), st.integers(0, 10**17)))))
def test_any_ledger_adds_up(
    events: list[tuple[dict[str, int], Decimal | None, Decimal | None, dict[str, int]]],
) -> None:
    """Whatever the prices known now say, the rows add up to the costs and tokens of the ledger."""
    gathered = FocusRows()
    for counts, cost, listed, parts in events:
        row = ledger() | counts | {"cost_usd": cost, "list_cost_usd": listed}
        gathered.add(row, Priced(dict.fromkeys(parts, Decimal(1)), dict(parts)))
    found = totals(gathered.rows())
    assert found["BilledCost"] == sum(cost or 0 for _, cost, _, _ in events)
    assert found["ListCost"] == sum(listed or 0 for _, _, listed, _ in events)
    assert found["Tokens"] == sum(sum(counts.values()) for counts, _, _, _ in events)


@settings(deadline=None)
@given(st.integers(0, 10**24), st.lists(st.integers(0, 10**18), min_size=1, max_size=15))
def test_shares_add_up(cost: int, weights: list[int]) -> None:
    """Shares add up to the cost, none is negative, and each is within one pico-USD of its exact part."""
    found = shares(cost, weights)
    assert sum(found) == cost
    total = sum(weights)
    for share, weight in zip(found, weights, strict=True):
        assert share >= 0
        assert total == 0 or abs(share * total - cost * weight) < total


def test_csv_cells_run_nowhere(tmp_path: Path) -> None:
    """A team that is named like a formula is text in the file."""
    write_focus(iter(exported()), "csv", tmp_path / "a.csv")
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert {row["SubAccountId"] for row in rows} == {"code", "'=cmd()"}


def test_parquet_and_json_lines_say_what_csv_says(tmp_path: Path) -> None:
    """The three forms hold the same rows: exact decimals, UTC times, null for what is empty."""
    for chosen in ("csv", "jsonl", "parquet"):
        assert write_focus(iter(exported()), chosen, tmp_path / f"a.{chosen}") == len(exported())
    table = parquet.read_table(tmp_path / "a.parquet")
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    listed = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    for at, row in enumerate(table.to_pylist()):
        for column in COLUMNS:
            said, line = cell(row[column.name]), lines[at][column.name]
            assert said == (json.dumps(line, separators=(",", ":")) if column.kind == "json" else line)
            assert (said or "") == listed[at][column.name].removeprefix("'")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_export_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    """Ctrl-C in the middle leaves the old file as it was, and nothing beside it."""
    target = tmp_path / "a.csv"
    target.write_text("old")

    def interrupted() -> Iterator[dict[str, Any]]:
        yield from exported()
        raise error

    with pytest.raises(error):
        write_focus(interrupted(), "csv", target)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.csv", "old")]


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """A folder that is not there, and Parquet without a file, are refused."""
    with pytest.raises(InputError, match="No such file"):
        write_focus(iter([]), "csv", tmp_path / "no" / "a.csv")
    with pytest.raises(InputError, match="-o FILE"):
        write_focus(iter([]), "parquet", None)


@pytest.mark.parametrize(
    ("amount", "consumed", "price"),
    [
        (10 / 3, "3.333333333333", "1.5"),
        (1e-13, "0", "50000000000000"),
        (5e-324, "0", None),
        (1e15, "1000000000000000", "0"),
    ],
)
def test_any_amount_of_units_is_a_row(tmp_path: Path, amount: float, consumed: str, price: str | None) -> None:
    """What a float holds is rounded to the places of a column, in every format; the cost stays what it is."""
    row = ledger("5", units={"audio_seconds": amount}, pricing_status="overridden")
    [found] = rows_of([row], Exported(), lambda some: [Priced({}, {}) for _ in some])
    for chosen in ("csv", "jsonl", "parquet"):
        assert write_focus([found], chosen, tmp_path / chosen) == 1
    assert (cell(found["ConsumedQuantity"]), cell(found["BilledCost"])) == (consumed, "5")
    assert cell(found["ContractedUnitPrice"]) == price


def test_questions_take_bounds_as_parameters() -> None:
    """No time from outside stands in a text."""
    for asked in (hours_between(since=AT, until=AT), events_between(since=AT, until=AT)):
        assert "2026" not in asked.sql
        assert set(asked.parameters) == {"since", "until"}
