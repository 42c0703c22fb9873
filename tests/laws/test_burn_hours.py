"""Hours of budgets against a naive sum: order and cuts do not matter, a gap is zero, each is judged once an hour."""

from collections import Counter
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.policies import Budget, InForce
from streams.burn.deltas import from_rows
from streams.burn.hours import HOUR_US, HOURS, Hours, count_hours, forget_hours, history_of, new_hours, next_due
from streams.burn.in_force import compiled
from streams.burn.under import Under
from tests.scenarios.burn_log import Row, summed

BUDGET = Budget(id="b", org="acme", limit=Decimal(100))
POLICIES = compiled({("budget", "acme", "b"): InForce(policy=BUDGET, since=0, matched_since=0)}, offset=0)
PLAN = POLICIES.plans["acme", "b"]
UNDER = Under(POLICIES, rated_under=0, closed_us=0, opened=0, now_us=0)
KEY = ("acme", "b", "")
NOW = 500_000  # an hour since 1970; any
SPENT = st.tuples(st.one_of(st.integers(-1, 30), st.integers(0, 2 * HOURS)), st.integers(-(10**6), 10**9))
"""How many hours ago (-1: the hour after), and micro-USD."""


def filled(batches: list[list[tuple[int, int]]]) -> Hours:
    """The hours after the rows, batch by batch."""
    hours = new_hours()
    for batch in filter(None, batches):
        rows = [Row("acme", "budget", "b", (NOW - ago) * HOUR_US, cost_pico=micro * 10**6) for ago, micro in batch]
        deltas = from_rows(summed(rows))
        count_hours(hours, deltas, np.arange(len(deltas)), UNDER)
    return hours


@given(st.lists(st.lists(SPENT, max_size=8), min_size=1, max_size=6).filter(any))
def test_history_is_every_hour_of_the_ring_and_nothing_else(batches: list[list[tuple[int, int]]]) -> None:
    """From the oldest row on, at most 35 days, each whole hour has the sum of its rows; other orders change nothing."""
    rows = [row for batch in batches for row in batch]
    hours = filled(batches)
    newest, oldest = NOW - min(ago for ago, _ in rows), NOW - max(ago for ago, _ in rows)
    sums: Counter[int] = Counter()
    for ago, micro in rows:
        sums[NOW - ago] += micro
    first = max(oldest, max(newest, NOW) - HOURS + 1)
    found = history_of(hours, 0, PLAN, now_us=NOW * HOUR_US + 5)
    assert (found is None) == (first >= NOW)
    if found is not None:
        assert found.start.timestamp() == first * 3600
        assert found.amounts.tolist() == [sums[hour] / 1e6 for hour in range(first, NOW)]
    other = filled([[row] for row in reversed(rows)])
    assert [hours.read(0).columns[name] for name in ("newest", "oldest", "amount")] == [
        other.read(0).columns[name] for name in ("newest", "oldest", "amount")
    ]


@given(st.text(max_size=5), st.integers(0, 2**50))
def test_each_row_is_due_once_an_hour(name: str, now_us: int) -> None:
    """The next moment lies within an hour after now, and the ones after it an hour apart."""
    due_us = next_due(("acme", name, ""), now_us)
    assert now_us < due_us <= now_us + HOUR_US
    assert next_due(("acme", name, ""), due_us) == due_us + HOUR_US


def test_rows_of_old_hours_and_of_budgets_without_forecasts_are_forgotten() -> None:
    """What has not been used for 35 days; and of what is in force only budgets with alerts by forecast."""
    hours = filled([[(0, 5)]])
    forget_hours(hours, {("acme", "b")}, floor_us=(NOW + HOURS - 1) * HOUR_US)
    assert list(hours.slots) == [KEY]
    forget_hours(hours, {("acme", "b")}, floor_us=(NOW + HOURS) * HOUR_US)
    assert list(hours.slots) == []
    hours = filled([[(0, 5)]])
    forget_hours(hours, set(), floor_us=NOW * HOUR_US)
    assert list(hours.slots) == []
