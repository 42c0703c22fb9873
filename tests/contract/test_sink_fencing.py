"""Two sinks against real engines: the later one lives, the earlier one ends itself, whatever it has to do."""

import signal
import threading

import pytest

from sinks.group_log import GroupLog
from tests.sink_world import SinkWorld, rated_rows, wait_for

pytestmark = pytest.mark.real


def test_a_second_sink_fences_the_first(world: SinkWorld) -> None:
    """Of two sinks the later one lives; the earlier one ends with code 1 and says why."""
    with world.sink() as first:
        wait_for(lambda: world.logged_count("storing") == 1, what="the first stores")
        with world.sink() as second:
            wait_for(lambda: world.logged_count("storing") == 2, what="the second stores")
            world.send((0, rated_rows(range(10))))
            assert first.wait(30) == 1
            wait_for(world.drained, what="drained")
            assert second.poll() is None
    assert [line["error"] for line in world.logged() if line["event"] == "stopped" and "error" in line] == [
        "FencedError"
    ]
    assert world.wrong_views() == {}


def quiet_sink(world: SinkWorld) -> bool:
    """Whether a sink that has nothing to store has said all that it had to say."""
    said = world.progress()
    return all(place in said for place in world.ends() if place[0] != "internal.rated")


def test_a_zombie_with_nothing_to_store_ends_itself(world: SinkWorld) -> None:
    """A sink that was stopped while another took over hears it soon after it goes on, without any traffic."""
    with world.sink() as first:
        wait_for(lambda: world.logged_count("storing") == 1, what="the first stores")
        wait_for(lambda: quiet_sink(world), what="all is said")
        first.send_signal(signal.SIGSTOP)
        try:
            with world.sink() as second:
                wait_for(lambda: world.logged_count("storing") == 2, what="the second stores")
                first.send_signal(signal.SIGCONT)
                assert first.wait(30) == 1
                assert second.poll() is None
        finally:
            first.send_signal(signal.SIGCONT)
    assert [line["error"] for line in world.logged() if line["event"] == "stopped" and "error" in line] == [
        "FencedError"
    ]


@pytest.mark.parametrize("name", ["sink", "sink-signals"])
def test_each_worker_hears_that_it_is_fenced(world: SinkWorld, name: str) -> None:
    """If either of its two transactional ids is taken over, an idle sink ends itself."""
    with world.sink() as process:
        wait_for(lambda: world.logged_count("storing") == 1, what="the sink stores")
        wait_for(lambda: quiet_sink(world), what="all is said")
        GroupLog(world.kafka, stop=threading.Event(), name=name).open()
        assert process.wait(30) == 1
    assert world.logged()[-1]["error"] == "FencedError"
