"""Each benchmark that starts workers runs in its smallest form: figures of a job that was done. Nothing is timed."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.bench import peers, rating_worker, rebalance, sink
from deploy.bench.ledger import OwnStore
from deploy.bench.rating_load import World, world
from deploy.topics_admin import apply_topics
from schemas.connection import ClickHouseSettings, KafkaSettings
from tests.stack_clickhouse import ClickHouse

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
EVENTS = 1000


@pytest.fixture(scope="module")
def topics(kafka: str) -> KafkaSettings:
    """Burnline's topics, empty, under a prefix of their own."""
    prefix = f"bench-{uuid4().hex[:8]}."
    settings = KafkaSettings(bootstrap_servers=kafka, topic_prefix=prefix, group_prefix=prefix)
    apply_topics(settings)
    return settings


@pytest.fixture(scope="module")
def company() -> World:
    """The company, made once."""
    return world("common")


@pytest.fixture
def ledger(clickhouse: ClickHouse) -> Iterator[OwnStore]:
    """An empty ledger."""
    if clickhouse.process is None:
        pytest.skip("the processor time of a server that we did not start is not ours to read")
    with clickhouse.borrowed() as settings:
        yield OwnStore(ClickHouseSettings.model_validate(settings.model_dump()), clickhouse.process.pid)


def test_sink(topics: KafkaSettings, ledger: OwnStore) -> None:
    """Every row is in the ledger and the rollup, or it is an error; first here, where no other rows are rated yet."""
    found = sink.measured(ledger, topics, 0, rows=EVENTS, shares=(0.1,), say=lambda _line: None)
    assert [(load.rows, load.looked_up) for load in found.loads] == [(EVENTS, 0.1)]


def test_rating(topics: KafkaSettings, company: World) -> None:
    """A worker is through with a topic full of events, and took time for it."""
    found = rating_worker.measured(topics, company, events=EVENTS, rounds=1, warm_events=100)
    assert (found.workers, found.events, found.busiest_worker_share) == (1, EVENTS, 1.0)
    assert found.us_per_event.median > 0


def test_rebalance(topics: KafkaSettings, company: World) -> None:
    """A second worker joins and leaves; each partition gets on in each phase."""
    phases = rebalance.measured(topics, company, rate_per_sec=200, seconds=3)
    assert [phase.name for phase in phases] == ["one worker", "a second one joins", "two workers", "it leaves for good"]
    assert all(phase.gap_sec.keys() == set(rebalance.PARTITIONS) for phase in phases)


def test_peers_are_compared_with_our_own_results(topics: KafkaSettings) -> None:
    """Ours are right to the pico-USD: a wrong one is an error. The peers' packages are no part of CI."""
    (line,) = peers.measured(topics, EVENTS, rounds=1, folder=Path(), say=lambda _line: None, peers=())
    assert (line.name, sorted(line.by_process)) == ("Burnline", ["burn", "rating"])
    assert line.keys_compared > 10
