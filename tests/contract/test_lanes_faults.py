"""Lanes against a real broker, with workers that are killed, frozen, thawed and moved."""

import threading
from collections.abc import Iterator

import psutil
import pytest

from tests.contract import lanes_counting as counting
from tests.contract.lanes_kit import CountingWorker, Place, require_exact, until

pytestmark = pytest.mark.real
RECORDS = 50_000
CHUNK = 500


@pytest.fixture
def place(kafka: str, request: pytest.FixtureRequest) -> Place:
    """Topics of the test's own."""
    place = Place(kafka, request.node.name.removeprefix("test_")[:40])
    place.create_topics()
    return place


@pytest.fixture
def workers() -> Iterator[dict[str, CountingWorker]]:
    """Workers by instance; killed at the end."""
    running: dict[str, CountingWorker] = {}
    yield running
    for worker in running.values():
        worker.kill()


def _keep_producing(place: Place, enough: threading.Event) -> threading.Thread:
    """Records flow, some thousand each second, until it is enough and all are there."""

    def produce() -> None:
        producer, first = place.producer(), 0
        while first < RECORDS or not enough.is_set():
            place.produce(range(first, first + CHUNK), producer=producer)
            first += CHUNK
            enough.wait(0.12)

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    return thread


def test_killed_and_frozen_workers_conclude_on_each_record_once(
    place: Place, workers: dict[str, CountingWorker]
) -> None:
    """Kills and freezes past the session time-out change nothing for a committed reader: each offset once, in order."""
    workers["0"], workers["1"] = CountingWorker(place, "0"), CountingWorker(place, "1")
    until(lambda: sum(len(worker.said("lane runs")) for worker in workers.values()) >= 4, "lanes")
    enough = threading.Event()
    producing = _keep_producing(place, enough)
    for instance in ("0", "1"):
        until(lambda: sum(p.next_offset for p in place.progress().values()) > 1000, "first progress")
        workers[instance].kill()
        workers[instance] = CountingWorker(place, instance)
        workers[instance].wait_said("lane runs")
    frozen = workers["0"]
    frozen.freeze()
    runs, frozen_runs = len(workers["1"].said("lane runs")), len(frozen.said("lane runs"))
    workers["1"].wait_said("lane runs", times=runs + 4)
    frozen.thaw()
    # With work in hand it is fenced; without, it hears that it lost its partitions, and its seat is nobody's.
    until(lambda: frozen.ended() or len(frozen.said("lane runs")) > frozen_runs, f"{frozen.lines}")
    if frozen.ended():
        assert frozen.said("ends")[0]["error"] == "FencedError"
        workers["0"] = CountingWorker(place, "0")
        workers["0"].wait_said("lane runs")
    for worker in workers.values():
        worker.kill()
    workers["0"] = CountingWorker(place, "0")
    enough.set()
    producing.join(60)
    workers["0"].wait_said("lane runs", times=4)
    place.wait_done()
    assert workers["0"].stop() == 0
    require_exact(place)


def test_moved_partitions_go_on_where_they_were(place: Place, workers: dict[str, CountingWorker]) -> None:
    """Workers that come and go in an orderly way lose nothing and repeat nothing; the last one checkpoints."""
    leaves = {"BURNLINE_STREAMS_STATIC_MEMBER": "false"}
    workers["0"] = CountingWorker(place, "0", **leaves)
    workers["0"].wait_said("lane runs", times=4)
    place.produce(range(4000))
    workers["1"] = CountingWorker(place, "1", **leaves)
    workers["1"].wait_said("lane runs", times=2)
    place.produce(range(4000, 8000))
    assert workers["0"].stop() == 0
    workers["1"].wait_said("lane runs", times=6)
    place.produce(range(8000, 9000))
    place.wait_done()
    assert workers["1"].stop() == 0
    require_exact(place)
    for partition, progress in place.progress().items():
        assert int(place.read(counting.CHECKPOINTS, partition)[-1].value()) == progress.next_offset


def test_a_worker_listens_on_no_port(place: Place, workers: dict[str, CountingWorker]) -> None:
    """No web server, no console: a worker only connects."""
    workers["0"] = CountingWorker(place, "0")
    workers["0"].wait_said("lane runs", times=4)
    process = psutil.Process(workers["0"].pid)
    assert [c for c in process.net_connections() if c.status == psutil.CONN_LISTEN] == []
    assert process.children(recursive=True) == []
