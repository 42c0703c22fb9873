"""What the ledger says to burn: openings of budgets, and corrections."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from schemas.signals import BudgetState, BudgetStates
from streams.burn import publishing
from streams.ports import Output
from tests.scenarios.burn_log import (
    HOUR,
    MINUTE,
    SEC,
    BurnLog,
    PolicyHistory,
    Row,
    alerts,
    new_lane,
    run,
    signals,
    us,
)

AT = us("2026-11-22T09:30:00")
DAY_START = us("2026-11-22T00:00:00")
BUDGET = {"kind": "budget", "id": "b", "org": "acme", "limit": "100", "period": "day", "burn_alerts": False}
HOURLY = {**BUDGET, "period": "hour"}
USD = 10**12


def policies(*changes: dict[str, Any]) -> PolicyHistory:
    """One budget after the other."""
    return PolicyHistory([{"sets": [change]} for change in changes or (BUDGET,)])


def waiting_log() -> BurnLog:
    """A log in which policy 0 is named and nothing is open."""
    log = BurnLog(policy_offset=0, opens=False)
    log.tick(AT)
    return log


def spend(usd: int, at_us: int = AT, *, live: bool = True) -> Row:
    """Spending that the budget matches."""
    return Row("acme", "budget", "b", at_us, cost_pico=usd * USD, live=live)


def levels(outputs: list[Output]) -> list[tuple[str, str, Decimal, bool]]:
    """What each alert says of the budget."""
    return [(alert.status, alert.level, alert.value, alert.notify) for alert in alerts(outputs)]


def states(outputs: list[Output]) -> list[BudgetState]:
    """The budget states among the outputs, in order."""
    return [state for one in signals(outputs) if isinstance(one.data, BudgetStates) for state in one.data.states]


def test_message_without_a_clock_moves_no_clock() -> None:
    """No lane is waited for and no time is heard, whatever the message says of both."""
    log = waiting_log()
    lane = new_lane(policies())
    run(lane, log.records)
    before = (lane.state.clock.lanes, dict(lane.state.clock.times_us), lane.state.clock.lead_us)
    log.correct([spend(-1)])
    log.correct(opened=0)
    run(lane, log.records[1:])
    assert before == (lane.state.clock.lanes, lane.state.clock.times_us, lane.state.clock.lead_us)
    assert lane.state.opened == 0


def test_budget_counts_but_says_nothing_until_it_is_opened() -> None:
    """Neither alerts nor states; then each threshold that its opening sum and its rows reach, the highest aloud."""
    log = waiting_log()
    log.say(AT + SEC, [spend(30)])
    log.tick(AT + 10 * SEC)
    lane = new_lane(policies())
    assert signals(run(lane, log.records)) == []
    assert publishing.held_back(lane.state) == 1
    log.correct([spend(55, DAY_START, live=False)], opened=0)
    log.tick(AT + 20 * SEC)
    outputs = run(lane, log.records[3:])
    assert levels(outputs) == [("firing", "0.5", Decimal(85), False), ("firing", "0.8", Decimal(85), True)]
    assert [(state.spent, state.requests) for state in states(outputs)] == [(Decimal(85), 2)]
    assert publishing.held_back(lane.state) == 0


def test_empty_opening_lets_a_budget_be_judged() -> None:
    """A budget of which the ledger holds nothing is judged from then on."""
    log = waiting_log()
    log.correct(opened=0)
    log.say(AT + SEC, [spend(60)])
    assert levels(run(new_lane(policies()), log.records)) == [("firing", "0.5", Decimal(60), True)]


def test_opening_of_an_earlier_policy_opens_no_later_budget() -> None:
    """What matches anew since a later policy waits for that policy's opening."""
    log = waiting_log()
    log.policy_offset = 1
    log.say(AT + SEC, [spend(60)])
    log.correct(opened=0)
    lane = new_lane(policies(BUDGET, {**BUDGET, "scope": {"team": "code"}}))
    assert alerts(run(lane, log.records)) == []
    log.correct(opened=1)
    assert levels(run(lane, log.records[3:])) == [("firing", "0.5", Decimal(60), True)]


def test_new_limit_does_not_judge_what_is_not_open() -> None:
    """An edit before the opening fires nothing; the opening judges by the newest limit."""
    log = waiting_log()
    log.say(AT + SEC, [spend(60)])
    log.policy_offset = 1
    log.tick(AT + 2 * SEC)
    lane = new_lane(policies(BUDGET, {**BUDGET, "limit": "70"}))
    assert alerts(run(lane, log.records)) == []
    log.correct(opened=0)
    assert [said[1] for said in levels(run(lane, log.records[3:]))] == ["0.5", "0.8"]


@pytest.mark.parametrize(
    ("waited", "live", "expected"),
    [
        (25, True, [("0.8", Decimal(80), True)]),  # above the opening sum, which reached 0.5 by itself
        (25, False, []),
        (0, True, []),
    ],
)
def test_period_that_is_over_fires_what_live_rows_added_to_its_opening(
    *, waited: int, live: bool, expected: list[tuple[str, Decimal, bool]]
) -> None:
    """An hour that ended before the ledger could open it: as if the opening sum had come first."""
    log = waiting_log()
    if waited:
        log.say(AT + SEC, [spend(waited, AT, live=live)])
    log.tick(AT + HOUR)
    log.correct([spend(55, AT - 30 * MINUTE, live=False)], opened=0)
    fired = [said[1:] for said in levels(run(new_lane(policies(HOURLY)), log.records))]
    assert expected == fired


def test_too_fast_is_said_when_the_budget_opens() -> None:
    """Windows fill while it waits; the rungs that they reach are said with the first second after the opening."""
    fast = {**BUDGET, "limit": "1000", "period": "month", "burn_alerts": True}
    log = waiting_log()
    log.say(AT + SEC, [spend(50)])
    log.tick(AT + 2 * SEC)
    lane = new_lane(policies(fast))
    assert alerts(run(lane, log.records)) == []
    log.correct(opened=0)
    log.tick(AT + 3 * SEC)
    assert {alert.rule for alert in alerts(run(lane, log.records[3:]))} == {"burn_rate"}


def test_opening_sums_are_in_no_window() -> None:
    """What was spent at some time of the day is spent in the period, but burns nothing now."""
    fast = {**BUDGET, "limit": "1000", "period": "month", "burn_alerts": True}
    log = waiting_log()
    log.correct([spend(400, DAY_START, live=False)], opened=0)
    log.say(AT + SEC, [spend(0)])
    lane = new_lane(policies(fast))
    assert alerts(run(lane, log.records)) == []
    assert int(np.abs(lane.state.members.column("micro")).sum()) == 0


def test_correction_below_a_threshold_leaves_its_alert_and_fires_nothing_again() -> None:
    """81 USD fire 0.8; 20 less and 20 more again say nothing, and the state is exact each time."""
    log = BurnLog(policy_offset=0)
    log.say(AT, [spend(81)])
    log.correct([spend(-20)])
    log.tick(AT + 5 * SEC)
    log.say(AT + 10 * SEC, [spend(20)])
    outputs = run(new_lane(policies()), log.records)
    assert [said[1] for said in levels(outputs)] == ["0.5", "0.8"]
    assert [(state.spent, state.status) for state in states(outputs)] == [
        (Decimal(81), "warned"),
        (Decimal(61), "warned"),
        (Decimal(81), "warned"),
    ]
