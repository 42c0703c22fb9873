"""The sink without Kafka: it waits, says so once, and goes on by itself; nothing is lost and nothing doubled."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.stack.kafka_broker import running_kafka
from tests.sink_world import new_world, rated_rows, wait_for, wait_sec
from tests.stack import installed_kafka
from tests.stack_clickhouse import ClickHouse

pytestmark = pytest.mark.real
WAITING_SEC = 1.0


@pytest.mark.timeout(300)
def test_a_killed_broker_is_waited_for(clickhouse: ClickHouse, tmp_path: Path) -> None:
    """The broker dies while the sink stores and once before it starts; when it is back everything is stored once."""
    installation = installed_kafka()
    with ExitStack() as story:
        with running_kafka(tmp_path / "kafka", installation) as broker:
            world = story.enter_context(new_world(broker.bootstrap_servers, clickhouse, tmp_path))
            world.send((0, rated_rows(range(500))), (1, rated_rows(range(500, 1000))))
            broker.kill()
        with world.sink(group_rows=300, group_wait_ms=20) as process:
            wait_for(lambda: world.logged_count("waiting") >= 1, what="waiting for Kafka")
            with running_kafka(tmp_path / "kafka", installation, config=broker.config) as second:
                wait_for(lambda: world.logged_count("stored") >= 1, what="a group is stored")
                second.kill()
            wait_sec(WAITING_SEC)
            with running_kafka(tmp_path / "kafka", installation, config=broker.config):
                world.send((2, rated_rows(range(1000, 1500))))
                wait_for(world.drained, what="drained", seconds=120)
                assert process.poll() is None
                assert world.wrong_views() == {}
                process.terminate()
                assert process.wait(60) == 0
