"""Shapes of the week: exact expected time, flat where nothing is known, a function of the log and of nothing else."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.burn import week
from streams.burn.budgets import period_at
from streams.burn.burn_rules import rungs_of
from streams.burn.paces import paces_of
from streams.burn.state import BurnState
from streams.checkpoints import digest
from tests.scenarios.burn_log import (
    DAY,
    HOUR,
    MINUTE,
    SEC,
    BurnLog,
    MemoryReader,
    PolicyHistory,
    Row,
    alerts,
    new_lane,
    public,
    recovered,
    run,
    us,
)

MONDAY = us("2026-11-02T00:00:00")
LEARNED = st.floats(0, 1e8)
SECONDS = st.integers(0, 10**9)
WEEKDAYS, HOURS = st.lists(LEARNED, min_size=7, max_size=7), st.lists(LEARNED, min_size=12, max_size=12)


def shape(weekdays: list[float], hours: list[float]) -> week.Ints:
    """One shape."""
    return week.weights(np.array([weekdays]), np.array([hours]))


@given(WEEKDAYS, HOURS)
def test_a_shape_sums_to_one_and_holds_a_quarter_of_flat(weekdays: list[float], hours: list[float]) -> None:
    """Whatever was learned, weights sum to `TOTAL`, none is below a quarter, and each fits its column."""
    found = shape(weekdays, hours)
    assert found.sum() == week.TOTAL
    assert found.min() >= week.UNIT * week.FLAT_SHARE - 1
    assert found.max() < 2**16


@given(SECONDS, st.integers(0, 10**8), st.integers(0, 10**8))
def test_cells_cover_time_once(since: int, first: int, second: int) -> None:
    """Seconds in cells add up to the length, and two spans that meet to their union; flat, expected time is time."""
    middle, until = since + first, since + first + second
    whole = week.seconds_in_cells(since, until)
    assert whole.sum() == until - since
    parts = week.seconds_in_cells(since, middle) + week.seconds_in_cells(middle, until)
    assert parts.tolist() == whole.tolist()
    assert week.expected(week.FLAT[None], [(since, until)]).tolist() == [[week.UNIT * (until - since)]]


@given(WEEKDAYS, HOURS, SECONDS, st.integers(0, 10**12))
def test_walking_takes_as_long_as_the_shape_expects(
    weekdays: list[float], hours: list[float], since: int, expected_time: int
) -> None:
    """After the walk that much expected time has passed, and one second less would not have been enough for more."""
    found = shape(weekdays, hours)
    sec = week.walked_sec(found[0].tolist(), since_sec=since, expected_time=expected_time)
    before, after = week.expected(found, [(since, since + sec), (since, since + sec + 1)])[0].tolist()
    assert before <= expected_time < after


def policies() -> PolicyHistory:
    """A budget for each user, and one for the team."""
    each = {"kind": "budget", "id": "each", "org": "acme", "each": "user", "limit": "900"}
    team = {"kind": "budget", "id": "team", "org": "acme", "scope": {"team": "code"}, "limit": "900"}
    return PolicyHistory([{"sets": [each, team]}])


def office(days: int, *, users: int = 2, last_first: bool = False) -> BurnLog:
    """Users who work from 8 to 16 on weekdays; of each two hours one batch, its rows in one order or the other."""
    log = BurnLog(policy_offset=0)
    for at in range(MONDAY, MONDAY + days * DAY, 2 * HOUR):
        busy = at % DAY // HOUR in range(8, 16) and (at // DAY + 3) % 7 < 5
        rows = [Row("acme", "budget", "each", at, cost_pico=10**11 * (i + 1), member=f"user-{i}") for i in range(users)]
        log.say(at + SEC, (rows[::-1] if last_first else rows) if busy else [])
    return log


def weights(state: BurnState, member: str) -> week.Ints:
    """A user's shape."""
    found = state.shapes.columns["weights"][state.shapes.slots["acme", "each", member]]
    return np.asarray(found, np.int64)


def test_office_hours_are_learned_and_lent_to_who_is_new() -> None:
    """After two weeks a working hour weighs several times a night's or a Sunday's, also for who is new; others' not."""
    lane = new_lane(policies())
    run(lane, office(15).records)
    plan = lane.state.policies.plans["acme", "each"] if lane.state.policies is not None else None
    team = lane.state.policies.plans["acme", "team"] if lane.state.policies is not None else None
    lane.state.members.slot(("acme", "each", "new"))
    lane.state.members.slot(("acme", "team", ""))
    slots = [lane.state.members.slots[key] for key in (("acme", "each", "new"), ("acme", "team", ""))]
    [paces] = paces_of(lane.state, slots, [plan, team], [MONDAY + 15 * DAY])
    monday_noon, monday_night, sunday_noon = 4 * 12 + 6, 4 * 12 + 1, 3 * 12 + 6
    for found in (weights(lane.state, "user-0"), paces.shapes[0]):
        assert found[monday_noon] > 4 * found[monday_night]
        assert found[monday_noon] > 2 * found[sunday_noon]
        assert found.sum() == week.TOTAL
    assert paces.shapes[1].tolist() == week.FLAT.tolist()


def test_who_spends_nothing_is_not_kept() -> None:
    """Members whose calls cost nothing leave no row behind once their windows are empty."""
    log = BurnLog(policy_offset=0)
    log.say(MONDAY, [Row("acme", "budget", "each", MONDAY, tokens=9, member=f"free-{index}") for index in range(3)])
    for at in range(MONDAY + 2 * HOUR, MONDAY + 7 * DAY, 2 * HOUR):
        log.say(at, [Row("acme", "budget", "team", at, 10**12)])
    lane = new_lane(policies())
    run(lane, log.records)
    assert set(lane.state.shapes.slots) == {("acme", "team", "")}


def test_even_spending_has_a_flat_shape_and_what_it_needs_is_what_time_needs() -> None:
    """Who spends the same every two hours is judged as if nothing had been learned, to the last digit."""
    log = BurnLog(policy_offset=0)
    for at in range(MONDAY, MONDAY + 9 * DAY, 2 * HOUR):
        log.say(at + SEC, [Row("acme", "budget", "team", at, 10**12)])
    lane = new_lane(policies())
    run(lane, log.records)
    slot = lane.state.shapes.slots["acme", "team", ""]
    assert lane.state.shapes.columns["weights"][slot].tolist() == week.FLAT.tolist()
    assert lane.state.policies is not None
    plan = lane.state.policies.plans["acme", "team"]
    [paces] = paces_of(lane.state, [lane.state.members.slots["acme", "team", ""]], [plan], [MONDAY + 9 * DAY])
    period = period_at(plan, MONDAY)
    assert period is not None
    for rung in rungs_of(plan.budget, nominal_sec=period.nominal_sec):
        assert rung.needs(paces.expected(0, rung.pairing, period)) == rung.needs(rung.flat())


def test_the_order_of_rows_makes_no_other_shape() -> None:
    """Members that stand in another order in each batch have the same shapes."""
    one, other = new_lane(policies()), new_lane(policies())
    run(one, office(4, users=5).records)
    run(other, office(4, users=5, last_first=True).records)
    for user in range(5):
        assert weights(one.state, f"user-{user}").tolist() == weights(other.state, f"user-{user}").tolist()


@settings(max_examples=4, deadline=None)
@example(28, 1)
@given(st.integers(1, 4 * 12 - 1), st.integers(1, 20))
def test_a_shape_is_a_function_of_the_log(cut: int, per_batch: int) -> None:
    """Other batches, and a death with recovery from a checkpoint, also amid a day's lesson, change nothing."""
    records = office(4, users=3).records
    whole = new_lane(policies())
    expected = public(run(whole, records))
    first, reader = new_lane(policies()), MemoryReader()
    outputs = run(first, records[:cut], per_batch=per_batch)
    reader.keep(outputs)
    reader.keep(first.checkpoint())
    again, offset = recovered(policies(), reader, next_offset=cut)
    outputs += run(again, records[offset:], per_batch=per_batch)
    assert public(outputs) == expected
    assert digest(again.state) == digest(whole.state)


def test_what_is_left_lasts_through_hours_in_which_little_is_spent() -> None:
    """600 of 900 USD in the last half hour of a working day are a ticket: it is evening; of an unknown week, a page."""
    urgent = {}
    for days in (15, 0):
        log, at = office(days), MONDAY + 15 * DAY + 31 * HOUR // 2
        for minute in range(0, 30, 5):
            row = Row("acme", "budget", "each", at + minute * MINUTE, cost_pico=10**14, member="user-0")
            log.say(at + minute * MINUTE + SEC, [row])
        told = alerts(run(new_lane(policies()), log.records))
        urgent[days] = {alert.severity for alert in told if alert.rule == "burn_rate" and alert.notify}
    assert urgent == {15: {"warning"}, 0: {"warning", "critical"}}
