"""What rating says of a record that kills whoever rates it."""

from schemas.internal import batch_from_headers
from schemas.signals import CloudSignal, DeadLetter
from schemas.topics import PARTITIONS
from streams.ports import SetsAside
from tests.laws.rating_events import NOW_US, new_lane, record


def test_a_record_that_kills_is_a_dead_letter_and_the_log_moves_on() -> None:
    """One dead letter with its bytes, and a message without rows to every partition that burn waits for."""
    lane = new_lane()
    assert isinstance(lane, SetsAside)
    result = lane.set_aside(record(b"{}", 7))
    letters = [output for output in result.outputs if output.topic == "usage.dead_letters"]
    letter = CloudSignal.model_validate_json(letters[0].value).data
    assert isinstance(letter, DeadLetter)
    assert (len(letters), letter.reason, letter.offset, letter.value_bytes) == (1, "poison", 7, 2)
    deltas = [output for output in result.outputs if output.topic == "internal.deltas"]
    assert sorted(output.partition or 0 for output in deltas) == list(range(PARTITIONS))
    headers = {batch_from_headers(output.headers) for output in deltas}
    assert {(header.first_offset, header.next_offset, header.tick) for header in headers} == {(7, 8, False)}
    assert result.log_time_us == NOW_US


def test_a_record_without_its_bytes_can_be_set_aside() -> None:
    """Where even reading it kills, the lane gives its place alone."""
    result = new_lane().set_aside(record(None, 7))
    assert "usage.dead_letters" in {output.topic for output in result.outputs}
