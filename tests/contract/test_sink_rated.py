"""The sink against real engines: every rated event is stored once, in the ledger and in all rollups."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sink_world import SinkWorld, new_world, rated_rows, wait_for
from tests.stack_clickhouse import ClickHouse

pytestmark = pytest.mark.real


@pytest.fixture
def world(kafka: str, clickhouse: ClickHouse, tmp_path: Path) -> Iterator[SinkWorld]:
    """A world of its own for each test."""
    made = new_world(kafka, clickhouse, tmp_path)
    yield made
    with clickhouse.client() as client:
        client.command(f"DROP DATABASE IF EXISTS {made.database}")


def test_naive_sums_over_every_view_are_the_input(world: SinkWorld) -> None:
    """Every view's plain SUM equals what was sent, to the token and the pico-dollar."""
    world.send((0, rated_rows(range(500))), (1, rated_rows(range(500, 900))))
    world.send((0, rated_rows(range(900, 950))), commit=False)
    world.send((0, rated_rows(range(950, 1000))), (3, rated_rows(range(1000, 1003))))
    with world.sink():
        wait_for(world.drained, what="drained")
    assert world.wrong_views() == {}
