"""The lanes of `usage.adjustments`: signed rows and openings as sums, and what the sink cannot have written."""

from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from schemas.errors import CorruptStateError
from schemas.internal import (
    ADJUSTMENT_HEADER,
    ADJUSTMENT_SCHEMA,
    DELTA_COUNTS,
    MONEY_PAIRS,
    OPENING_SCHEMA,
    RATED_SCHEMA,
    AdjustmentHeaders,
    batch_from_headers,
    from_arrow_bytes,
    to_arrow_bytes,
)
from schemas.policies import Budget
from schemas.topics import PARTITIONS
from streams.ports import SourceBatch, SourceRecord, Ticks
from streams.rating.adjusting import ADJUSTMENTS_TOPIC, AdjustingLane
from tests.laws.rating_events import FixedPolicies, deltas_of, event, new_lane, raw, rows_of, step

BUDGETS = (Budget(id="org", org="acme", limit=1), Budget(id="code", org="acme", scope={"team": "code"}, limit=1))
VALUES = [raw(event(f"e-{number}", input_tokens=4808 + number)) for number in range(3)]


def rated() -> list[dict[str, Any]]:
    """The rows of three events."""
    return rows_of(step(new_lane(*BUDGETS), VALUES))


def record(rows: list[dict[str, Any]], schema: pa.Schema, *, kind: Any, opened: int = -1) -> SourceRecord:
    """A record of usage.adjustments."""
    header = msgspec.json.encode(AdjustmentHeaders(kind=kind, opened=opened, rows=len(rows)))
    value = to_arrow_bytes(pa.RecordBatch.from_pylist(rows, schema=schema))
    return SourceRecord(5, 70, None, value, [(ADJUSTMENT_HEADER, header)])


def signed(sign: int, *, opened: int = -1, **changes: Any) -> SourceRecord:
    """The rated rows, signed."""
    rows = [{**row, **changes, "sign": sign, "reason": "late_duplicate"} for row in rated()]
    return record(rows, ADJUSTMENT_SCHEMA, kind="rows", opened=opened)


def lane(*policies: Budget, offset: int = 3) -> AdjustingLane:
    """A fresh lane under fixed policies, which match since offset 0."""
    return AdjustingLane(1, FixedPolicies(*(policies or BUDGETS), offset=offset))


def batch(*records: SourceRecord) -> SourceBatch:
    """These records."""
    return SourceBatch(ADJUSTMENTS_TOPIC, 1, records)


def keyed(rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], list[int]]:
    """The counts of delta rows, cost as one number, by key."""
    return {
        (row["org"], row["entity_type"], row["entity_id"], row["member"], row["bucket_us"]): [
            *(row[name] for name in DELTA_COUNTS[: -2 * len(MONEY_PAIRS)]),
            *(row[micro] * 10**6 + row[remainder] for micro, remainder in MONEY_PAIRS),
        ]
        for row in rows
    }


@pytest.mark.parametrize("sign", [1, -1])
def test_signed_rows_are_the_deltas_that_their_events_were(sign: int) -> None:
    """The same entities, budgets and buckets; counts and money times the sign, remainders normal, never live."""
    expected = keyed(deltas_of(step(new_lane(*BUDGETS), VALUES)))
    found = deltas_of(lane().step(batch(signed(sign))))
    assert {key: [sign * count for count in counts] for key, counts in expected.items()} == keyed(found)
    assert all(0 <= row[remainder] < 10**6 for row in found for _, remainder in MONEY_PAIRS)
    assert {(row["live"], bool(row["user_hashes"]), bool(row["address_hashes"])) for row in found} == {
        (False, False, False)
    }


def test_unpriced_rows_take_their_ceiling_with_them_and_no_cost() -> None:
    """A row without a cost counts as an unpriced request of no cost; what was estimated of it is estimated no more."""
    gone: dict[str, Any] = {"cost_usd": None, "ceiling_cost_usd": Decimal("0.4"), "pricing_status": "unpriced_model"}
    found = deltas_of(lane().step(batch(signed(-1, **gone))))
    org = next(row for row in found if row["entity_type"] == "org")
    money = [org[name] for pair in MONEY_PAIRS for name in pair]
    assert (org["requests"], org["unpriced_requests"], money) == (-3, -3, [0, 0, -1_200_000, 0])


@pytest.mark.parametrize(("rated_under", "opened", "debited"), [(-1, -1, False), (0, -1, True), (-1, 0, True)])
def test_signed_row_debits_the_budgets_that_counted_it(rated_under: int, opened: int, *, debited: bool) -> None:
    """Directly, or through their opening; entities always."""
    found = deltas_of(lane().step(batch(signed(-1, opened=opened, policy_offset=rated_under))))
    assert debited == ("budget" in {row["entity_type"] for row in found})
    assert "team" in {row["entity_type"] for row in found}


def test_messages_reach_every_partition_of_deltas_and_tell_no_time() -> None:
    """One per record and partition, without a clock; only an opening says what is open; none for pattern rules."""
    result = lane().step(batch(signed(-1, opened=2), opening(since=0, opened=2)))
    said = [(output.topic, output.partition) for output in result.outputs]
    assert said == [("internal.deltas", partition) for partition in range(PARTITIONS)] * 2
    headers = [batch_from_headers(output.headers) for output in result.outputs]
    assert {header.clock for header in headers} == {False}
    assert [header.opened for header in headers] == [-1] * PARTITIONS + [2] * PARTITIONS
    assert (result.log_time_us, result.policy_offset) == (70, 3)
    assert not isinstance(lane(), Ticks)


def opening(*, since: int, opened: int) -> SourceRecord:
    """The opening sums of a budget of ours and of one that is no more."""
    row = {
        **dict.fromkeys(OPENING_SCHEMA.names, 0),
        "org": "acme",
        "entity_type": "budget",
        "member": None,
        "live": False,
        "requests": 7,
        "user_hashes": None,
        "address_hashes": None,
        "matched_since": since,
    }
    rows = [{**row, "entity_id": "code"}, {**row, "entity_id": "gone"}]
    return record(rows, OPENING_SCHEMA, kind="opening", opened=opened)


@pytest.mark.parametrize(("since", "expected"), [(0, [("code", 7)]), (2, [])])
def test_opening_sums_go_to_the_life_that_they_were_summed_for(since: int, expected: list[tuple[str, int]]) -> None:
    """A budget that is gone, or matches something else by now, gets none."""
    result = lane().step(batch(opening(since=since, opened=2)))
    assert expected == [(row["entity_id"], row["requests"]) for row in deltas_of(result)]
    values = [from_arrow_bytes(output.value) for output in result.outputs]
    assert all("matched_since" not in value.schema.names for value in values)


@pytest.mark.parametrize(
    ("one", "needed"), [(opening(since=0, opened=8), 8), (signed(-1, opened=4), 4), (signed(-1, policy_offset=6), 6)]
)
def test_policies_are_read_as_far_as_the_ledger_or_its_rows_are(one: SourceRecord, needed: int) -> None:
    """What was opened, and what the rows were rated under: a budget that counted them must be known."""
    assert lane().policy_offset_needed(batch(one)) == needed


@pytest.mark.parametrize(
    "broken",
    [
        msgspec.structs.replace(signed(-1), headers=()),
        msgspec.structs.replace(signed(-1), headers=((ADJUSTMENT_HEADER, b"{"),)),
        msgspec.structs.replace(signed(-1), value=b"no arrow"),
        record(rated(), RATED_SCHEMA, kind="rows"),
    ],
    ids=["no header", "broken header", "broken rows", "other columns"],
)
def test_record_that_the_sink_cannot_have_written_ends_the_process(broken: SourceRecord) -> None:
    """Nothing is skipped in silence: the error names the offset."""
    with pytest.raises(CorruptStateError, match="offset 5"):
        lane().step(batch(broken))
