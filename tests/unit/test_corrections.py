"""Slices of corrections: what a row becomes, what burn and the audit are told, and that nothing is changed twice."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from schemas.internal import RATED_SCHEMA, from_arrow_bytes
from schemas.requests import (
    ATTRIBUTIONS_SCHEMA,
    PRICES_SCHEMA,
    ReattributeRequest,
    ReconcileRequest,
    RerateRequest,
    UndoRequest,
    request_bytes,
    request_from_bytes,
    version_of,
)
from sinks.corrections import Change, audit_rows, renewed, store_rows_of, told, undone
from sinks.groups import Group, Slice, group_bytes, group_from_bytes
from sinks.rows import WHOLE_SCHEMA, as_rated, identities_of
from tests.sink_world import DAY, rated_row

UNDO = UndoRequest(request_id="u", import_id="import-1", asked_by="ana", asked_at=DAY)
RERATE = RerateRequest(request_id="r", offsets=(), rows=3, price_book_version="book:2", asked_by="ana", asked_at=DAY)


MOVE = ReattributeRequest(request_id="m", offsets=(), rows=3, policy_offset=7, asked_by="ana", asked_at=DAY)


def stored(count: int = 3, *, corrections: int = 0) -> pa.Table:
    """Rows as the ledger has them."""
    place = {"src_partition": 0, "src_offset": 7, "correction": corrections}
    version = version_of(revision=1, correction=corrections)
    rows = [
        rated_row(number, ts=DAY + timedelta(hours=number)) | place | {"src_index": number, "version": version}
        for number in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=WHOLE_SCHEMA)


def prices(rows: pa.Table, **changes: Any) -> pa.RecordBatch:
    """New prices for these rows."""
    new = [{name: row[name] for name in PRICES_SCHEMA.names} | changes for row in rows.to_pylist()]
    return pa.RecordBatch.from_pylist(new, schema=PRICES_SCHEMA)


def test_a_row_rated_anew_keeps_all_but_its_price() -> None:
    """What it was first charged stays, and so does the policy offset by which budgets count it."""
    rows = stored()
    change = renewed(RERATE, rows, prices(rows, cost_usd=Decimal(5), pricing_status="overridden"))
    for before, after in zip(rows.to_pylist(), change.after.to_pylist(), strict=True):
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {"cost_usd", "pricing_status", "price_book_version", "correction", "version"}
        assert (after["cost_usd"], after["correction"], after["version"]) == (Decimal(5), 1, (1 << 32) + 1)


def moved(rows: pa.Table, **who: str | None) -> Change:
    """These rows, of somebody else now."""
    new = [{name: row[name] for name in ATTRIBUTIONS_SCHEMA.names} | who for row in rows.to_pylist()]
    return renewed(MOVE, rows, pa.RecordBatch.from_pylist(new, schema=ATTRIBUTIONS_SCHEMA))


def test_a_row_attributed_anew_keeps_all_but_whose_it_is() -> None:
    """Its money, its prices and what was asserted stay; the audit says who before and after."""
    change = moved(stored(), team="web", cost_center="4711", agent=None)
    for before, after in zip(change.before.to_pylist(), change.after.to_pylist(), strict=True):
        changed = {name for name in before if before[name] != after[name]} - {"agent"}
        assert changed == {"team", "cost_center", "correction", "version"}
        assert (after["team"], after["agent"], after["correction"]) == ("web", None, 1)
    [one, *_] = audit_rows(change, now=DAY).to_pylist()
    assert (one["kind"], one["cost_before_usd"]) == ("reattribute", one["cost_after_usd"])
    assert dict(one["who_before"]) == {"user": "user-0", "team": "team-0"}
    assert dict(one["who_after"]) == {"user": "user-0", "team": "web", "cost_center": "4711"}
    assert moved(stored(corrections=1)).rows == 3


def test_a_row_that_changed_since_it_was_priced_is_left_alone() -> None:
    """Its version is another; and so is a row that nobody priced."""
    rows = stored()
    assert renewed(RERATE, stored(corrections=1), prices(rows)).rows == 0
    assert renewed(RERATE, rows, prices(rows.slice(1, 1))).before["id"].to_pylist() == ["call-1"]


def test_a_change_that_is_done_has_nothing_left() -> None:
    """Only rows that still have their old version are changed again, so a repeated slice changes what is missing."""
    change = undone(UNDO, stored())
    old, new = (
        dict(zip(identities_of(side), side["version"].to_pylist(), strict=True))
        for side in (change.before, change.after)
    )
    assert change.only(old).rows == 3
    assert change.only(new).rows == 0
    assert change.only({}).rows == 0  # deleted


@pytest.mark.parametrize(
    ("kind", "signs"), [("undo", [-1] * 3), ("rerate", [-1] * 3 + [1] * 3), ("reattribute", [-1] * 3 + [1] * 3)]
)
def test_burn_is_told_both_sides(kind: str, signs: list[int]) -> None:
    """What was goes, what is comes; of an undone row nothing comes. Each to the partition that it came from."""
    rows = stored()
    change = {
        "undo": lambda: undone(UNDO, rows),
        "rerate": lambda: renewed(RERATE, rows, prices(rows, cost_usd=Decimal(5))),
        "reattribute": lambda: moved(rows, team="web"),
    }[kind]()
    said = [row for one in told(change, group_id="g", opened=4) for row in from_arrow_bytes(one.value).to_pylist()]
    assert sorted(row["sign"] for row in said) == sorted(signs)
    assert {row["reason"] for row in said} == {kind}
    names = RATED_SCHEMA.names
    gone = sorted(({name: row[name] for name in names} for row in said if row["sign"] < 0), key=str)
    assert gone == sorted(rows.select(names).to_pylist(), key=str)
    assert {one.partition for one in told(change, group_id="g", opened=4)} == {0, 1, 2}


def test_an_undone_row_is_stored_as_deleted_where_it_stood() -> None:
    """Its place in internal.rated stays, so that nothing looks lost; missing names are empty again."""
    [row, *_] = store_rows_of(undone(UNDO, stored()), group_id="undo-1").to_pylist()
    assert (row["is_deleted"], row["correction"], row["void"], row["group_id"]) == (1, 1, False, "undo-1")
    assert (row["src_partition"], row["src_offset"], row["src_index"], row["business_unit"]) == (0, 7, 0, "")
    assert "version" not in row


def test_the_audit_says_before_and_after() -> None:
    """A row for each event; what is undone costs nothing that is known afterwards."""
    rows = stored()
    new = audit_rows(renewed(RERATE, rows, prices(rows, cost_usd=Decimal(5))), now=DAY).to_pylist()
    assert [(one["cost_before_usd"], one["cost_after_usd"]) for one in new] == [
        (cost, Decimal(5)) for cost in rows["cost_usd"].to_pylist()
    ]
    assert {(one["kind"], one["asked_by"], one["price_book_version_after"]) for one in new} == {
        ("rerate", "ana", "book:2")
    }
    gone = audit_rows(undone(UNDO, rows), now=DAY).to_pylist()
    assert {(one["cost_after_usd"], one["pricing_status_after"]) for one in gone} == {(None, "undone")}


def test_rows_of_the_store_are_what_rating_sent() -> None:
    """'' is a missing name again, whatever the engine calls the fields within a map."""
    entry = pa.map_(pa.string(), pa.string(), keys_sorted=False)
    rows = stored().set_column(WHOLE_SCHEMA.get_field_index("team"), "team", pa.array(["", "x", ""]))
    rows = rows.set_column(WHOLE_SCHEMA.get_field_index("tags"), "tags", pa.array([[], [("a", "b")], []], entry))
    read = as_rated(rows)
    assert read.schema == WHOLE_SCHEMA
    assert read["team"].to_pylist() == [None, "x", None]
    assert read["tags"].to_pylist() == [[], [("a", "b")], []]


@pytest.mark.parametrize(
    "request_", [UNDO, RERATE, MOVE, ReconcileRequest(request_id="c", since=DAY.date(), until=DAY.date())]
)
def test_requests_survive_the_log(request_: Any) -> None:
    """Each kind is told from the others."""
    assert request_from_bytes(request_bytes(request_)) == request_


@pytest.mark.parametrize(
    "recorded",
    [
        Slice(request=UNDO, after=(1, "s", "i"), upto=(2, "s", "i")),
        Slice(request=RERATE, offset=7),
        Slice(request=MOVE, offset=8),
    ],
)
def test_slices_survive_the_log(recorded: Slice) -> None:
    """A group that is none of messages says which slice it is."""
    group = Group(group_id="g", epoch=1, topic_id="t", spans=(), rows=3, tokens=(), correction=recorded)
    assert group_from_bytes(group_bytes(group)) == group


def test_nothing_to_change_is_no_rows() -> None:
    """An empty slice is empty all the way."""
    change = Change(UNDO, WHOLE_SCHEMA.empty_table(), WHOLE_SCHEMA.empty_table())
    assert (change.rows, told(change, group_id="g", opened=-1)) == (0, [])
