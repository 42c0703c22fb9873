"""The log is the clock."""

from streams.burn.clock import Clock


def test_floor_is_unknown_until_every_lane_was_heard() -> None:
    """One of two lanes says nothing about the floor; the lead is known at once."""
    clock = Clock()
    clock.hear("usage.events/0", lanes=2, log_time_us=100)
    assert (clock.floor_us, clock.lead_us, clock.closed_us()) == (None, 100, 100)
    clock.hear("usage.events/1", lanes=2, log_time_us=40)
    assert (clock.floor_us, clock.lead_us, clock.closed_us()) == (40, 100, 40)


def test_log_time_of_a_lane_never_goes_back() -> None:
    """A lower time is ignored; floor and lead stay."""
    clock = Clock()
    for time_us in (100, 90, 100):
        clock.hear("usage.events/0", lanes=1, log_time_us=time_us)
    assert (clock.times_us, clock.floor_us, clock.lead_us) == ({"usage.events/0": 100}, 100, 100)


def test_dead_lane_only_delays() -> None:
    """The floor waits for the slowest lane, however far the others are, and then follows."""
    clock = Clock()
    for lane, time_us in (("a", 10), ("b", 10), ("a", 1000)):
        clock.hear(lane, lanes=2, log_time_us=time_us)
    assert clock.floor_us == 10
    clock.hear("b", lanes=2, log_time_us=999)
    assert clock.floor_us == 999
