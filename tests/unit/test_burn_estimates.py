"""What has no price: thresholds that rest on it, and the finding that it is."""

from dataclasses import replace
from decimal import Decimal

from streams.burn.spent import Spent
from streams.burn.unpriced import QUIET_US
from streams.ports import Output
from tests.scenarios.burn_log import HOUR, MINUTE, SEC, BurnLog, Row, alerts, new_lane, run
from tests.unit.test_burn_openings import AT, BUDGET, HOURLY, USD, policies, states, waiting_log

GUESS = Row("acme", "budget", "b", AT, unpriced=1, ceiling_pico=60 * USD)
CALL = Row("acme", "model", "m-1", AT, unpriced=1, ceiling_pico=USD)


def told(outputs: list[Output]) -> list[tuple[str, str, str, int, Decimal]]:
    """What each alert says, and which transition it is."""
    return [(alert.status, alert.level, alert.basis, alert.seq, alert.value) for alert in alerts(outputs)]


def test_an_estimate_that_was_said_is_not_said_again_when_its_period_is_over() -> None:
    """A late live row finds the threshold crossed, though its episode has ended; cost that reaches it is said."""
    log = BurnLog(policy_offset=0)
    log.say(AT, [GUESS])
    log.tick(AT + HOUR)
    log.say(AT + HOUR + SEC, [replace(GUESS, ceiling_pico=1)])
    log.say(AT + HOUR + 2 * SEC, [replace(GUESS, ceiling_pico=0, unpriced=0, cost_pico=55 * USD)])
    log.tick(AT + HOUR + MINUTE)
    assert told(run(new_lane(policies(HOURLY)), log.records)) == [
        ("firing", "0.5", "estimated", 1, Decimal(60)),
        ("resolved", "0.5", "estimated", 2, Decimal(60)),
        ("firing", "0.5", "actual", 1, Decimal(55)),
        ("firing", "0.8", "estimated", 1, Decimal("115.000000000001")),
        ("firing", "1", "estimated", 1, Decimal("115.000000000001")),
        ("resolved", "0.5", "actual", 2, Decimal(55)),
        ("resolved", "0.8", "estimated", 2, Decimal("115.000000000001")),
        ("resolved", "1", "estimated", 2, Decimal("115.000000000001")),
    ]


def test_a_new_price_turns_an_estimate_into_cost() -> None:
    """A rerate takes the ceiling back and adds the cost: what cost reaches is the next transition, at its severity."""
    log = waiting_log()
    log.correct([replace(GUESS, ceiling_pico=200 * USD, live=False)], opened=0)
    log.correct([replace(GUESS, ceiling_pico=-200 * USD, cost_pico=70 * USD, unpriced=-1, requests=0, live=False)])
    log.tick(AT + 20 * SEC)
    outputs = run(new_lane(policies(BUDGET)), log.records)
    assert [one[:4] for one in told(outputs)] == [
        ("firing", "0.5", "estimated", 1),
        ("firing", "0.8", "estimated", 1),
        ("firing", "1", "estimated", 1),
        ("firing", "0.5", "actual", 2),
    ]
    [state] = states(outputs)[-1:]
    assert (state.spent, state.estimated_usd, state.unpriced_requests) == (Decimal(70), Decimal(0), 0)


def test_a_state_keeps_estimates_apart_and_is_warned_by_them_at_most() -> None:
    """`spent` and its ratio are cost; counts know no estimates."""
    log = BurnLog(policy_offset=1)
    rows = [replace(GUESS, ceiling_pico=500 * USD), replace(GUESS, unpriced=0, ceiling_pico=0, cost_pico=USD)]
    log.say(AT, [*rows, replace(GUESS, entity_id="calls")])
    log.tick(AT + 20 * SEC)
    calls = {**BUDGET, "id": "calls", "unit": "requests"}
    dollars, counts = states(run(new_lane(policies(BUDGET, calls)), log.records))[:2]
    assert (dollars.budget_id, dollars.spent, dollars.estimated_usd) == ("b", Decimal(1), Decimal(500))
    assert (dollars.status, dollars.highest_threshold, dollars.spent_to_limit_ratio) == ("warned", None, 0.01)
    assert (counts.budget_id, counts.spent, counts.estimated_usd, counts.status) == ("calls", Decimal(1), None, "ok")


def test_only_live_requests_without_a_price_are_a_finding_and_once_while_they_last() -> None:
    """Backfill and corrections open none; another org has its own; a day of quiet ends it with its sums."""
    log = BurnLog()
    log.say(AT, [replace(CALL, live=False), replace(CALL, unpriced=0)])
    log.correct([replace(CALL, live=False)])
    log.say(AT + SEC, [CALL, replace(CALL, event_us=AT - MINUTE), replace(CALL, org="globex")])
    log.say(AT + 20 * HOUR, [replace(CALL, event_us=AT + 20 * HOUR)])
    log.tick(AT + 20 * HOUR + QUIET_US - MINUTE)
    log.tick(AT + 20 * HOUR + QUIET_US)
    log.say(AT + 20 * HOUR + QUIET_US + SEC, [replace(CALL, event_us=AT + 20 * HOUR + QUIET_US)])
    said = alerts(run(new_lane(policies()), log.records))
    assert [(alert.org, alert.status, alert.value, alert.estimated_usd) for alert in said] == [
        ("acme", "firing", Decimal(2), Decimal(2)),
        ("globex", "firing", Decimal(1), Decimal(1)),
        ("globex", "resolved", Decimal(1), Decimal(1)),
        ("acme", "resolved", Decimal(3), Decimal(3)),
        ("acme", "firing", Decimal(1), Decimal(1)),
    ]


def test_what_is_estimated_is_what_both_sums_differ_by() -> None:
    """With a borrow from the micro-USD, and below zero for a moment."""
    assert Spent((1, 999_999), (2, 0)).estimated == (0, 1)
    assert Spent((2, 0), (1, 999_999)).estimated == (-1, 999_999)
