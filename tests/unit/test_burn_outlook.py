"""Forecasts of many budgets: a few by one message, all within the hour."""

from streams.burn.hours import HOUR_US
from streams.burn.outlook import MOST
from tests.scenarios.burn_log import DAY, HOUR, SEC, BurnLog, PolicyHistory, Row, new_lane, run, us

AT = us("2026-11-22T09:00:00")
BUDGETS = [{"kind": "budget", "id": f"b{number}", "org": "acme", "limit": "1000"} for number in range(3 * MOST)]


def test_a_pause_is_made_up_for_message_by_message() -> None:
    """All budgets are due when the log goes on after a day: each message judges MOST of them, none of them twice."""
    log = BurnLog(policy_offset=0)
    log.say(AT, [Row("acme", "budget", str(one["id"]), AT, cost_pico=10**12) for one in BUDGETS])
    lane = new_lane(PolicyHistory([{"sets": BUDGETS}]))
    run(lane, log.records)
    due_us = lane.state.hours.column("due_us")
    assert ((due_us > AT) & (due_us <= AT + HOUR_US)).all()
    still_due = []
    for second in range(5):
        log.tick(AT + DAY + second * SEC)
        run(lane, log.records[-1:])
        still_due.append(int((lane.state.hours.column("due_us") <= AT + DAY).sum()))
    assert still_due == [2 * MOST, MOST, 0, 0, 0]
    assert (lane.state.hours.column("due_us") <= AT + DAY + HOUR + 5 * SEC).all()
