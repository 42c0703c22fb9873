"""A broker that goes away and comes back, under a worker that has work in hand."""

from pathlib import Path

import pytest

from deploy.stack.kafka_broker import running_kafka
from tests.contract.lanes_kit import CountingWorker, Place, require_exact
from tests.stack import installed_kafka

pytestmark = pytest.mark.real
AT_MOST_LINES = 25


def test_a_broker_that_dies_and_returns_costs_nothing(tmp_path: Path) -> None:
    """A worker waits for its broker with a handful of log lines and no stack trace, and goes on exactly."""
    installation = installed_kafka()
    with running_kafka(tmp_path, installation) as broker:
        place = Place(broker.bootstrap_servers, "outage")
        place.create_topics()
        worker = CountingWorker(place, "0")
        try:
            worker.wait_said("lane runs", times=4)
            place.produce(range(3000))
            config = broker.config
            broker.kill()
            worker.wait_said("waiting")
            with running_kafka(tmp_path, installation, config=config):
                place.produce(range(3000, 6000))
                place.wait_done()
                assert worker.stop() == 0
                require_exact(place)
        finally:
            worker.kill()
    assert len(worker.lines) <= AT_MOST_LINES, worker.lines
    assert [line for line in worker.lines if "Traceback" in str(line)] == []
