"""When a lane speaks: laws of its pace, of what may wait, and of how long the broker may hold its fetches."""

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.subscription_state import Assignment
from hypothesis import given
from hypothesis import strategies as st

from streams.fetch_wait import fetch_wait_ms
from streams.lane_pace import HOLD_SEC, SETTLED_SEC, Pace, Quiet, may_wait
from streams.ports import Output, StepResult
from streams.settings import FETCH_MAX_WAIT_MS, IDLE_FETCH_WAIT_MS

SECONDS = st.floats(0, 1e6)
QUIET = StepResult((), 7, -1)


def _pace(*, heard_sec: float = 0.0, tick_sec: float = 1.0) -> Pace:
    return Pace(tick_sec=tick_sec, idle_tick_sec=3.0, now_sec=heard_sec)


@given(SECONDS, st.floats(0, SETTLED_SEC - 0.001), st.sampled_from([0.3, 1.0, 6.0]))
def test_a_lane_ticks_within_half_an_interval_and_one_and_a_half(
    spoke_sec: float, silent_sec: float, tick_sec: float
) -> None:
    """Whatever it said last, and when."""
    at_sec = _pace(heard_sec=spoke_sec, tick_sec=tick_sec).tick_at_sec(spoke_sec, now_sec=spoke_sec + silent_sec)
    assert 0.49 * tick_sec <= at_sec - spoke_sec <= 1.51 * tick_sec


@given(SECONDS, st.floats(0, 0.49))
def test_lanes_that_ticked_one_after_the_other_tick_together(spoke_sec: float, later_sec: float) -> None:
    """A tick takes a moment; the next one of all lanes is at one moment again."""
    pace = _pace(heard_sec=spoke_sec)
    first_sec = pace.tick_at_sec(spoke_sec, now_sec=spoke_sec)
    again_sec = pace.tick_at_sec(first_sec + later_sec, now_sec=spoke_sec)
    assert again_sec == pytest.approx(first_sec + 1)


def test_ticks_are_rarer_once_nothing_has_come_for_a_while() -> None:
    """From `SETTLED_SEC` on, not before; and never more often than where something comes."""
    spoke_sec = 12.0
    at = [_pace().tick_at_sec(spoke_sec, now_sec=now_sec) for now_sec in (SETTLED_SEC - 0.01, SETTLED_SEC)]
    assert at == [13.0, 15.0]
    assert _pace(tick_sec=6.0).tick_at_sec(spoke_sec, now_sec=SETTLED_SEC) == 18.0


def test_what_comes_wakes_lanes_that_tick_rarely() -> None:
    """Only the first record after silence does, and from then on ticks are frequent."""
    pace = _pace()
    assert not pace.heard(SETTLED_SEC - 0.01)
    assert pace.heard(2 * SETTLED_SEC)
    assert not pace.heard(2 * SETTLED_SEC)
    assert pace.tick_at_sec(20.4, now_sec=20.6) == 21.0


def test_only_a_position_may_wait() -> None:
    """Neither an output nor a count of what became of events does; and a position does not wait for long."""
    assert may_wait(QUIET)
    assert not may_wait(StepResult((Output("usage.rates", b""),), 7, -1))
    assert not may_wait(StepResult((), 7, -1, counted={"duplicate": 1}))
    assert Quiet(5.0, QUIET, 3, ()).until_sec == 5.0 + HOLD_SEC


def test_a_fetch_is_held_long_only_if_it_asks_for_every_partition() -> None:
    """One that has no position, is paused, or waits to be taken is left out and has to wait for the fetch."""

    async def waits() -> list[int]:  # aiokafka's states want a loop
        first, second = TopicPartition("t", 0), TopicPartition("t", 1)
        assignment = Assignment([first, second])
        assignment.state_value(first).seek(0)
        without_position = fetch_wait_ms({}, assignment)
        assignment.state_value(second).seek(5)
        whole, not_taken = fetch_wait_ms({}, assignment), fetch_wait_ms({first: "records"}, assignment)
        assignment.state_value(first).pause()
        return [without_position, whole, not_taken, fetch_wait_ms({}, assignment)]

    assert asyncio.run(waits()) == [FETCH_MAX_WAIT_MS, IDLE_FETCH_WAIT_MS, FETCH_MAX_WAIT_MS, FETCH_MAX_WAIT_MS]
