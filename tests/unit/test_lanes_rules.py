"""The pure rules of lanes: where to begin, what a tick may claim, where an output goes."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.connection import KafkaSettings
from schemas.errors import FatalError, LogChangedError
from schemas.keys import partition_for
from schemas.progress import Progress
from streams.lane_clock import LaneClock
from streams.lane_start import LogNow, choose_start
from streams.lane_tools import state_topic, to_messages
from streams.ports import Output

KAFKA = KafkaSettings(topic_prefix="eu.")


def _progress(next_offset: int, topic_id: str = "id") -> Progress:
    return Progress(
        stage="s",
        topic="t",
        partition=0,
        next_offset=next_offset,
        policy_offset=-1,
        log_time_us=0,
        topic_id=topic_id,
    )


def _log(begin: int = 0, end: int = 100) -> LogNow:
    return LogNow(begin=begin, end=end, topic_id="id")


@pytest.mark.parametrize(("committed", "progress", "expected"), [(None, None, 3), (0, None, 3), (9, 7, 7), (7, 9, 9)])
def test_a_lane_begins_at_its_progress_whatever_the_group_says(
    committed: int | None, progress: int | None, expected: int
) -> None:
    """Offsets expire, are reset, and were seen beyond what was done: progress is what was done."""
    said = None if progress is None else _progress(progress)
    start = choose_start("t/0", said, _log(begin=3), committed=committed)
    assert (start.offset, start.lost_records) == (expected, 0)


def test_a_group_that_read_and_has_no_progress_does_not_begin_again() -> None:
    """A new group has read nothing; any other would count all of it twice."""
    with pytest.raises(LogChangedError, match=r"t/0 was read up to about 1, but internal\.progress does not know it"):
        choose_start("t/0", None, _log(), committed=1)


def test_records_below_the_log_are_counted_as_lost() -> None:
    """At the first kept record nothing is lost, one below it one record is."""
    for begin, lost in ((7, 0), (8, 1)):
        start = choose_start("t/0", _progress(7), _log(begin=begin), committed=None)
        assert (start.offset, start.lost_records) == (begin, lost)


def test_a_position_may_be_the_end_but_not_above_it() -> None:
    """A lane that read everything stands at the end; one above it read another log."""
    assert choose_start("t/0", _progress(100), _log(), committed=None).offset == 100
    with pytest.raises(LogChangedError, match="t/0 ends at 100, below the recorded position 101"):
        choose_start("t/0", _progress(101), _log(), committed=None)


def test_another_topic_id_is_another_log() -> None:
    """Equal names are not equal topics; where one side does not know the id, offsets decide."""
    with pytest.raises(LogChangedError, match="t/0 was deleted and created anew"):
        choose_start("t/0", _progress(5, "other"), _log(), committed=None)
    assert choose_start("t/0", _progress(5, ""), _log(), committed=None).offset == 5


def test_the_first_tick_claims_no_time_of_its_own() -> None:
    """Before it was ever acknowledged, a lane knows only the time of what it read."""
    assert LaneClock(0).tick_time_us() == 0
    assert LaneClock(50).tick_time_us() == 50


def test_a_tick_claims_when_the_tick_before_was_appended() -> None:
    """And a tick whose append time the broker did not say earns nothing."""
    clock = LaneClock(50)
    clock.ticked(70)
    assert clock.tick_time_us() == 70
    clock.advance(70)
    clock.ticked(None)
    assert clock.tick_time_us() == 70


@given(st.lists(st.tuples(st.sampled_from(["batch", "tick"]), st.integers(0, 1000)), max_size=50))
def test_a_lanes_time_never_falls(steps: list[tuple[str, int]]) -> None:
    """Whatever append times the broker gives, in whatever order."""
    clock, before = LaneClock(0), 0
    for kind, time_us in steps:
        if kind == "batch":
            clock.advance(time_us)
        else:
            clock.advance(clock.tick_time_us())
            clock.ticked(time_us)
        assert clock.log_time_us >= before
        before = clock.log_time_us


def test_an_output_goes_where_its_key_belongs_under_the_prefix() -> None:
    """The partition that somebody said stands; else murmur2 of the key decides."""
    said, keyed = to_messages(
        [Output("internal.deltas", b"v", key=b"acme", partition=3), Output("internal.deltas", b"v", key=b"acme")], KAFKA
    )
    assert (said.topic, said.partition) == ("eu.internal.deltas", 3)
    assert keyed.partition == partition_for(b"acme", 4)


def test_a_stage_that_lost_its_own_state_does_not_go_on() -> None:
    """Rating's window and burn's checkpoints: who reads an empty topic of the same name does not know what it did."""
    assert [state_topic(stage) for stage in ("rating", "burn", "patterns", "counting")] == [
        "internal.seen",
        "internal.checkpoints",
        "internal.patterns",
        None,
    ]
    assert [state_topic("rating", source) for source in ("usage.events", "usage.adjustments", "usage.charges")] == [
        "internal.seen",
        "internal.seen",
        "internal.charges",
    ]
    said = msgspec.structs.replace(_progress(5), state_id="then")
    log = replace(_log(), state="internal.seen", state_id="now")
    with pytest.raises(LogChangedError, match=r"internal\.seen was deleted and created anew: its id is now"):
        choose_start("t/0", said, log, committed=None)
    log = replace(log, state_id="then")
    assert choose_start("t/0", said, log, committed=None).offset == 5


@pytest.mark.parametrize("output", [Output("no.such", b""), Output("internal.deltas", b"", partition=4)])
def test_an_output_to_nowhere_ends_the_process(output: Output) -> None:
    """Topics and partition counts are declared in one place."""
    with pytest.raises(FatalError):
        to_messages([output], KAFKA)
