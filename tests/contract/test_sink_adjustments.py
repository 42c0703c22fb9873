"""Signed rows against real engines: what the ledger leaves out is taken back exactly once, whatever dies."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from schemas.internal import RATED_SCHEMA, to_arrow_bytes
from schemas.requests import (
    ATTRIBUTED,
    ATTRIBUTIONS_SCHEMA,
    PRICES_HEADER,
    PRICES_SCHEMA,
    ReattributeRequest,
    RerateRequest,
    UndoRequest,
)
from tests.contract.sink_dying import POINTS
from tests.sink_world import DAY, SinkWorld, rated_rows, wait_for

pytestmark = pytest.mark.real


@pytest.mark.timeout(300)
def test_each_copy_is_taken_back_once_whatever_step_the_sink_dies_at(world: SinkWorld) -> None:
    """A kill between any two steps: one signed row for each row that is left out, one stored row for each event.

    Copies are of stored events, of events of the group before, and of events of their own group.
    """
    world.send((0, rated_rows(range(100))))
    with world.sink():
        wait_for(world.drained, what="drained")
    points = ["looked up, not recorded", "sent, not committed", "recorded, not inserted", "inserted, not said"]
    assert set(points) <= set(POINTS)
    copies: Counter[tuple[int, str]] = Counter()
    for life, point in enumerate([*points, ""]):
        old = rated_rows(range(10 * life, 10 * life + 10), maybe_duplicate=True, policy_offset=life, cost_usd=None)
        start, numbers = DAY + timedelta(hours=3 + life), range(1000 * (life + 1), 1000 * (life + 1) + 30)
        new = rated_rows(numbers, start=start, maybe_duplicate=True)
        again = rated_rows(numbers, start=start, maybe_duplicate=True)
        world.send((life % 4, old), counted=False)
        world.send((1, new))
        world.send((1, again), counted=False)
        copies.update((life % 4, row) for row in old["id"].to_pylist())
        copies.update((1, row) for row in again["id"].to_pylist())
        with world.sink(dies_at=point) as process:
            if point:
                assert process.wait(60) == -9, point
            else:
                wait_for(world.drained, what="drained")
    said: Counter[tuple[int, str]] = Counter()
    for partition, header, rows in world.adjustments():
        assert (header.kind, header.rows, set(rows["sign"].to_pylist())) == ("rows", rows.num_rows, {-1})
        said.update((partition, event) for event in rows["id"].to_pylist())
        assert all(
            cost is None for cost, event in zip(rows["cost_usd"].to_pylist(), rows["id"].to_pylist(), strict=True)
            if len(event) < len("call-1000")
        )  # fmt: skip
    assert said == copies
    assert world.wrong_views() == {}


@pytest.mark.timeout(300)
def test_revisions_and_voids_replace_what_is_stored_and_say_the_difference(world: SinkWorld) -> None:
    """Rows without sums of their own, whole rows replaced, lower ones late, voids before what they take back."""
    first = rated_rows(range(10))
    world.send((0, first), counted=False)
    with world.sink():
        wait_for(world.drained, what="drained")
        revised = rated_rows(range(3), revision=2, corrects=True, maybe_duplicate=True, cost_usd=Decimal("0.5"))
        beyond = rated_rows(range(3, 5), start=DAY + timedelta(seconds=3), revision=2, maybe_duplicate=True)
        void = rated_rows([5], start=DAY + timedelta(seconds=5), revision=2, void=True, corrects=True)
        early = rated_rows([20], start=DAY + timedelta(hours=3), revision=2, void=True, corrects=True)
        world.send((0, revised), (0, beyond))
        world.send((0, void), (0, early), counted=False)
        wait_for(world.drained, what="drained")
        late = rated_rows([0], revision=1, maybe_duplicate=True)
        world.send((0, late), (1, rated_rows([20], start=DAY + timedelta(hours=3))), counted=False)
        wait_for(world.drained, what="drained")
    world.truth.add(first.slice(6, 4))
    assert world.wrong_views() == {}
    signed = Counter[tuple[str, int, int, str]]()
    for _, _, rows in world.adjustments():
        names = (rows[name].to_pylist() for name in ("id", "revision", "sign", "reason"))
        signed.update(zip(*names, strict=True))
    expected = {(f"call-{number}", 1, -1, "revision"): 1 for number in range(6)}
    expected |= {(f"call-{number}", 2, 1, "revision"): 1 for number in range(3)}
    expected[("call-0", 1, -1, "revision")] += 1  # it came late, and rating had summed it
    expected[("call-20", 1, -1, "revision")] = 1
    assert signed == expected


@pytest.mark.timeout(400)
def test_corrections_are_exact_and_said_once_whatever_step_the_sink_dies_at(world: SinkWorld) -> None:
    """An import is undone, the rest rated anew and some of it attributed anew, by a sink killed between any two steps.

    A row that changed since it was priced is left alone. A copy of what was undone stays undone.
    """
    imported, kept = (
        rated_rows(range(60), import_id="import-1"),
        rated_rows(range(60, 100), start=DAY + timedelta(days=1)),
    )
    world.send((0, imported), (3, kept), counted=False)
    with world.sink(reconcile_hour=-1):
        wait_for(world.drained, what="drained")
    undo = UndoRequest(request_id="undo-1", import_id="import-1", asked_by="ana", asked_at=DAY)
    new = [{name: row[name] for name in PRICES_SCHEMA.names if name != "version"} for row in kept.to_pylist()]
    for number, row in enumerate(new):
        changed = number == 7
        row |= {"cost_usd": Decimal(number), "list_cost_usd": Decimal(3), "version": (1 << 32) + changed}
    prices = pa.RecordBatch.from_pylist(new, schema=PRICES_SCHEMA)
    offset = world.produce("internal.requests", to_arrow_bytes(prices), headers=[(PRICES_HEADER, b"rerate-1")])
    rerate = RerateRequest(
        request_id="rerate-1", offsets=(offset,), rows=40, price_book_version="book:2", asked_by="bo", asked_at=DAY
    )
    world.request(undo)
    points = ["slice made, not recorded", "slice recorded, not stored", "slice stored, not said"]
    for number, point in enumerate([*points, points[1]]):
        if number == len(points):  # the undo is through but for its last word
            world.request(rerate)
        with world.sink(dies_at=point, reconcile_hour=-1) as process:
            assert process.wait(60) == -9, point
    with world.sink(reconcile_hour=-1):
        wait_for(lambda: done(world, "undo-1") and done(world, "rerate-1"), what="both corrections")
        move(world, kept.to_pylist()[10:20])
        world.send((0, imported.set_column(MARK, "maybe_duplicate", pa.array([True] * 60))), counted=False)
        wait_for(world.drained, what="drained")
    after = [row | {"cost_usd": Decimal(at) if at != 7 else row["cost_usd"]} for at, row in enumerate(kept.to_pylist())]
    world.truth.add(pa.RecordBatch.from_pylist(after, schema=kept.schema))
    assert world.wrong_views() == {}
    signed = Counter[tuple[int, str]]()
    for _, _, rows in world.adjustments():
        signed.update(zip(rows["sign"].to_pylist(), rows["reason"].to_pylist(), strict=True))
    assert signed == {
        (-1, "undo"): 60, (-1, "rerate"): 39, (1, "rerate"): 39, (-1, "reattribute"): 10, (1, "reattribute"): 10,
        (-1, "late_duplicate"): 60,
    }  # fmt: skip
    assert world.ask("SELECT kind, count(), sum(cost_after_usd) FROM corrections GROUP BY kind ORDER BY kind") == [
        ("reattribute", 10, Decimal(145)), ("rerate", 39, Decimal(sum(range(40)) - 7)), ("undo", 60, None),
    ]  # fmt: skip
    assert world.ask("SELECT uniqExact(correction), uniqExact(price_book_version) FROM usage_events") == [(3, 2)]
    assert world.ask("SELECT sum(requests), sum(cost_usd) FROM usage_15m WHERE team = 'web'") == [(10, 145)]
    who = "SELECT DISTINCT who_before['team'] != '', who_after FROM corrections WHERE kind = 'reattribute'"
    assert world.ask(who) == [(True, {"user": "ana", "team": "web"})]
    assert world.ask("SELECT countIf(as_charged_cost_usd = cost_usd) FROM usage_events") == [(1,)]


def move(world: SinkWorld, rows: list[dict[str, Any]]) -> None:
    """These rows, corrected once before, are Ana's of team web from now on."""
    who = dict.fromkeys(ATTRIBUTED) | {"user": "ana", "team": "web", "version": (1 << 32) + 1}
    new = [{name: row[name] for name in ("ts", "source", "id")} | who for row in rows]
    news = to_arrow_bytes(pa.RecordBatch.from_pylist(new, schema=ATTRIBUTIONS_SCHEMA))
    offset = world.produce("internal.requests", news, headers=[(PRICES_HEADER, b"move-1")])
    world.request(
        ReattributeRequest(
            request_id="move-1", offsets=(offset,), rows=len(rows), policy_offset=0, asked_by="ana", asked_at=DAY
        )
    )
    wait_for(lambda: done(world, "move-1"), what="attributed anew")


MARK = RATED_SCHEMA.get_field_index("maybe_duplicate")


def done(world: SinkWorld, request_id: str) -> bool:
    """Whether the correction has ended well."""
    return world.ask(f"SELECT state FROM correction_runs WHERE correction_id = '{request_id}'") == [("done",)]
