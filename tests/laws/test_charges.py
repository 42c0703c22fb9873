"""Charges debit budgets exactly what the days of their service periods are worth, whatever happens on the way."""

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.periods import period_of
from schemas.policies import Budget
from streams.rating.spreading import ServiceDays, days_due, noon_us, shares
from tests.laws.charge_world import HOME, HOUR_US, NOW_US, ChangingPolicies, Lane, message, truth
from tests.scenarios.burn_log import us

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "America/Havana", "Africa/Cairo")
amounts = st.integers(-(10**22), 10**22)
first_days = st.dates(date(2001, 1, 1), date(2100, 1, 1))


def whole(pico: int, first: date, days: int, zone: str) -> list[int]:
    """The share of each day."""
    found = shares(pico, ServiceDays(first, days, zone), start=0, stop=days)
    return [micro * 10**6 + rest for micro, rest in zip(found.micro.tolist(), found.pico.tolist(), strict=True)]


@settings(max_examples=40, deadline=None)
@given(amounts, first_days, st.integers(1, 1500), st.integers(0, 1500), st.integers(0, 1500))
def test_shares_add_up_to_the_amount_to_the_last_digit(pico: int, first: date, days: int, a: int, b: int) -> None:
    """All days make the amount, no two differ by more than a pico-USD, and any cut of them is the same days."""
    every = whole(pico, first, days, "UTC")
    assert sum(every) == pico
    assert max(every) - min(every) <= 1
    start, stop = sorted((min(a, days), min(b, days)))
    part = shares(pico, ServiceDays(first, days, "UTC"), start=start, stop=stop)
    assert [m * 10**6 + p for m, p in zip(part.micro.tolist(), part.pico.tolist(), strict=True)] == every[start:stop]


@given(amounts, first_days, st.integers(1, 800))
def test_a_refund_takes_back_each_day_exactly(pico: int, first: date, days: int) -> None:
    """The same amount over the same days with the other sign leaves nothing of any day."""
    assert whole(pico, first, days, "UTC") == [-share for share in whole(-pico, first, days, "UTC")]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(available_timezones())), st.dates(date(2000, 6, 1), date(2040, 1, 1)))
def test_a_share_stands_in_its_own_local_day(zone: str, day: date) -> None:
    """Noon is in the budget's day of that date where zones agree: through every change of the clocks."""
    period = period_of(noon_us(day.toordinal(), zone), "day", zone)
    begins = period_of(noon_us(day.toordinal(), zone) - 12 * HOUR_US, "day", zone)
    assert period.start_us <= noon_us(day.toordinal(), zone) < period.end_us
    assert begins.start_us <= period.start_us


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.dates(date(2010, 1, 1), date(2030, 1, 1)),
    st.lists(st.integers(-60 * 86_400, 60 * 86_400), min_size=2, max_size=20),
)
def test_what_is_due_never_falls(zone: str, first: date, moments_sec: list[int]) -> None:
    """Time goes on, days become due; where clocks go back over a midnight, none is taken back."""
    start_us = noon_us(first.toordinal(), zone)
    due = [days_due(ServiceDays(first, 30, zone), at_us=start_us + sec * 1_000_000) for sec in sorted(moments_sec)]
    assert due == sorted(due)
    assert set(due) <= set(range(31))


@pytest.mark.parametrize(
    ("zone", "day", "before", "begins"),
    [
        ("UTC", "2026-11-22", "2026-11-21T23:59:59", "2026-11-22T00:00:00"),
        ("Europe/Berlin", "2026-03-29", "2026-03-28T22:59:59", "2026-03-28T23:00:00"),
        ("Africa/Cairo", "2024-04-26", "2024-04-25T21:59:59", "2024-04-25T22:00:00"),  # midnight is skipped
        ("America/Havana", "2024-11-03", "2024-11-03T03:59:59", "2024-11-03T04:00:00"),  # midnight comes twice
        ("Asia/Kolkata", "2026-11-22", "2026-11-21T18:29:59", "2026-11-21T18:30:00"),
    ],
)
def test_a_day_is_due_from_its_first_instant_on(zone: str, day: str, before: str, begins: str) -> None:
    """In the charge's zone, on tricky dates."""
    first = date.fromisoformat(day)
    due = [days_due(ServiceDays(first, 2, zone), at_us=us(text)) for text in (before, begins)]
    assert due == [0, 1]


def test_a_day_that_has_begun_stays_due_when_clocks_go_back_over_its_midnight() -> None:
    """Newfoundland, 7 November 2010: a minute after midnight it was 23:01 of the day before once more."""
    service = ServiceDays(date(2010, 11, 7), 2, "America/St_Johns")
    moments = ("02:29:59", "02:30:00", "02:45:00", "03:29:59", "03:30:00")
    assert [days_due(service, at_us=us(f"2010-11-07T{moment}")) for moment in moments] == [0, 1, 1, 1, 1]


BUDGETS = (
    Budget(id="org", org="acme", limit=Decimal(1)),
    Budget(id="code", org="acme", scope={"team": "code"}, limit=Decimal(1), period="week", timezone="Europe/Berlin"),
    Budget(id="teams", org="acme", each="team", limit=Decimal(1), period="day", timezone="America/New_York"),
    Budget(id="tokens", org="acme", limit=Decimal(1), unit="tokens"),
    Budget(id="hours", org="acme", limit=Decimal(1), period="hour"),
    Budget(id="other", org="stark", scope={"provider": "github"}, limit=Decimal(1)),
)
LATER = (
    Budget(id="late", org="acme", limit=Decimal(1), period="week"),
    Budget(id="code", org="acme", scope={"team": "ops"}, limit=Decimal(1), period="week"),
    Budget(id="org", org="acme", limit=Decimal(5)),
)
charges = st.builds(
    lambda number, revision, kind, pico, start, days, zone, team, org: message(
        f"c-{number}",
        revision=revision,
        kind=kind,
        amount_usd=format(Decimal(-pico if kind in {"credit", "refund"} else pico).scaleb(-12), "f"),
        service_from=str(date(2026, 11, 22) + timedelta(days=start)),
        service_until=str(date(2026, 11, 22) + timedelta(days=start + days)),
        timezone=zone,
        team=team,
        org=org,
        provider="github",
    ),
    st.integers(0, 4),
    st.integers(1, 3),
    st.sampled_from(["seat", "subscription", "credit", "refund", "adjustment"]),
    st.integers(0, 10**18),
    st.integers(-60, 10),
    st.integers(1, 90),
    st.sampled_from(ZONES),
    st.sampled_from(["code", "ops", None]),
    st.sampled_from(["acme", "acme", "stark"]),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.lists(charges, min_size=1, max_size=4)),
        st.tuples(st.just("time"), st.integers(0, 80)),
        st.tuples(st.just("policy"), st.integers(0, len(LATER) - 1)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=14,
)


def standing_after(sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The charges that stand: of each org's id the first message of its highest revision."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in sent:
        key = (one["data"]["org"], one["id"])
        before = found.get(key)
        if before is None or one["data"]["revision"] > before["data"]["revision"]:
            found[key] = one
    return list(found.values())


@settings(max_examples=80, deadline=None)
@given(steps)
def test_budgets_hold_the_days_that_have_begun(story: list[tuple[str, Any]]) -> None:
    """Through batches, revisions, days that pass, budgets that come and change, and restarts: exactly that."""
    policies = ChangingPolicies(*BUDGETS)
    lane, now_us, sent = Lane(policies), NOW_US, []
    for what, value in story:
        if what == "send":
            lane.send(value, at_us=now_us)
            sent += value
        elif what == "time":
            now_us += value * HOUR_US
        elif what == "policy":
            policies.set(LATER[value])
        else:
            lane.restart()
    for _ in range(12):
        lane.tick(now_us)
    budgets: list[Any] = [entry.policy for entry in policies.policies.values()]
    assert lane.spent() == truth(standing_after(sent), budgets, at_us=now_us)


@settings(max_examples=30, deadline=None)
@given(st.lists(charges, max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_batches_and_copies_change_nothing(sent: list[dict[str, Any]], cuts: list[int]) -> None:
    """However messages are cut, and all of them sent again: the same sums, the same charges kept."""
    one, other = Lane(ChangingPolicies(*BUDGETS)), Lane(ChangingPolicies(*BUDGETS))
    if sent:
        one.send(sent)
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(sent)], strict=True):
        if sent[start:stop]:
            other.send(sent[start:stop])
    assert one.spent() == other.spent()
    once = one.spent()
    if sent:
        before = dict(one.kept.records)
        again = one.send(standing_after(sent), at_us=NOW_US)
        assert [output.topic for output in again.outputs] == ["internal.charges"]
        assert one.kept.records.keys() == before.keys()
    assert once == one.spent()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), charges), max_size=10))
def test_charges_debit_once_wherever_they_come(sent: list[tuple[int, dict[str, Any]]]) -> None:
    """Copies and revisions in any partitions, as other keys lead there: one lane debits all charges of an org."""
    lanes = [Lane(ChangingPolicies(*BUDGETS), partition) for partition in range(4)]
    arrived: list[dict[str, Any]] = []
    for partition, one in sent:
        result = lanes[partition].send([one])
        on = [output for output in result.outputs if output.topic == "usage.charges"]
        assert len(on) == (partition != HOME)
        for output in on:
            assert output.partition == HOME
            lanes[HOME].send([output.value])
        arrived.append(one)
    found = [lane.spent() for lane in lanes]
    budgets = [entry.policy for entry in lanes[HOME].policies.policies.values()]
    assert found[HOME] == truth(standing_after(arrived), budgets, at_us=NOW_US)  # type: ignore[arg-type]  # all are budgets
    assert not any(found[1:])


@settings(max_examples=20, deadline=None)
@given(st.lists(charges, min_size=1, max_size=6), st.binary(max_size=60))
def test_every_record_is_a_letter_or_changes_something_or_nothing(sent: list[dict[str, Any]], junk: bytes) -> None:
    """Dead letters, copies and charges that stand add up to the records; no bytes make the lane raise."""
    lane = Lane(ChangingPolicies())
    values = [*(json.dumps(one).encode() for one in sent), junk, None, b"{}"]
    result = lane.send(values)
    letters = [output for output in result.outputs if output.topic == "usage.dead_letters"]
    kept = {output.key for output in result.outputs if output.topic == "internal.charges"}
    stands = {key for key in kept if key is not None and len(key) == 32}
    assert len(letters) >= 3
    assert len(letters) + lane.logic.copies_dropped + len(stands) <= len(values)
    assert len(stands) == len({(one["data"]["org"], one["id"]) for one in sent})
