"""A look back over the ledger finds what a plain count of every event finds: level, moment, event and sum."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deploy.backfill.rules import Change, Life, Rules, sums_since_us
from deploy.backfill.to_the_event import Event, crossed
from deploy.backfill.walk import QUARTER_US, Added, walk
from schemas.money import plain, usd
from schemas.periods import Calendar, day_in, days_before_us, instant, period_in
from schemas.policies import Budget, InForce
from tests.scenarios.burn_log import DAY, SEC, us

START_US = us("2026-03-20T00:00:00")  # nine days before the clocks change in Berlin
DAYS = 40
LIFE = Life("acme", "b", 0)
PICO = 10**12


@dataclass(frozen=True)
class Call:
    """An event: who, when, and what it adds; `ceiling` where it has no price."""

    number: int
    at_us: int
    user: str
    tokens: int
    cost: int
    ceiling: int


Found = tuple[str, int, str, str, str, Decimal]
"""member, start of the period (0 of a rolling one), level, basis, id of the event, value then."""

CALENDARS: list[dict[str, Any]] = [
    {"period": "hour", "timezone": "Asia/Kathmandu"},
    {"period": "day", "timezone": "Europe/Berlin"},
    {"period": "week", "timezone": "America/New_York", "anchor": "sunday"},
    {"period": "month", "timezone": "Europe/Berlin", "anchor": "31"},
    {"period": "once", "starts": date(2026, 3, 25), "ends": date(2026, 4, 20)},
    {"period": "rolling", "days": 3, "timezone": "Europe/Berlin"},
    {"period": "rolling", "days": 1, "timezone": "Asia/Kathmandu"},
    {"period": "day", "starts": date(2026, 3, 22), "roll_over": True},
    {"period": "week", "starts": date(2026, 3, 22), "roll_over": True, "roll_over_most": "1"},
]


@st.composite
def budgets(draw: st.DrawFn) -> Budget:
    """A budget of any calendar and unit, of each user or of all."""
    told = draw(st.sampled_from(CALENDARS))
    return Budget.model_validate(
        {
            **told,
            "id": "b",
            "org": "acme",
            "unit": draw(st.sampled_from(["usd", "usd", "tokens", "requests"])),
            "each": draw(st.sampled_from([None, "user"])),
            "limit": draw(st.sampled_from(["0", "1", "3", "8"])),
            "thresholds": draw(st.sampled_from([("1",), ("0.333333", "0.5", "1"), ("0.5", "1.5")])),
            "threshold_amounts": draw(st.sampled_from([(), ("2",), ("1", "5")])),
        }
    )


@st.composite
def calls(draw: st.DrawFn) -> list[Call]:
    """Events of 40 days, some of them at the same second or right at a quarter of an hour."""
    found = []
    for number in range(draw(st.integers(1, 14))):
        quarter = START_US // QUARTER_US + draw(st.integers(0, DAYS * 96 - 1) | st.integers(0, 40))
        into_us = draw(st.sampled_from([0, 1, 7 * SEC, QUARTER_US - 1]))
        amount = draw(st.sampled_from([0, 1, PICO // 3, PICO, 2 * PICO]))
        ceiling = draw(st.sampled_from([0, 0, PICO // 2, PICO]))
        found.append(
            Call(
                number, quarter * QUARTER_US + into_us, draw(st.sampled_from("ab")), draw(st.integers(0, 3)),
                0 if ceiling else amount, ceiling,
            )
        )  # fmt: skip
    return found


@given(budget=budgets(), some=calls(), dice=st.randoms(use_true_random=False))
def test_a_look_back_is_a_count_of_every_event(budget: Budget, some: list[Call], dice: Random) -> None:
    """Each threshold is crossed at the very event, with the exact sum, whatever the order in which sums come."""
    sums = [added(budget, call) for call in some]
    dice.shuffle(sums)
    assert sorted(looked_back(budget, some, sums)) == sorted(counted(budget, some))


def added(budget: Budget, call: Call) -> Added:
    """What the event adds to its quarter of an hour."""
    at_us = call.at_us // QUARTER_US * QUARTER_US
    member = call.user if budget.each else ""
    return Added(
        life=LIFE, member=member, at_us=at_us, stands_us=at_us, requests=1, tokens=call.tokens, pico_usd=call.cost,
        ceiling_pico_usd=call.ceiling,
    )  # fmt: skip


def event(call: Call) -> Event:
    """The call as the ledger has it."""
    return Event(instant(call.at_us), "s", f"{call.number:02}", 1, call.tokens, usd(call.cost), usd(call.ceiling))


def looked_back(budget: Budget, some: Sequence[Call], sums: Iterable[Added]) -> list[Found]:
    """What the walk says, each to its event."""
    rules = Rules([Change(0, 0, {("budget", "acme", "b"): InForce(policy=budget, since=0, matched_since=0)})])
    start_us = sums_since_us([budget], START_US)
    found: list[Found] = []
    for fired in walk(rules, sums, start_us=start_us, end_us=START_US + DAYS * DAY):
        if fired.alert.rule != "threshold":
            continue
        near = (one for one in some if fired.at_us <= one.at_us < fired.at_us + QUARTER_US)
        mine = [event(one) for one in near if one.user == fired.alert.member or not budget.each]
        moment = crossed(fired, mine)
        assert moment.event is not None
        start = fired.alert.period_start
        start_us = 0 if start is None else us(start.isoformat())
        alert = fired.alert
        found.append((alert.member or "", start_us, alert.level, alert.basis, moment.event.id, moment.value))
    return found


def counted(budget: Budget, some: Sequence[Call]) -> list[Found]:
    """The same by counting every event on its own."""
    calendar = budget.calendar()
    spent: dict[tuple[str, int], list[Call]] = defaultdict(list)
    held: dict[tuple[str, int], dict[str, set[str]]] = defaultdict(lambda: {"actual": set(), "estimated": set()})
    today: dict[str, int] = {}
    found: list[tuple[int, Found]] = []
    for call in sorted(some, key=lambda one: (one.at_us, one.number)):
        member = call.user if budget.each else ""
        period = period_in(calendar, call.at_us)
        if period is None:
            continue
        key = (member, period.start_us)
        if budget.period == "rolling":
            _ease(budget, spent, held, key, today, call.at_us)
        spent[key].append(call)
        needs = _needs(budget, calendar, spent, key)
        for basis in ("actual", "estimated"):
            amount = _amount(budget, spent[key], estimated=basis == "estimated")
            new = [level for level, need in needs.items() if amount >= need and level not in held[key][basis]]
            held[key]["estimated"].update(new)
            held[key][basis].update(new)
            of_nothing = [] if _limit(budget, calendar, spent, key) else [one for one in new if " " not in one]
            for level in (one for one in new if one not in of_nothing[:-1]):  # shares of nothing are said once
                value = usd(amount) if budget.unit == "usd" else Decimal(amount)
                found.append((call.at_us // QUARTER_US, (*key, level, basis, f"{call.number:02}", value)))
    actual = {(quarter, one[:3]) for quarter, one in found if one[3] == "actual"}
    return [one for quarter, one in found if one[3] == "actual" or (quarter, one[:3]) not in actual]


def _amount(budget: Budget, some: Sequence[Call], *, estimated: bool) -> int:
    if budget.unit == "usd":
        return sum(one.cost + (one.ceiling if estimated else 0) for one in some)
    return sum(one.tokens for one in some) if budget.unit == "tokens" else len(some)


def _limit(
    budget: Budget, calendar: Calendar, spent: Mapping[tuple[str, int], Sequence[Call]], key: tuple[str, int]
) -> Fraction:
    """The limit of a period, in pico-USD or counts."""
    scale = PICO if budget.unit == "usd" else 1
    limit = Fraction(budget.limit) * scale
    before = period_in(calendar, key[1] - 1) if budget.roll_over else None
    if before is not None:
        left = max(Fraction(0), limit - _amount(budget, spent.get((key[0], before.start_us), ()), estimated=True))
        most = left if budget.roll_over_most is None else min(left, Fraction(budget.roll_over_most) * scale)
        limit += most
    return limit


def _needs(
    budget: Budget, calendar: Calendar, spent: Mapping[tuple[str, int], Sequence[Call]], key: tuple[str, int]
) -> dict[str, Fraction]:
    """What each level needs, in pico-USD or counts; at least the smallest there is."""
    scale = PICO if budget.unit == "usd" else 1
    limit = _limit(budget, calendar, spent, key)
    needs = {plain(share): max(Fraction(1), Fraction(share) * limit) for share in budget.thresholds}
    for amount in budget.threshold_amounts:
        needs[f"{plain(amount)} {budget.unit}"] = Fraction(amount) * scale
    return needs


def _ease(  # noqa: PLR0913, PLR0917  a step of the count above
    budget: Budget,
    spent: dict[tuple[str, int], list[Call]],
    held: dict[tuple[str, int], dict[str, set[str]]],
    key: tuple[str, int],
    today: dict[str, int],
    at_us: int,
) -> None:
    """On each day that begins what leaves the window takes back what is not reached any more."""
    zone, days = budget.timezone, budget.days or 1
    day_us = today.get(key[0], day_in(zone, at_us).start_us)
    while day_us < day_in(zone, at_us).start_us:
        day_us = day_in(zone, day_us).end_us
        first_us = days_before_us(zone, day_us, days - 1)
        spent[key] = [one for one in spent[key] if one.at_us >= first_us]
        needs = _needs(budget, budget.calendar(), spent, key)
        for basis, levels in held[key].items():
            amount = _amount(budget, spent[key], estimated=basis == "estimated")
            levels.intersection_update(level for level, need in needs.items() if amount >= need)
    today[key[0]] = day_us
