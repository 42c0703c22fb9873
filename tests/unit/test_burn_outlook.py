"""Forecasts of many budgets: a few by one message, all within the hour."""

from schemas.signals import BudgetStates, Rates
from streams.burn.hours import HOUR_US
from streams.burn.outlook import MOST
from tests.scenarios.burn_log import DAY, HOUR, SEC, BurnLog, PolicyHistory, Row, new_lane, run, signals, us
from tests.unit.test_burn_openings import states

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


def test_states_say_the_likely_end_of_the_period() -> None:
    """Four days at a dollar an hour are some 720 at the month's end; of a budget without forecasts nothing is said."""
    sets = [{**BUDGETS[0], "id": "told"}, {**BUDGETS[0], "id": "quiet", "forecast_alerts": False}]
    log, begin = BurnLog(policy_offset=0), us("2026-11-01T00:00:00")
    for at in range(begin, begin + 4 * DAY, HOUR):
        log.say(at + SEC, [Row("acme", "budget", name, at, cost_pico=10**12) for name in ("told", "quiet")])
    log.tick(begin + 4 * DAY + 10 * SEC)
    said = {one.budget_id: one.forecast for one in states(run(new_lane(PolicyHistory([{"sets": sets}])), log.records))}
    assert said["quiet"] is None
    assert said["told"] is not None
    assert 650 < said["told"] < 790


def test_states_say_no_end_after_a_morning() -> None:
    """Two dollars an hour since nine are no 1,500 a month: of less than two days of use no likely end is said."""
    log, begin = BurnLog(policy_offset=0), us("2026-11-02T09:00:00")
    for at in range(begin, begin + 47 * HOUR, HOUR):
        log.say(at + SEC, [Row("acme", "budget", "told", at, cost_pico=2 * 10**12)] if at < begin + 9 * HOUR else [])
    sets = [{**BUDGETS[0], "id": "told"}]
    said = [one.forecast for one in states(run(new_lane(PolicyHistory([{"sets": sets}])), log.records))]
    assert said
    assert set(said) == {None}


def test_rates_and_states_are_said_in_different_ticks() -> None:
    """With a tick each half second none says both, but for the very first: each is half of a long tick's work."""
    log = BurnLog(policy_offset=0)
    for at in range(AT, AT + 20 * SEC, SEC // 2):
        log.say(at, [Row("acme", kind, "b0", at, cost_pico=10**12) for kind in ("budget", "team")])
    lane = new_lane(PolicyHistory([{"sets": BUDGETS}]))
    said = [signals(run(lane, [record])) for record in log.records]
    rates = [any(isinstance(one.data, Rates) for one in some) for some in said]
    budgets = [any(isinstance(one.data, BudgetStates) for one in some) for some in said]
    assert sum(both == (True, True) for both in zip(rates, budgets, strict=True)) == 1
    assert min(sum(rates), sum(budgets)) >= 4
