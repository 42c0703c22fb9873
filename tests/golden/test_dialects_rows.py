"""Every golden dialect file goes all the way: dialect -> event -> price -> row, with the figures that stand beside it.

`CASE.expected.jsonl` (test_dialects.py writes it) says each event and its price; the row that rating sends to the store
must say the same: who, which leaves, what it costs and how surely.
"""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from producers.plan import prepare, read
from producers.stamp import Event, parse_sets
from schemas.usage import INPUT_LEAVES, LEAVES, OUTPUT_LEAVES
from tests.golden.test_dialects import NOW, _cases
from tests.laws.rating_events import batch as batch_of
from tests.laws.rating_events import dead_letters_of, new_lane, records, rows_of

NOT_FIELDS = {"import_id", "units", "tags", "asserted", "reported_cost_usd", *LEAVES, "input_tokens", "output_tokens"}


def expected_of(case: Path) -> list[dict[str, Any]]:
    """The events and prices that stand beside a case."""
    golden = case.with_name(case.name.split(".")[0] + ".expected.jsonl")
    lines = [json.loads(line) for line in golden.read_text().splitlines()]
    return [line for line in lines if "event" in line]


def rated(case: Path) -> list[dict[str, Any]]:
    """The rows that rating makes of a case."""
    sets = case.with_name(case.name.split(".")[0] + ".sets.txt")
    given = sets.read_text().split() if sets.exists() else ["org=acme", "time=2026-11-22T09:00:00Z"]
    plan = prepare(case.parent.name, [str(case)], now=NOW, sets=parse_sets(given))
    values = [item.value for item in read(plan, now=NOW) if isinstance(item, Event)]
    result = new_lane().step(batch_of(records(values, append_time_us=int(NOW.timestamp()) * 1_000_000)))
    assert dead_letters_of(result) == []
    return rows_of(result)


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.parent.name}/{case.name}") for case in _cases()])
def test_case_becomes_the_rows_that_are_expected(case: Path) -> None:
    """Identity, time, leaves, totals, cost and status of each row are those of the golden event and its price."""
    expected = {(one["event"]["source"], one["event"]["id"]): one for one in expected_of(case)}
    rows = rated(case)
    assert {(row["source"], row["id"]) for row in rows} == expected.keys()
    for row in rows:
        one = expected[row["source"], row["id"]]
        data, price = one["event"]["data"], one["price"]
        assert row["ts"].astimezone(UTC) == datetime.fromisoformat(one["event"]["time"])
        for name, value in data.items():
            assert name in NOT_FIELDS or row[name] == value, name
        for leaf in LEAVES:
            used = price["leaves"].get(leaf, "0 x").split(" x ")[0].removesuffix(" x")
            assert (row[leaf] or 0) == int(used), leaf
        for total, leaves in (("input_tokens", INPUT_LEAVES), ("output_tokens", OUTPUT_LEAVES)):
            assert row[total] is None or row[total] == sum(row[leaf] for leaf in leaves)
        assert row["pricing_status"] == price["pricing_status"]
        costs = {row[name] for name in ("cost_usd", "list_cost_usd", "as_charged_cost_usd")}
        assert costs == {None if price["cost_usd"] is None else Decimal(price["cost_usd"])}
        assert (row["ceiling_cost_usd"] is not None) == price["pricing_status"].startswith("unpriced")
        reported = data.get("reported_cost_usd")
        assert row["reported_cost_usd"] == (None if reported is None else Decimal(reported))
