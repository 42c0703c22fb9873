"""The chain of batches between the fetching thread and a lane."""

import pytest

from schemas.errors import FatalError
from streams.gates import Gate, Seen
from streams.ports import SourceRecord


def _records(*offsets: int) -> list[SourceRecord]:
    return [SourceRecord(offset, 0, None, b"", ()) for offset in offsets]


def test_nothing_goes_through_a_closed_gate_and_no_more_than_its_depth() -> None:
    """Room is what the lane has finished, not what it has taken."""
    gate = Gate(2)
    assert not gate.room()
    gate.open_at(5)
    for offset in (5, 6):
        assert gate.room()
        gate.hand(_records(offset), position=offset + 1)
    assert not gate.room()
    gate.done_batches += 1
    assert gate.room()


def test_each_batch_begins_where_the_one_before_ended() -> None:
    """Markers behind a batch belong to it; a gap before the next records does not break the chain."""
    gate = Gate(3)
    gate.open_at(5)
    first = gate.hand(_records(5, 6), position=8)
    second = gate.hand(_records(11), position=12)
    assert (first.from_offset, first.to_offset) == (5, 8)
    assert (second.from_offset, second.to_offset) == (8, 12)


def test_a_record_that_comes_again_breaks_the_chain() -> None:
    """One below what was handed over is an error, the next one is not."""
    gate = Gate(3)
    gate.open_at(5)
    gate.hand(_records(5), position=7)
    with pytest.raises(FatalError, match="fetched offset 6 again"):
        gate.hand(_records(6), position=8)
    assert gate.hand(_records(7), position=8).from_offset == 7


def test_what_a_gate_saw_is_one_moment() -> None:
    """The position may be ahead of what was handed over: markers stand between."""
    gate = Gate(3)
    gate.open_at(5)
    assert gate.seen == Seen(handed=5, position=5)
    gate.hand(_records(5), position=6)
    gate.saw(9)
    assert gate.seen == Seen(handed=6, position=9)
