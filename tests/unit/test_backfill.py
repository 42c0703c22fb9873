"""A look back where rules change, charges debit, and events cannot be found: by example."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from deploy.backfill.rules import Life, Rules, periods_end_us, rules_now, rules_then, sums_since_us
from deploy.backfill.to_the_event import Event, crossed
from deploy.backfill.walk import Added, walk
from deploy.policy_log import Logged
from schemas.periods import instant
from schemas.policies import Budget, BudgetIncrease, OnePolicy, PolicyChange
from tests.scenarios.burn_log import DAY, HOUR, us

AT = us("2026-11-01T00:00:00")


def budget(**changes: Any) -> Budget:
    """A monthly budget of 10 USD."""
    return Budget.model_validate({"id": "b", "org": "acme", "limit": "10", "thresholds": ("0.5", "1"), **changes})


def logged(at_us: int, offset: int, *sets: OnePolicy, removes: Sequence[tuple[str, str, str]] = ()) -> Logged:
    """A change of the log."""
    change = PolicyChange(change_id="c", actor="a", at="", files=(), sets=tuple(sets), removes=tuple(removes))
    return Logged(offset, instant(at_us), change)


def spent(at_us: int, usd: int, life: Life, **changes: Any) -> Added:
    """Events of a quarter of an hour that cost so many dollars."""
    return Added(life=life, member="", at_us=at_us, stands_us=at_us, pico_usd=usd * 10**12, **changes)


def said(rules: Rules, added: list[Added], *, end_us: int = AT + 30 * DAY) -> list[tuple[str, str, int, str]]:
    """Rule, level, when and why, of what would have fired."""
    found = walk(rules, added, start_us=AT, end_us=end_us)
    return [(one.alert.rule, one.alert.level, (one.at_us - AT) // HOUR, one.cause) for one in found]


def test_a_limit_that_falls_fires_when_it_fell_and_one_that_rose_lets_it_be_crossed_again() -> None:
    """The rules of then: lowered on the second day, raised on the third; of today: as if it had been raised always."""
    life = Life("acme", "b", 3)
    log = [
        logged(AT - DAY, 3, budget()),
        logged(AT + DAY, 5, budget(limit="6")),
        logged(AT + 2 * DAY, 9, budget(limit="12")),
    ]
    added = [spent(AT + 2 * HOUR, 4, life), spent(AT + 50 * HOUR, 3, life)]
    assert said(rules_then(log), added) == [("threshold", "0.5", 24, "rules"), ("threshold", "0.5", 50, "events")]
    today = [replace(one, life=Life("acme", "b", 0)) for one in added]
    assert said(rules_now(log), today) == [("threshold", "0.5", 50, "events")]


def test_a_new_budget_says_at_once_what_it_had_crossed_and_a_removed_one_nothing() -> None:
    """What the ledger had of its period opens it, at the moment at which it was made."""
    life = Life("acme", "b", 3)
    log = [logged(AT + DAY, 3, budget()), logged(AT + 2 * DAY, 4, removes=[("budget", "acme", "b")])]
    added = [spent(AT + HOUR, 6, life), spent(AT + 60 * HOUR, 9, life)]
    assert said(rules_then(log), added) == [("threshold", "0.5", 24, "rules")]


def test_an_increase_holds_for_its_time() -> None:
    """What an increase covered is crossed when it ends, to the moment, in the middle of a quarter of an hour."""
    ends = instant(AT + 5 * HOUR + 7)
    more = BudgetIncrease(id="i", org="acme", budget="b", amount=Decimal(10), ends=ends)
    rules = rules_then([logged(AT - DAY, 1, budget(thresholds=("1",)), more)])
    assert AT + 5 * HOUR + 7 in rules.cuts_us()
    found = list(walk(rules, [spent(AT + HOUR, 12, Life("acme", "b", 1))], start_us=AT, end_us=AT + DAY))
    assert [(one.at_us, one.cause) for one in found] == [(AT + 5 * HOUR + 7, "clock")]


def test_a_day_of_a_charge_is_debited_when_it_begins_and_a_credit_takes_nothing_back() -> None:
    """It stands at its noon; a credit on the next day leaves the threshold crossed."""
    life = Life("acme", "b", 1)
    rules = rules_then([logged(AT - DAY, 1, budget(commitment=True))])
    charge = Added(
        life=life, member="", at_us=AT + DAY, stands_us=AT + 36 * HOUR, pico_usd=6 * 10**12, is_charge=True
    )  # fmt: skip
    credit = replace(charge, at_us=AT + 2 * DAY, stands_us=AT + 60 * HOUR, pico_usd=-(10**12))
    assert said(rules, [charge, credit], end_us=AT + 31 * DAY) == [
        ("threshold", "0.5", 24, "charges"),
        ("commitment", "unused", 30 * 24, "clock"),
    ]


def test_what_the_ledger_no_longer_has_is_said_of_its_quarter_of_an_hour() -> None:
    """Where no event of the interval reaches it (it was corrected meanwhile), the interval's own moment stands."""
    life = Life("acme", "b", 1)
    [fired, *_] = walk(
        rules_then([logged(AT - DAY, 1, budget())]), [spent(AT + HOUR, 6, life)], start_us=AT, end_us=AT + DAY
    )
    assert crossed(fired, []).at == instant(AT + HOUR)
    events = [
        Event(instant(AT + HOUR) + timedelta(seconds=9), "s", name, 1, 0, Decimal(cost), Decimal(0))
        for name, cost in (("b", "5.5"), ("a", "0.5"))
    ]
    found = crossed(fired, events)
    assert found.event is not None
    assert (found.event.id, found.value) == ("b", Decimal("6.0"))


def test_sums_reach_back_to_what_a_period_rests_on() -> None:
    """To the period's first day; with what is carried over, to that of the period before; over days, these."""
    at_us = AT + 10 * DAY
    carries = budget(roll_over=True, starts="2026-01-01")
    assert instant(sums_since_us([budget()], at_us)).isoformat() == "2026-11-01T00:00:00+00:00"
    assert instant(sums_since_us([budget(), carries], at_us)).isoformat() == "2026-10-01T00:00:00+00:00"
    assert instant(sums_since_us([budget(period="rolling", days=3)], at_us)).day == 8
    assert instant(periods_end_us([budget()], at_us)).isoformat() == "2026-12-01T00:00:00+00:00"
    assert instant(periods_end_us([carries], at_us)).isoformat() == "2027-01-01T00:00:00+00:00"


def test_only_what_touches_a_wanted_budget_is_a_change() -> None:
    """Rules of other orgs, other budgets and other kinds cut nothing."""
    other = budget(id="other")
    log = [logged(AT, 0, budget()), logged(AT + 1, 1, other), logged(AT + 2, 2, budget(org="else"))]
    assert [change.offset for change in rules_then(log, org="acme", budget="b").changes] == [0]
    assert [change.offset for change in rules_then(log, org="acme").changes] == [0, 1]
    assert set(rules_then(log).lives()) == {Life("acme", "b", 0), Life("acme", "other", 1), Life("else", "b", 2)}
