"""Limits that vary, against a naive recomputation: anchored periods, what is carried over, increases, rolling days."""

import random
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.periods import WEEKDAYS, Calendar, Kind, day_in, instant, period_in, period_of
from sinks.periods import KEPT_US, period_starts, start_of
from streams.burn.limits import amount_of
from streams.burn.period_table import limit_in, spent_in
from streams.burn.stage import BurnLane
from tests.scenarios.burn_log import DAY, HOUR, BurnLog, PolicyHistory, Row, new_lane, run, us

ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Sao_Paulo", "Africa/Cairo", "Pacific/Apia")
START = us("2026-11-10T00:00:00")
USD = 10**12
BUDGET = {"kind": "budget", "id": "b", "org": "acme", "limit": "10", "period": "day", "burn_alerts": False}
INCREASE: dict[str, object] = {
    "kind": "budget_increase", "id": "i", "org": "acme", "budget": "b", "amount": "3",
    "starts": "2026-11-11T06:00:00Z", "ends": "2026-11-13T18:00:00Z",
}  # fmt: skip
SEEDS = st.integers(0, 10**6)
DAYS = st.dates(instant(START - 400 * DAY).date(), instant(START + 400 * DAY).date())


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """Any calendar with an anchor, perhaps with a first and a last day."""
    kind: Kind = draw(st.sampled_from(("week", "month", "quarter", "year")))
    anchors = {"week": draw(st.sampled_from(WEEKDAYS)), "month": str(draw(st.integers(1, 31)))}
    anchor = anchors.get(kind, draw(st.dates()).strftime("%m-%d"))
    starts, days = draw(st.none() | DAYS), draw(st.none() | st.integers(1, 300))
    ends = None if days is None else (starts or instant(START).date()) + timedelta(days=days)
    return Calendar(kind, draw(st.sampled_from(ZONES)), anchor, starts, ends)


@given(calendars(), st.integers(START - 500 * DAY, START + 500 * DAY))
def test_anchored_periods_follow_each_other(calendar: Calendar, at_us: int) -> None:
    """Each instant is in one period, and the next one begins where it ends; a first or last day cuts it."""
    kind, zone, anchor = calendar.kind, calendar.zone, calendar.anchor
    whole = period_of(at_us, kind, zone, anchor)
    assert whole.start_us <= at_us < whole.end_us
    assert period_of(whole.end_us, kind, zone, anchor).start_us == whole.end_us
    assert period_of(whole.start_us - 1, kind, zone, anchor).end_us == whole.start_us
    cut = period_in(calendar, at_us)
    day = day_in(zone, at_us)
    if cut is None:
        assert calendar.starts or calendar.ends
        return
    assert whole.start_us <= cut.start_us <= day.start_us < day.end_us <= cut.end_us <= whole.end_us
    assert cut.nominal_sec <= cut.whole_sec == whole.nominal_sec


@given(calendars(), st.integers(START - 300 * DAY, START + 300 * DAY), st.integers(0, 40 * DAY))
def test_no_interval_of_an_opening_holds_two_periods(calendar: Calendar, floor_us: int, ago_us: int) -> None:
    """Whatever is summed over an interval belongs to the period that holds the interval's start, or to none."""
    starts = period_starts(calendar, floor_us=floor_us, lead_us=floor_us)
    assert starts[0] <= floor_us - KEPT_US
    assert starts[-1] > floor_us
    at_us = max(floor_us - ago_us, starts[0])
    assert period_in(calendar, at_us) == period_in(calendar, start_of(starts, at_us))


def spends_of(seed: int) -> list[tuple[int, int, int]]:
    """How much later the log goes on, how late the event is, and its dollars: some days of them."""
    dice = random.Random(seed)  # noqa: S311  a repeatable story, no secret
    hours = (dice.choice([0, 1, 5, 14]) for _ in range(20))
    return [(hour * HOUR, dice.choice([0, 0, 3, 20, 40]) * HOUR, dice.randrange(5)) for hour in hours]


def lived(spends: list[tuple[int, int, int]], *changes: dict[str, object]) -> tuple[BurnLane, dict[int, Decimal], int]:
    """A lane after the spends under the budget, what was spent on each day of UTC, and the log's time."""
    log, days, now_us = BurnLog(policy_offset=0), defaultdict[int, Decimal](Decimal), START
    for later_us, late_us, dollars in spends:
        now_us += later_us
        event_us = max(START, now_us - late_us)
        days[event_us // DAY * DAY] += dollars
        log.say(now_us, [Row("acme", "budget", "b", event_us, cost_pico=dollars * USD, live=late_us < HOUR)])
    log.tick(now_us)
    lane = new_lane(PolicyHistory([{"sets": list(changes)}]))
    run(lane, log.records)
    return lane, days, now_us


def levels(lane: BurnLane, start_us: int | None) -> set[str]:
    """The thresholds of which an alert is open, of the period that begins there."""
    start = None if start_us is None else instant(start_us)
    return {key[5] for key, held in lane.state.episodes.open.items() if held.alert.period_start == start}


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([None, "4"]), st.sampled_from([[], [INCREASE]]))
def test_what_is_carried_over_is_what_the_day_before_left(
    seed: int, most: str | None, more: list[dict[str, object]]
) -> None:
    """The limit of today is its own, what yesterday left of its own, and an increase; what it reaches is open."""
    budget = {**BUDGET, "starts": "2026-11-10", "roll_over": True, "roll_over_most": most}
    lane, days, now_us = lived(spends_of(seed), budget, *more)
    today = now_us // DAY * DAY
    if today not in days:
        return
    left = max(Decimal(0), 10 - days[today - DAY]) if today > START else Decimal(0)
    in_force = bool(more) and us("2026-11-11T06:00:00") <= now_us < us("2026-11-13T18:00:00")
    limit = 10 + min(left, Decimal(most or 10)) + 3 * in_force
    slot = lane.state.periods.slots["acme", "b", "", today]
    assert amount_of(limit_in(lane.state.periods, slot), "usd") == limit
    assert amount_of(spent_in(lane.state.periods, slot).priced, "usd") == days[today]
    reached = {level for level in ("0.5", "0.8", "1") if days[today] >= Decimal(level) * limit}
    assert levels(lane, today) == reached


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 4))
def test_a_rolling_budget_holds_its_last_days(seed: int, last: int) -> None:
    """Its row is the sum of today and the days before, and what that reaches is open."""
    lane, days, now_us = lived(
        spends_of(seed), {**BUDGET, "period": "rolling", "days": last, "threshold_amounts": ["7"]}
    )
    today = now_us // DAY * DAY
    spent = sum((days[today - number * DAY] for number in range(last)), Decimal(0))
    slot = lane.state.periods.slots.get(("acme", "b", "", 0))
    held = Decimal(0) if slot is None else amount_of(spent_in(lane.state.periods, slot).priced, "usd")
    assert held == spent
    needs = {"0.5": 5, "0.8": 8, "1": 10, "7 usd": 7}
    assert levels(lane, None) == {level for level, need in needs.items() if spent >= need}
