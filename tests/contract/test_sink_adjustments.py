"""Signed rows against real engines: what the ledger leaves out is taken back exactly once, whatever dies."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contract.sink_dying import POINTS
from tests.sink_world import DAY, SinkWorld, new_world, rated_rows, wait_for
from tests.stack_clickhouse import ClickHouse

pytestmark = pytest.mark.real


@pytest.fixture
def world(kafka: str, clickhouse: ClickHouse, tmp_path: Path) -> Iterator[SinkWorld]:
    """A world of its own for each test."""
    made = new_world(kafka, clickhouse, tmp_path)
    yield made
    with clickhouse.client() as client:
        client.command(f"DROP DATABASE IF EXISTS {made.database}")


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
