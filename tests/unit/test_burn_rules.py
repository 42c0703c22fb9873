"""Burn-rate rungs and thresholds: factors derived from the period, exact amounts, no pages for tiny budgets."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from schemas.policies import Budget, InForce
from streams.burn.burn_rules import PAIRINGS, Expected, lasts, rungs_of, severity_of
from streams.burn.limits import NEVER, Unit, amount_of, need_of, plan_of
from tests.scenarios.burn_log import MINUTE, SEC, BurnLog, PolicyHistory, Row, alerts, new_lane, run, us

DAY_SEC = 86_400
AT = us("2026-11-22T09:00:00")


def budget(**fields: Any) -> Budget:
    """A budget of team code, 1000 USD a month unless said otherwise."""
    return Budget.model_validate({"id": "code", "org": "acme", "limit": "1000", **fields})


@pytest.mark.parametrize(
    ("days", "levels"),
    [
        (30, ["14.4x", "6x", "3x", "1x"]),  # the workbook's table
        (31, ["14.88x", "6.2x", "3.1x", "1.03x"]),
        (28, ["13.44x", "5.6x", "2.8x", "1x"]),
        (7, ["6x", "3x", "1.5x", "1x"]),
        (1, ["6x", "3x"]),
    ],
)
def test_factors_follow_from_the_period(days: int, levels: list[str]) -> None:
    """percent x period / (100 x long window), never below the least; the long window is shorter than the period."""
    assert levels == [rung.level for rung in rungs_of(budget(), nominal_sec=days * DAY_SEC)]


def test_no_rungs_below_a_day_or_without_limit_or_wish() -> None:
    """Hours are too short to burn too fast, nothing is too fast for a limit of zero, and `burn_alerts` switches off."""
    assert rungs_of(budget(period="hour"), nominal_sec=3600) == ()
    assert rungs_of(budget(limit="0"), nominal_sec=30 * DAY_SEC) == ()
    assert rungs_of(budget(burn_alerts=False), nominal_sec=30 * DAY_SEC) == ()


def test_rung_of_30_days_spends_its_share_in_its_long_window() -> None:
    """2 % of 1000 USD within the hour, a twelfth of that in 5 min."""
    rung = rungs_of(budget(), nominal_sec=30 * DAY_SEC)[0]
    assert rung.needs(rung.flat()) == ((20_000_000, 0), need_of(Fraction(20, 12), "usd"))


def test_an_hour_that_counts_for_three_needs_three_times_as_much() -> None:
    """What a rung needs follows the expected time in its windows and in the period, whatever that is counted in."""
    rung = rungs_of(budget(), nominal_sec=30 * DAY_SEC)[0]
    assert rung.needs(Expected(3 * 3600, 300, Fraction(30 * DAY_SEC)))[0] == (60_000_000, 0)
    assert rung.needs(Expected(3 * 3600, 300, Fraction(60 * DAY_SEC)))[0] == (30_000_000, 0)
    assert rung.needs(Expected(1, 1, Fraction(30 * DAY_SEC)))[0] == (1_000_000, 0)  # a dollar at least


@pytest.mark.parametrize(
    ("amount", "unit", "need"),
    [
        ("0", "usd", (0, 1)),  # any spend
        ("0", "requests", (1, 0)),
        ("80", "usd", (80_000_000, 0)),
        ("0.0000000000005", "usd", (0, 1)),
        ("0.000001000001", "usd", (1, 1)),
        ("1.5", "tokens", (2, 0)),
        ("1e15", "usd", NEVER),
    ],
)
def test_need_is_the_least_amount_that_reaches(amount: str, unit: Unit, need: tuple[int, int]) -> None:
    """Amounts are compared exactly, as integers."""
    assert need == need_of(Fraction(amount), unit)


def test_thresholds_are_exact_shares() -> None:
    """A third of a cent budget is not rounded before it is compared."""
    plan = plan_of(
        one := budget(limit="0.01", thresholds=["0.333333", "1"]), InForce(policy=one, since=0, matched_since=0)
    )
    assert [step.need for step in plan.steps] == [(3_333, 330_000), (10_000, 0)]
    assert Decimal("0.00333333") == amount_of(plan.steps[0].need, "usd")
    assert plan.highest((3_333, 329_999)) is None
    assert plan.highest((3_333, 330_000)) == plan.steps[0]


def burnt(limit: str, *, cents: int, unit: Unit = "usd", period: str = "month") -> list[str]:
    """The levels of burn-rate alerts when `cents` are spent each 10 s for 20 minutes, said each minute."""
    changes = [{"sets": [{"kind": "budget", "id": "b", "org": "acme", "limit": limit, "unit": unit, "period": period}]}]
    log = BurnLog(policy_offset=0)
    for at_us in range(AT, AT + 20 * MINUTE, MINUTE):
        events_us = range(at_us - 50 * SEC, at_us + 1, 10 * SEC)
        log.say(
            at_us,
            [
                Row("acme", "budget", "b", event_us, cost_pico=cents * 10**10, tokens=cents * 1000)
                for event_us in events_us
            ],
        )
    found = alerts(run(new_lane(PolicyHistory(changes)), log.records))
    return [alert.level for alert in found if alert.rule == "burn_rate"]


def test_tiny_budgets_do_not_page() -> None:
    """Twenty cents an hour are 14 times a 10-dollar month, but less than a dollar is no reason to wake anybody."""
    assert burnt("10", cents=0) == []
    assert burnt("60", cents=1)[:1] == ["14.4x"]  # 1.20 USD, 2 % of 60
    assert burnt("30", cents=0) == []
    assert [level for level in burnt("9", cents=1) if level == "14.4x"] == ["14.4x"]  # only from 1 USD on
    assert burnt("0.5", cents=1) == []  # breached before a dollar is spent


def test_every_unit_burns_and_every_kind_of_period_from_a_day_on() -> None:
    """Tokens and requests have rungs as dollars have; an hour has none."""
    assert burnt("3000000", cents=10, unit="tokens")[:1] == ["14.4x"]
    assert burnt("3000", cents=1, unit="requests")[:1] == ["14.4x"]
    assert burnt("20", cents=3, period="week")[:1] == ["6x"]
    assert burnt("6", cents=3, period="day")[:1] == ["6x"]
    assert burnt("6", cents=3, period="hour") == []


def test_only_the_most_urgent_rung_notifies() -> None:
    """Rungs of one tick are all said; the lower ones carry notify = false."""
    changes = [{"sets": [{"kind": "budget", "id": "b", "org": "acme", "limit": "1000"}]}]
    log = BurnLog(policy_offset=0)
    log.say(AT, [Row("acme", "budget", "b", AT, cost_pico=400 * 10**12)])
    found = alerts(run(new_lane(PolicyHistory(changes)), log.records))
    expected = [("14.4x", True), ("6x", False), ("3x", False), ("1x", False)]
    assert expected == [(alert.level, alert.notify) for alert in found]


HOUR, USD = 3600, 10**12
IN_AN_HOUR, IN_THREE_DAYS = PAIRINGS[0], PAIRINGS[3]


@pytest.mark.parametrize(
    ("lasts_sec", "rest", "long", "severity"),
    [
        (HOUR, 10 * HOUR, 10 * USD, "critical"),
        (HOUR + 1, 10 * HOUR, 10 * USD, "warning"),  # it lasts a second too long
        (HOUR, 10 * HOUR, 10 * USD - 1, "warning"),  # less than what wakes anybody
        (HOUR, 4 * HOUR, 10 * USD, "critical"),
        (HOUR, 4 * HOUR - 1, 10 * USD, "warning"),  # the period is nearly over
        (12 * HOUR, 100 * HOUR, 10 * USD, "warning"),
        (12 * HOUR + 1, 100 * HOUR, 10 * USD, "info"),  # a burst
        (15 * HOUR, 10 * HOUR, 10 * USD, "info"),
        (15 * HOUR + 1, 10 * HOUR, 10 * USD, None),  # it lasts
    ],
)
def test_who_is_woken_is_decided_by_how_long_it_lasts(
    lasts_sec: int, rest: int, long: int, severity: str | None
) -> None:
    """A rung is critical when what is left is soon used up; else a ticket, else quiet; nothing where it lasts."""
    assert severity == severity_of(IN_AN_HOUR, "usd", lasts_sec=lasts_sec, rest_sec=rest, long=long)


def test_the_calmer_window_says_how_long_it_lasts() -> None:
    """72 USD in 3 d are one an hour, 12 in 6 h are two: 100 left last 100 h; 3 in 6 h are the calmer half of one."""
    flat = Expected(IN_THREE_DAYS.long_sec, IN_THREE_DAYS.short_sec, Fraction(30 * DAY_SEC))
    assert lasts(flat, left=100 * USD, long=72 * USD, short=12 * USD) == 100 * HOUR
    assert lasts(flat, left=100 * USD, long=72 * USD, short=3 * USD) == 200 * HOUR
