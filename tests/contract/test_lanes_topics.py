"""A stage that reads several topics: one lane for each partition of each, each with positions of its own."""

import pytest

from tests.contract import lanes_counting as counting
from tests.contract.lanes_kit import TOPICS, CountingWorker, Place, require_exact, until

pytestmark = pytest.mark.real
SILENT = "usage.adjustments"


@pytest.fixture
def place(kafka: str, request: pytest.FixtureRequest) -> Place:
    """Topics of the test's own."""
    place = Place(kafka, request.node.name.removeprefix("test_")[:40])
    place.create_topics([*TOPICS, SILENT])
    return place


def test_a_lane_without_ticks_says_once_that_it_is_past_the_markers(place: Place) -> None:
    """Records, then an aborted transaction: its progress reaches the end, and it stays silent there."""
    worker = CountingWorker(place, "0", silent=[SILENT])
    try:
        worker.wait_said("lane runs", times=8)
        place.produce(range(100))
        sender = place.producer(**{"transactional.id": f"{place.kafka.group_prefix}sender"})
        sender.init_transactions(30)
        for commit in (True, False):
            sender.begin_transaction()
            sender.produce(place.kafka.topic(SILENT), b"x", partition=2)
            sender.flush(30)
            if commit:
                sender.commit_transaction(30)
            else:
                sender.abort_transaction(30)
        until(lambda: 2 in (said := place.progress(SILENT)) and said[2].next_offset == 4, "progress past the markers")
        assert place.progress(SILENT)[2].policy_offset == 5
        place.wait_done()
        ticks = len(place.read(counting.BROADCAST, 0))
        until(lambda: len(place.read(counting.BROADCAST, 0)) >= ticks + 8, "ticks of the other lanes")
        assert worker.stop() == 0
        assert [place.committed(2, SILENT), place.committed(0)] == [4, place.ends(counting.SOURCE)[0]]  # for lag tools
    finally:
        worker.kill()
    said = [message.key() for message in place.read("internal.progress", 0)]
    assert said.count(f"{counting.STAGE}|{SILENT}|2".encode()) <= 4  # before and after the first step, commit, markers
    assert [key for key in said if SILENT.encode() in key and not key.endswith(b"|2")] == []
    require_exact(place)
    # Nothing was sent twice: the broker says so, wrongly, to who registers and sends at the same time.
    assert [line for line in worker.lines if "NotEnoughReplicas" in line["event"]] == []
