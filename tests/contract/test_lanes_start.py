"""What a worker does when the broker is not what it should be: it waits or ends, says why, and counts what is lost."""

from collections.abc import Iterator

import confluent_kafka
import pytest

from schemas.progress import Progress, progress_bytes
from tests.contract import lanes_counting as counting
from tests.contract.lanes_kit import TOPICS, CountingWorker, Place, require_exact, until

pytestmark = pytest.mark.real


@pytest.fixture
def place(kafka: str, request: pytest.FixtureRequest) -> Place:
    """A prefix of the test's own; its topics are not there yet."""
    return Place(kafka, request.node.name.removeprefix("test_")[:40])


@pytest.fixture
def workers() -> Iterator[list[CountingWorker]]:
    """Workers; killed at the end."""
    running: list[CountingWorker] = []
    yield running
    for worker in running:
        worker.kill()


def _progress(place: Place, *, next_offset: int, topic_id: str, policy_offset: int = -1) -> None:
    progress = Progress(
        stage=counting.STAGE,
        topic=counting.SOURCE,
        partition=0,
        next_offset=next_offset,
        policy_offset=policy_offset,
        log_time_us=0,
        topic_id=topic_id,
    )
    place.send("internal.progress", progress_bytes(progress), key=progress.key())


def test_missing_topics_are_named_once_and_waited_for(place: Place, workers: list[CountingWorker]) -> None:
    """A worker that was started before its topics says what to do, and starts as soon as they are there."""
    place.create_topics(TOPICS[:-2])
    workers.append(CountingWorker(place, "0"))
    (line,) = workers[0].wait_said("waiting")
    missing = ", ".join(place.kafka.topic(name) for name in ("internal.progress", "usage.policies"))
    assert line["reason"] == f"topics are missing: {missing}; run burnline topics apply"
    place.create_topics(TOPICS[-2:])
    workers[0].wait_said("lane runs", times=4)
    assert len(workers[0].said("waiting")) == 1
    assert workers[0].stop() == 0


def test_a_topic_that_was_made_anew_ends_the_worker(place: Place, workers: list[CountingWorker]) -> None:
    """Positions that belong to another topic of the same name are never applied to this one."""
    place.create_topics()
    _progress(place, next_offset=0, topic_id="0" * 32)
    workers.append(CountingWorker(place, "0"))
    assert workers[0].wait() == 1
    (line,) = workers[0].said("ends")
    assert line["error"] == "LogChangedError"
    assert f"{place.kafka.topic(counting.SOURCE)}/0 was deleted and created anew" in line["reason"]


def test_a_topic_that_is_made_anew_under_a_running_worker_ends_it(place: Place, workers: list[CountingWorker]) -> None:
    """Source or not: a client goes on with the new one as if nothing had happened."""
    place.create_topics()
    workers.append(CountingWorker(place, "0"))
    workers[0].wait_said("lane runs", times=4)
    for done in place.admin.delete_topics([place.kafka.topic("usage.policies")], operation_timeout=30).values():
        done.result(30)
    place.create_topics(["usage.policies"])
    assert workers[0].wait() == 1
    (line,) = workers[0].said("ends")
    assert (line["error"], "was deleted and created anew" in line["reason"]) == ("LogChangedError", True)


def test_a_position_above_the_end_ends_the_worker(place: Place, workers: list[CountingWorker]) -> None:
    """A log that is shorter than what was read from it is not the log that was read."""
    place.create_topics()
    _progress(place, next_offset=5, topic_id="")
    workers.append(CountingWorker(place, "0"))
    assert workers[0].wait() == 1
    (line,) = workers[0].said("ends")
    assert line["error"] == "LogChangedError"
    assert "ends at 0, below the recorded position 5" in line["reason"]


def test_a_lane_waits_for_the_policies_that_its_last_owner_named(place: Place, workers: list[CountingWorker]) -> None:
    """A worker whose policy log lags does nothing under older policies than were promised, not even a tick."""
    place.create_topics()
    _progress(place, next_offset=0, topic_id="", policy_offset=0)
    workers.append(CountingWorker(place, "0"))
    (line,) = workers[0].wait_said("waiting")
    assert line["reason"] == "reading usage.policies up to 0"
    assert {said["partition"] for said in workers[0].said("lane runs")} == {1, 2, 3}
    place.send("usage.policies", b"whatever it is, its offset counts")
    workers[0].wait_said("lane runs", times=4)
    place.wait_done()
    assert place.progress()[0].policy_offset == 0


def test_records_that_retention_took_are_counted_as_lost(place: Place, workers: list[CountingWorker]) -> None:
    """A worker that was away for too long says how many records it will never see, and goes on behind them."""
    place.create_topics()
    _progress(place, next_offset=2, topic_id="")
    place.produce([0] * 10)
    upto = confluent_kafka.TopicPartition(place.kafka.topic(counting.SOURCE), 0, 6)
    for done in place.admin.delete_records([upto]).values():
        done.result(10)
    workers.append(CountingWorker(place, "0"))
    (line,) = workers[0].wait_said("lost_records")
    assert (line["partition"], line["lost_records"]) == (0, 4)
    place.wait_done()
    assert place.progress()[0].lost_records == 4
    assert [offset for said in place.read_json(counting.OUT, 0) for offset in said["offsets"]] == [6, 7, 8, 9]


def test_an_offset_that_the_group_never_reached_passes_over_nothing(
    place: Place, workers: list[CountingWorker]
) -> None:
    """The broker names a later offset than the stage's progress: the lane begins at its progress."""
    place.create_topics()
    _progress(place, next_offset=2, topic_id="")
    place.produce([0] * 10)
    ahead = confluent_kafka.TopicPartition(place.kafka.topic(counting.SOURCE), 0, 8)
    asked = place.admin.alter_consumer_group_offsets(
        [confluent_kafka.ConsumerGroupTopicPartitions(place.group, [ahead])]
    )
    for altered in asked.values():
        altered.result(10)
    workers.append(CountingWorker(place, "0"))
    place.wait_done()
    assert [offset for said in place.read_json(counting.OUT, 0) for offset in said["offsets"]] == list(range(2, 10))


def test_a_stage_whose_progress_was_lost_does_not_count_everything_again(
    place: Place, workers: list[CountingWorker]
) -> None:
    """The group knows a position that `internal.progress` does not: a clear error, and nothing is stepped."""
    place.create_topics()
    place.produce([0] * 10)
    workers.append(CountingWorker(place, "0"))
    place.wait_done()
    assert workers[0].stop() == 0
    before = len(place.read(counting.OUT, 0))
    name = place.kafka.topic("internal.progress")
    for done in place.admin.delete_topics([name]).values():
        done.result(30)
    until(lambda: name not in place.admin.list_topics(timeout=10).topics, "the deleted topic to be gone")
    place.create_topics(["internal.progress"])
    workers.append(CountingWorker(place, "0"))
    assert workers[1].wait() == 1
    (line,) = workers[1].said("ends")
    assert "was read up to about 10, but internal.progress does not know it" in line["reason"]
    assert len(place.read(counting.OUT, 0)) == before


def test_a_step_that_raises_ends_the_worker_and_names_its_batch(place: Place, workers: list[CountingWorker]) -> None:
    """A bug is never swallowed: nothing of the batch is committed, and the line says which offsets it held."""
    place.create_topics()
    place.send(counting.SOURCE, b"no number", partition=3)
    workers.append(CountingWorker(place, "0"))
    assert workers[0].wait() == 1
    (line,) = workers[0].said("ends")
    assert (line["error"], line["where"]) == ("ValueError", f"batch of {counting.SOURCE}/3: offsets (0, 0)")
    assert place.read(counting.OUT, 3) == []
    assert (place.progress()[3].next_offset, place.progress()[3].deaths) == (0, 1)


def test_two_stacks_on_one_broker_do_not_know_each_other(kafka: str, workers: list[CountingWorker]) -> None:
    """Prefixes keep topics, groups and transactional ids apart: equal instances of two stacks both work on."""
    places = [Place(kafka, prefix) for prefix in ("stack-a", "stack-b")]
    for place in places:
        place.create_topics()
        workers.append(CountingWorker(place, "0"))
    for number, place in enumerate(places):
        place.produce(range(100 * (number + 1)))
    for place in places:
        place.wait_done()
    assert [worker.stop() for worker in workers] == [0, 0]
    assert [len(place.read(counting.SOURCE, 0)) for place in places] == [25, 50]
    for place in places:
        require_exact(place)
