"""A record that kills whoever steps it, against a real broker: found over several processes, and set aside."""

import pytest

from streams.attempts import MOST_DEATHS
from tests.contract import lanes_counting as counting
from tests.contract.lanes_kit import CountingWorker, Place, until

pytestmark = pytest.mark.real
VALUES = [b"1", b"2", counting.KILLS, b"4"]


def test_a_record_that_kills_is_set_aside_and_its_neighbours_are_counted(kafka: str) -> None:
    """Three processes die on its batch, three on it alone; the next one leaves it out, in a committed transaction."""
    place = Place(kafka, "poison")
    place.create_topics()
    producer = place.producer()
    for value in VALUES:
        producer.produce(place.kafka.topic(counting.SOURCE), value, partition=2)
    producer.flush(30)

    def done() -> bool:
        said = place.progress().get(2)
        return said is not None and said.next_offset >= len(VALUES)

    deaths, worker = 0, CountingWorker(place, "0")
    try:
        while True:
            until(lambda: worker.ended() or done(), "a death, or the end of the log")  # noqa: B023  used before it changes
            if not worker.ended():
                break
            assert worker.wait() == 9
            deaths, worker = deaths + 1, CountingWorker(place, "0")
            assert deaths <= 2 * MOST_DEATHS
        (line,) = worker.said("set aside")
        assert (line["partition"], line["offset"], line["records"]) == (2, 2, 1)
        assert worker.stop() == 0
    finally:
        worker.kill()
    assert deaths == 2 * MOST_DEATHS
    said = place.read_json(counting.OUT, 2)
    assert [offset for line in said for offset in line["offsets"]] == [0, 1, 3]
    assert [line["aside"] for line in said if "aside" in line] == [2]
    assert (place.progress()[2].deaths, place.progress()[2].next_offset) == (0, len(VALUES))
