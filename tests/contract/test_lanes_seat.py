"""Who has a worker's seat in its group, against a real broker: one process at a time, and nobody after leaving."""

import signal
from collections.abc import Iterator

import pytest

from tests.contract import lanes_counting as counting
from tests.contract.lanes_kit import CountingWorker, Place, require_exact, until

pytestmark = pytest.mark.real
IDLE = {"BURNLINE_STREAMS_TICK_INTERVAL_SEC": "6"}
"""Lanes that write nothing while the test looks: a fenced producer could tell them nothing."""


@pytest.fixture
def place(kafka: str, request: pytest.FixtureRequest) -> Place:
    """Topics of the test's own."""
    place = Place(kafka, request.node.name.removeprefix("test_")[:40])
    place.create_topics()
    return place


@pytest.fixture
def workers() -> Iterator[list[CountingWorker]]:
    """Workers; killed at the end."""
    running: list[CountingWorker] = []
    yield running
    for worker in running:
        worker.kill()


def test_who_comes_back_to_a_taken_seat_ends(place: Place, workers: list[CountingWorker]) -> None:
    """A thawed worker ends with its next heartbeat, idle as it is; the one in its place goes on undisturbed."""
    workers += [CountingWorker(place, "0", **IDLE)]
    zombie = workers[0]
    zombie.wait_said("lane runs", times=4)
    zombie.freeze()
    workers += [CountingWorker(place, "0", **IDLE)]
    successor = workers[1]
    successor.wait_said("lane runs", times=4)
    zombie.thaw()
    assert zombie.wait() == 1
    (line,) = zombie.said("ends")
    assert line["error"] == "FencedError"
    place.produce(range(100))
    place.wait_done()
    assert successor.stop() == 0
    assert len(successor.said("lane runs")) == 4
    require_exact(place)


def test_who_was_forgotten_takes_its_free_seat_again(place: Place, workers: list[CountingWorker]) -> None:
    """A worker that was silent for longer than its session, with nobody in its place, goes on without a new process."""
    workers += [CountingWorker(place, "0")]
    workers[0].wait_said("lane runs", times=4)
    workers[0].freeze()

    def forgotten() -> bool:
        return not place.admin.describe_consumer_groups([place.group])[place.group].result(10).members

    until(forgotten, "a group without members")
    workers[0].thaw()
    workers[0].wait_said("lane runs", times=8)
    place.produce(range(100))
    place.wait_done()
    assert workers[0].stop() == 0
    require_exact(place)


def test_who_stops_for_good_leaves_at_once(place: Place, workers: list[CountingWorker]) -> None:
    """SIGUSR1 moves the partitions long before the session ends; SIGTERM leaves them to the one who comes back."""
    long = {"BURNLINE_STREAMS_SESSION_TIMEOUT_SEC": "120"}
    workers += [CountingWorker(place, "0", **long), CountingWorker(place, "1", **long)]
    until(lambda: [len(worker.said("lane runs")) % 4 for worker in workers] == [2, 2], "two lanes each")
    place.produce(range(100))
    assert workers[0].stop() == 0
    workers += [CountingWorker(place, "0", **long)]
    workers[2].wait_said("lane runs", times=2)
    runs = len(workers[1].said("lane runs"))
    assert workers[2].stop(signal.SIGUSR1) == 0
    workers[1].wait_said("lane runs", times=runs + 4)
    place.produce(range(100, 200))
    place.wait_done()
    assert workers[1].stop() == 0
    assert len(place.read(counting.SOURCE, 0)) == 50
    require_exact(place)
