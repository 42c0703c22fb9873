"""Runs whose events are stamped wrongly, come in any order, or all at once: the log and they must agree on a loop."""

import pytest

from tests.scenarios.burn_log import HOUR, SEC
from tests.scenarios.patterns_stories import AT, loop, polling
from tests.scenarios.steps_log import StepLog, alerts, call, new_lane, policies, run


@pytest.mark.parametrize("stamp_us", [AT - HOUR, AT + 6 * HOUR], ids=["late", "from a clock that is ahead"])
@pytest.mark.parametrize("place", [0, 10, 25])
def test_one_wrong_stamp_makes_no_loop_of_a_minute_an_hour(stamp_us: int, place: int) -> None:
    """A minute of the same calls is no runaway, whatever time one of them says."""
    log, steps = StepLog(), list(loop(lasts_sec=60))
    for number, step in enumerate(steps):
        log.say(step["ts_us"] + SEC, [{**step, "ts_us": stamp_us} if number == place else step])
    assert alerts(run(new_lane(policies()), log.records)) == []


def test_events_in_any_order_are_the_same_loop() -> None:
    """A loop is found at the same moment where those of ten seconds come backwards."""
    found = []
    for backwards in (False, True):
        log, steps = StepLog(), list(loop(lasts_sec=300))
        for start in range(0, len(steps), 5):
            some = steps[start : start + 5]
            log.say(some[-1]["ts_us"] + SEC, some[::-1] if backwards else some)
        (alert,) = alerts(run(new_lane(policies()), log.records))
        found.append(alert.at)
    assert found[0] == found[1]


def test_polling_that_is_sent_at_once_is_no_loop() -> None:
    """A client that kept an hour of polling for itself and sends it within two minutes polled all the same."""
    log = StepLog()
    for batch in range(12):
        rows = [
            call(AT + (batch * 10 + n) * 30 * SEC, usd=0.008, run="r", tool="job_state", tool_call_hash="h")
            for n in range(10)
        ]
        log.say(AT + HOUR + batch * 10 * SEC, rows)
    assert alerts(run(new_lane(policies()), log.records)) == []


def test_a_loop_that_is_sent_late_and_at_once_is_one() -> None:
    """Twenty minutes of it, in one message: what its calls say of themselves is enough."""
    log = StepLog()
    log.say(AT + HOUR, list(polling(every_sec=1, lasts_min=20, usd=0.02)))
    (fired,) = alerts(run(new_lane(policies()), log.records))
    assert (fired.rule, fired.entity_id) == ("runaway", "r")
    assert 90 <= int(fired.evidence["lasts_sec"]) <= 1200


def test_a_burst_that_slows_down_is_no_longer_than_it_was() -> None:
    """A hundred calls in a second, then one every three: after a minute it has not gone round for 90 seconds."""
    log = StepLog()
    times = [*range(0, SEC, SEC // 100), *range(SEC, 60 * SEC, 3 * SEC)]
    log.say(AT + HOUR, [call(AT + at, usd=0.02, run="r", tool="search", tool_call_hash="h") for at in times])
    assert alerts(run(new_lane(policies()), log.records)) == []
