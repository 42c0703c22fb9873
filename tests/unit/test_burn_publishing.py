"""What burn says on `usage.rates`: bounded, exact, in the shape of the contract."""

import json
from decimal import Decimal

from schemas.signals import BudgetStates, CloudSignal, Rates
from streams.burn.publishing import SAID_WINDOWS_SEC, decimal_text, usd_text
from streams.ports import Output
from tests.scenarios.burn_log import DAY, HOUR, MINUTE, SEC, BurnLog, PolicyHistory, Row, new_lane, run, signals, us

AT = us("2026-11-22T09:00:00")
MONTHLY = [{"sets": [{"kind": "budget", "id": "b", "org": "acme", "limit": "10", "burn_alerts": False}]}]


def rates(outputs: list[Output]) -> list[Rates]:
    """The rates among the outputs."""
    return [signal.data for signal in signals(outputs) if isinstance(signal.data, Rates)]


def states(outputs: list[Output]) -> list[BudgetStates]:
    """The budget states among the outputs."""
    return [signal.data for signal in signals(outputs) if isinstance(signal.data, BudgetStates)]


def row(at_us: int, name: str = "code", *, cents: int = 1) -> Row:
    """One request of a team."""
    return Row("acme", "team", name, at_us, cost_pico=cents * 10**10, tokens=1000)


def test_hand_written_json_is_that_of_the_models() -> None:
    """Every message on usage.rates is read by the contract and written back the same, field by field."""
    log = BurnLog(policy_offset=0)
    for at_us in (AT, AT + 5 * SEC, AT + 10 * SEC):
        log.say(at_us, [row(at_us), Row("acme", "budget", "b", at_us, cost_pico=3 * 10**12 + 1, unpriced=1)])
    outputs = [out for out in run(new_lane(PolicyHistory(MONTHLY)), log.records) if out.topic == "usage.rates"]
    assert len(outputs) == 6
    for output in outputs:
        written = CloudSignal.model_validate_json(output.value).model_dump_json()
        assert json.loads(written) == json.loads(output.value)
        assert output.key == b"acme"


def test_rates_are_exact() -> None:
    """Seven requests of a third of a cent within 5 min: sums to the pico-dollar, rates cut to it."""
    log = BurnLog()
    for index in range(7):
        log.say(AT + index * SEC, [Row("acme", "team", "code", AT, cost_pico=3_333_333_333, tokens=7)])
    last = rates(run(new_lane(PolicyHistory()), log.records))[-1]
    window = next(rate for rate in last.rates if rate.entity_type == "team").windows[0]
    expected = (300, 6, 42, Decimal("0.019999999998"), Decimal("0.239999999976"), Decimal("8.4"))
    actual = (window.window_sec, window.requests, window.tokens, window.cost_usd, window.usd_per_hour)
    assert expected == (*actual, window.tokens_per_min)


def test_at_most_one_message_per_org_and_five_seconds() -> None:
    """Ten rows a second make one message of rates each 5 s of log time; the entity is in it with its newest numbers."""
    log = BurnLog()
    for at_us in range(AT, AT + 20 * SEC, SEC // 10):
        log.say(at_us, [row(at_us)])
    said = rates(run(new_lane(PolicyHistory()), log.records))
    assert [(one.window_end.second, one.window_end.microsecond) for one in said] == [(0, 0), (5, 0), (10, 0), (15, 0)]
    team = next(rate for rate in said[-1].rates if rate.entity_type == "team")
    assert team.windows[0].requests == 151


def test_rate_that_falls_to_zero_is_said_window_by_window() -> None:
    """After the last row an entity is said each minute of its last hour, then once per window that is empty."""
    log = BurnLog()
    log.say(AT, [row(AT)])
    for at_us in range(AT + 20 * SEC, AT + 4 * DAY, 20 * MINUTE):
        log.tick(at_us)
    said = [one for one in rates(run(new_lane(PolicyHistory()), log.records)) if one.window_end.timestamp() * SEC > AT]
    left = [[window.requests for window in one.rates[-1].windows] for one in said]
    assert left == [*[[0, 1, 1, 1, 1]] * 3, [0, 0, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
    assert len(SAID_WINDOWS_SEC) == 5


def test_silence_is_judged_at_the_floor_only() -> None:
    """A lane far ahead does not make a rate fall to zero while another lane may still bring rows."""
    log = BurnLog(lanes=2)
    log.say(AT, [row(AT)], lane=0)
    log.say(AT, lane=1)
    log.say(AT + 2 * HOUR, lane=0)
    log.say(AT + 2 * HOUR + 5 * SEC, lane=0)
    log.say(AT + 8 * HOUR, lane=0)
    lane = new_lane(PolicyHistory())
    assert [one.window_end.hour for one in rates(run(lane, log.records))] == [9, 11]
    log.say(AT + 8 * HOUR, lane=1)
    log.say(AT + 8 * HOUR + 5 * SEC, lane=0)
    assert [one.window_end.hour for one in rates(run(lane, log.records[5:]))] == [17]


def test_budget_state_says_how_it_stands_and_that_it_is_closed() -> None:
    """8.5 of 10 USD is warned; at the month's end the last state is said as closed."""
    log = BurnLog(policy_offset=0)
    log.say(AT, [Row("acme", "budget", "b", AT, cost_pico=85 * 10**11)])
    log.tick(AT + SEC)
    log.tick(us("2026-12-01T00:00:01"))
    said = [one.states[0] for one in states(run(new_lane(PolicyHistory(MONTHLY)), log.records))]
    assert [(state.status, state.spent, state.highest_threshold) for state in said] == [
        ("warned", Decimal("8.5"), Decimal("0.8")),
        ("closed", Decimal("8.5"), Decimal("0.8")),
    ]
    assert said[0].spent_to_limit_ratio == 0.85


def test_events_ahead_of_the_log_wait_for_it() -> None:
    """An event two minutes ahead counts in the budget at once, in windows when the log is there."""
    log = BurnLog(policy_offset=0)
    ahead_us = AT + 2 * MINUTE
    log.say(AT, [row(ahead_us), Row("acme", "budget", "b", ahead_us, cost_pico=10**12)])
    log.tick(AT + MINUTE)
    log.tick(AT + 2 * MINUTE)
    outputs = run(new_lane(PolicyHistory(MONTHLY)), log.records)
    assert [one.window_end.minute for one in rates(outputs)] == [2]
    assert states(outputs)[0].at.minute == 0


def test_amounts_as_text() -> None:
    """Exact, plain, negatives too."""
    assert [usd_text(n) for n in (0, 1, -15 * 10**11, 12 * 10**12)] == ["0", "0.000000000001", "-1.5", "12"]
    assert decimal_text(18_000, places=3) == "18"
