"""Openings: no interval of an opening holds two periods, and each budget in force is asked for exactly once."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import CorruptStateError
from schemas.internal import OPENING_SCHEMA, from_arrow_bytes
from schemas.periods import Calendar, Kind, period_of
from schemas.policies import Budget, InForce, Policies, key_of
from sinks.openings import MOST_VALUE_BYTES, Question, opening, questions
from sinks.periods import KEPT_US, period_starts, start_of

ZONES = ("UTC", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Cairo")
KINDS: tuple[Kind, ...] = ("hour", "day", "week", "month", "quarter", "year")
YEAR_US = 366 * 86_400_000_000
BEGIN_US = 1_700_000_000_000_000


def test_a_day_without_midnight_begins_where_burn_says() -> None:
    """The skipped midnight of Sao Paulo in 2018 and Cairo's change at midnight begin their days where burn says."""
    days = {
        "America/Sao_Paulo": datetime(2018, 11, 4, 12, tzinfo=UTC),
        "Africa/Cairo": datetime(2024, 4, 26, 9, tzinfo=UTC),
    }
    for zone, at in days.items():
        at_us = int(at.timestamp()) * 1_000_000
        starts = period_starts(Calendar("day", zone), floor_us=at_us, lead_us=at_us)
        assert start_of(starts, at_us) == period_of(at_us, "day", zone).start_us


@given(
    st.sampled_from(KINDS),
    st.sampled_from(ZONES),
    st.integers(BEGIN_US, BEGIN_US + YEAR_US),
    st.integers(0, 3 * 86_400_000_000),
    st.floats(0, 1),
)
def test_what_is_summed_over_an_interval_belongs_to_one_period(
    kind: Kind, zone: str, floor_us: int, behind_us: int, part: float
) -> None:
    """Any instant lies in the same period as the start that it is summed under; all that burn keeps is covered."""
    lead_us = floor_us + behind_us
    starts = period_starts(Calendar(kind, zone), floor_us=floor_us, lead_us=lead_us)
    assert list(starts) == sorted(set(starts))
    assert starts[0] <= floor_us - KEPT_US
    assert starts[-1] > lead_us
    at_us = starts[0] + int(part * (lead_us - starts[0]))
    start = start_of(starts, at_us)
    assert start <= at_us
    assert period_of(start, kind, zone) == period_of(at_us, kind, zone)
    if kind != "hour":
        assert start == period_of(at_us, kind, zone).start_us
        assert len([before for before in starts if before <= floor_us]) >= 3


def in_force(*budgets: Budget, since: int = 3) -> dict[tuple[str, str, str], InForce]:
    """The budgets, all matching since an offset."""
    return {key_of(one): InForce(policy=one, since=since, matched_since=since) for one in budgets}


def budget(name: str, **changes: Any) -> Budget:
    """A budget of acme."""
    return Budget(**{"id": name, "org": "acme", "limit": Decimal(1), **changes})


def asked(policies: Policies, *, opened: int = -1) -> list[Question]:
    """The questions at the beginning of the year."""
    return questions(policies, opened=opened, floor_us=BEGIN_US, lead_us=BEGIN_US)


def test_ten_thousand_budgets_are_few_questions() -> None:
    """Budgets of one signature are one statement, cut only where its values are too many; none is left out or twice."""
    many = [budget(f"b{n}", scope={"team": f"team-{n:05}", "model": "m"}) for n in range(10_000)]
    more = [budget(f"c{n}", scope={"team": f"team-{n:05}", "model": "m"}, unit="tokens") for n in range(10)]
    found = asked(in_force(*many, *more))
    assert len(found) == 2
    ids = Counter(name for question in found for names in question.budgets.values() for name in names)
    assert ids == Counter({one.id: 1 for one in (*many, *more)})
    for question in found:
        assert sum(len(value) for value in question.parameters()["v2"]) < MOST_VALUE_BYTES


def test_only_what_is_new_is_asked_for() -> None:
    """A budget that was opened is not asked for; fields, members, zones, periods and offsets make signatures."""
    old, new = in_force(budget("old"), since=3), in_force(budget("new"), budget("each", each="team"), since=5)
    found = asked(old | new, opened=3)
    assert [(question.each, question.matched_since) for question in found] == [(None, 5), ("team", 5)]
    variants = in_force(
        budget("d", period="day"), budget("z", timezone="Asia/Kolkata"), budget("s", scope={"pool": "p"})
    )
    assert len(asked(old | new | variants, opened=-1)) == 6


def test_values_are_parameters_and_names_are_ours() -> None:
    """No text of a policy is in the statement; a field that is no column of a scope is refused."""
    evil = "x') OR 1=1 --"
    [question] = asked(in_force(budget("b", scope={"team": evil}, org=evil)))
    assert evil not in question.sql()
    assert question.parameters()["v1"] == [evil]
    with pytest.raises(CorruptStateError, match="no column of the ledger"):
        Question(("team) OR (1=1",), None, 1, (0,), {}).sql()


def test_answers_become_rows_of_each_budget_that_they_are_of() -> None:
    """One row per budget, member and period; money is split exactly; combinations that nobody asked for are dropped."""
    [question] = asked(
        in_force(budget("a", each="user", scope={"team": "t"}), budget("b", each="user", scope={"team": "t"}))
    )
    sums = (7, 1, 2, 100, 50, 30, 20, 10, Decimal("1.234567890123"), Decimal("0.000001000002"), 11, 99)
    rows = list(question.rows([("acme", "t", "u", 1000, *sums), ("acme", "other", "u", 1000, *sums)]))
    [message] = opening(rows, opened=3)
    found = from_arrow_bytes(message.value)
    assert found.schema == OPENING_SCHEMA
    assert [row["entity_id"] for row in found.to_pylist()] == ["a", "b"]
    row = found.to_pylist()[0]
    assert (row["cost_micro_usd"], row["cost_pico_remainder"], row["member"]) == (1_234_567, 890_123, "u")
    assert (row["ceiling_micro_usd"], row["ceiling_pico_remainder"]) == (1, 2)
    assert (row["bucket_us"], row["first_us"], row["last_us"], row["matched_since"]) == (1000, 11, 99, 3)
    assert (row["live"], row["user_hashes"], row["requests"], row["reasoning_tokens"]) == (False, None, 7, 10)


def test_an_opening_without_rows_is_said_too() -> None:
    """One empty message: burn may judge the budget."""
    [message] = opening([], opened=8)
    assert (message.partition, message.headers.kind, message.headers.opened, message.headers.rows) == (
        0,
        "opening",
        8,
        0,
    )
    assert from_arrow_bytes(message.value).num_rows == 0


def test_the_first_start_lies_two_periods_back() -> None:
    """Of a month's budget in November, September is the first."""
    at_us = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp()) * 1_000_000
    first, *_, last = period_starts(Calendar("month", "UTC"), floor_us=at_us, lead_us=at_us)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert epoch + timedelta(microseconds=first) == datetime(2026, 9, 1, tzinfo=UTC)
    assert epoch + timedelta(microseconds=last) == datetime(2026, 12, 1, tzinfo=UTC)
