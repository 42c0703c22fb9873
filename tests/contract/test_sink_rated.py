"""The sink against real engines: every rated event is stored once, in the ledger and in all rollups."""

import os
import random
import signal
import threading
from datetime import timedelta

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from sinks.group_log import GroupLog
from sinks.groups import Group, Span
from sinks.log_reader import LogReader
from tests.sink_world import DAY, SinkWorld, rated_rows, wait_for, wait_sec
from tests.stack_clickhouse import ClickHouse

pytestmark = pytest.mark.real
KILLS = int(os.environ.get("BURNLINE_TEST_KILLS", "2"))


def test_naive_sums_over_every_view_are_the_input(world: SinkWorld) -> None:
    """Every view's plain SUM equals what was sent, to the token and the pico-dollar."""
    world.send((0, rated_rows(range(500))), (1, rated_rows(range(500, 900))))
    world.send((0, rated_rows(range(900, 950))), commit=False)
    world.send((0, rated_rows(range(950, 1000))), (3, rated_rows(range(1000, 1003))))
    with world.sink():
        wait_for(world.drained, what="drained")
    assert world.wrong_views() == {}


def send_many(world: SinkWorld, first: int, messages: int, rows: int) -> int:
    """Messages that all appear at once, over three days and a month; the next free number.

    Copies follow, some in the partition of the first ones, some astray in another one, which the sink may read first.
    """
    steps = (timedelta(seconds=20), timedelta(minutes=20), timedelta(hours=5))
    made = []
    for number in range(messages):
        start = first + number * rows
        made.append((number % 4, rated_rows(range(start, start + rows), step=steps[number % 3])))
    world.send(*made)
    copies = rated_rows(range(first, first + 20), step=steps[0], maybe_duplicate=True)
    strays = rated_rows(
        range(first + 20, first + 40), start=DAY + 20 * steps[0], step=steps[0], maybe_duplicate=True, astray=True
    )
    world.send((0, copies), (3, strays), counted=False)
    return first + messages * rows


def test_late_copies_that_rating_marked_are_left_out(world: SinkWorld) -> None:
    """A marked row whose event the ledger has is not stored again; one that it lacks is.

    A copy that is astray may be read before the first one, of which rating of that partition knows nothing.
    """
    world.send((3, rated_rows(range(20), maybe_duplicate=True, astray=True)), counted=False)
    with world.sink():
        wait_for(world.drained, what="drained")
        world.send((0, rated_rows(range(100))))
        wait_for(world.drained, what="drained")
        world.send((1, rated_rows(range(50), maybe_duplicate=True)), counted=False)
        world.send((1, rated_rows(range(100, 150), start=DAY + timedelta(hours=3), maybe_duplicate=True)))
        wait_for(world.drained, what="drained")
    lines = [line["events"] for line in world.logged() if line["event"].startswith("late copies")]
    assert sum(lines) == 70
    assert world.wrong_views() == {}


@pytest.mark.timeout(400)
def test_kill_9_of_the_sink_at_any_moment_loses_and_doubles_nothing(world: SinkWorld) -> None:
    """Lives of the sink, each killed at a random moment while it stores; the last one ends with exact sums."""
    chance = random.Random(11)  # noqa: S311  no secret
    following = send_many(world, 0, 16, 150)
    for _ in range(KILLS):
        before = world.logged_count("storing")
        with world.sink(group_rows=300, group_wait_ms=20) as process:
            wait_for(lambda before=before: world.logged_count("storing") > before, what="the sink stores")  # type: ignore[misc]  # mypy does not infer defaults of lambdas
            following = send_many(world, following, 8, 150)
            wait_sec(chance.random() * 0.8)
            process.kill()
            process.wait()
    with world.sink():
        wait_for(world.drained, what="drained", seconds=120)
    assert world.wrong_views() == {}


@pytest.mark.timeout(400)
def test_kill_9_of_clickhouse_during_inserts_loses_and_doubles_nothing(
    world: SinkWorld, clickhouse: ClickHouse
) -> None:
    """The engine dies while the sink inserts, again and again; the sink waits, repeats, heals and goes on by itself."""
    if not clickhouse.embedded:
        pytest.skip("only a storage process of ours may be killed")
    chance = random.Random(12)  # noqa: S311  no secret
    with world.sink(group_rows=300, group_wait_ms=20) as process:
        wait_for(lambda: world.logged_count("storing") == 1, what="the sink stores")
        following = 0
        for _ in range(KILLS):
            stored = world.logged_count("stored")
            following = send_many(world, following, 12, 150)
            wait_for(lambda stored=stored: world.logged_count("stored") > stored, what="a group is stored")  # type: ignore[misc]  # as above
            wait_sec(chance.random() * 0.5)
            clickhouse.stop(signal.SIGKILL)
            clickhouse.start()
        wait_for(world.drained, what="drained", seconds=120)
        assert process.poll() is None
    assert world.wrong_views() == {}


def test_clickhouse_gone_is_waited_for_with_one_line(world: SinkWorld, clickhouse: ClickHouse) -> None:
    """An outage is one line when it begins and one when it ends, never a stack trace; what came meanwhile is stored."""
    if not clickhouse.embedded:
        pytest.skip("only a storage process of ours may be stopped")
    with world.sink() as process:
        wait_for(lambda: world.logged_count("storing") == 1, what="the sink stores")
        clickhouse.stop()
        world.send((0, rated_rows(range(100))))
        wait_for(lambda: world.logged_count("waiting") == 1, what="one line")
        wait_sec(1.5)
        clickhouse.start()
        wait_for(world.drained, what="drained")
        assert process.poll() is None
    assert world.logged_count("waiting") == 1
    assert world.logged_count("going on") == 1
    assert world.wrong_views() == {}


def test_progress_reaches_the_end_behind_markers(world: SinkWorld) -> None:
    """Commit markers and undone transactions at the end do not keep progress from the end offset."""
    with world.sink():
        world.send((0, rated_rows(range(10))))
        world.send((0, rated_rows(range(10, 20))), (1, rated_rows(range(20, 30))), commit=False)
        wait_for(world.drained, what="drained")
        assert world.progress()["internal.rated", 0].next_offset == world.ends()["internal.rated", 0]
    assert world.sums("usage_events")[0] == 10


def test_sigterm_ends_cleanly_and_the_next_life_goes_on(world: SinkWorld) -> None:
    """SIGTERM is exit code 0; what the next life stores begins where the first ended."""
    world.send((0, rated_rows(range(100))))
    with world.sink() as process:
        wait_for(world.drained, what="drained")
        process.terminate()
        assert process.wait(30) == 0
    world.send((1, rated_rows(range(100, 200))))
    with world.sink():
        wait_for(world.drained, what="drained")
    assert world.wrong_views() == {}
    assert world.logged_count("repeating the last group") == 0


def test_a_message_that_is_no_batch_stops_the_sink(world: SinkWorld) -> None:
    """What rating cannot have written ends the process with a clear line, and is not passed over."""
    producer = Producer(world.kafka.to_confluent())
    producer.produce(world.kafka.topic("internal.rated"), b"nonsense", partition=2)
    producer.flush(30)
    with world.sink() as process:
        assert process.wait(60) == 1
    assert world.logged()[-1]["error"] == "CorruptStateError"
    assert "internal.rated/2@0" in world.logged()[-1]["reason"]


def cut(world: SinkWorld, partition: int, before: int) -> None:
    """Retention has taken the records below this offset."""
    admin = AdminClient(world.kafka.to_confluent())
    place = TopicPartition(world.kafka.topic("internal.rated"), partition, before)
    for done in admin.delete_records([place]).values():
        done.result(30)


def test_what_retention_took_is_said_and_not_waited_for(world: SinkWorld) -> None:
    """Records that are gone before they were stored are one error line with their number; the rest is stored.

    Their number stays in progress, and nothing waits for what will never come, though nothing comes behind it.
    """
    with world.sink():
        world.send((0, rated_rows(range(10))))
        wait_for(world.drained, what="drained")
    before = world.progress()["internal.rated", 0].next_offset
    world.send((0, rated_rows(range(10, 20))), counted=False)
    end = world.ends()["internal.rated", 0]
    cut(world, 0, end)
    with world.sink():
        wait_for(world.drained, what="drained behind what is gone")
        world.send((0, rated_rows(range(20, 30))))
        wait_for(world.drained, what="drained")
    assert world.progress()["internal.rated", 0].lost_records == end - before
    [line] = [line for line in world.logged() if line["event"].startswith("retention took")]
    assert (line["partition"], line["records"] + before <= world.ends()["internal.rated", 0]) == (0, True)
    assert world.wrong_views() == {}


def test_a_last_group_that_retention_took_is_said(world: SinkWorld) -> None:
    """A recorded group that can be neither checked nor repeated is an error line; the sink goes on behind it."""
    world.send((0, rated_rows(range(10))), counted=False)
    log = GroupLog(world.kafka, stop=threading.Event())
    log.open()
    with LogReader(world.kafka, name="test") as reader:
        topic_id = reader.facts("internal.rated").topic_id
    span = Span(partition=0, first=0, next=1)
    group = Group(group_id="1.1-x", epoch=1, topic_id=topic_id, spans=(span,), rows=10, tokens=("x",))
    log.commit(group=group, progress=())
    cut(world, 0, 1)
    world.send((0, rated_rows(range(10, 20))))
    with world.sink():
        wait_for(world.drained, what="drained")
    [line] = [line for line in world.logged() if line["event"].startswith("retention took the last group")]
    assert (line["stored"], line["recorded"]) == (0, 10)
    assert world.wrong_views() == {}


def test_a_topic_that_was_created_anew_stops_the_sink(world: SinkWorld) -> None:
    """Positions of a topic that is gone mean nothing in its namesake: the sink says so and stores nothing."""
    with world.sink():
        world.send((0, rated_rows(range(10))))
        wait_for(world.drained, what="drained")
    admin, name = AdminClient(world.kafka.to_confluent()), world.kafka.topic("internal.rated")
    admin.delete_topics([name])[name].result(30)
    wait_for(lambda: name not in admin.list_topics(timeout=10).topics, what="the topic is gone")
    admin.create_topics([NewTopic(name, 4, 1)])[name].result(30)
    with world.sink() as process:
        assert process.wait(60) == 1
    assert world.logged()[-1]["error"] == "LogChangedError"
    assert "deleted and created anew" in world.logged()[-1]["reason"]
