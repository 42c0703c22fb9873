"""Laws of what one success costs."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.value import MIN_FOR_INTERVAL, UnitSums, per_success, student_t

_outcomes = st.lists(st.tuples(st.integers(0, 10**9), st.booleans()), max_size=20)


def sums(outcomes: list[tuple[int, bool]]) -> UnitSums:
    """Sums over (cost in micro-USD, succeeded)."""
    return UnitSums(
        with_cost=len(outcomes),
        succeeded_with_cost=sum(succeeded for _, succeeded in outcomes),
        cost_usd=Decimal(sum(cost for cost, _ in outcomes)).scaleb(-6) if outcomes else None,
        squares_usd2=sum((cost / 1e6) ** 2 for cost, _ in outcomes),
        succeeded_usd=sum(cost / 1e6 for cost, succeeded in outcomes if succeeded),
    )


@given(_outcomes)
def test_failures_cost_what_they_cost(outcomes: list[tuple[int, bool]]) -> None:
    """All cost is divided by the successes, exactly; without a success nothing is said, and certainly not zero."""
    found = per_success(sums(outcomes))
    successes = sum(succeeded for _, succeeded in outcomes)
    if not successes:
        assert (found.mean_usd, found.low_usd, found.high_usd) == (None, None, None)
        return
    assert found.mean_usd is not None
    exact = Fraction(sum(cost for cost, _ in outcomes), successes * 10**6)
    assert abs(Fraction(found.mean_usd) - exact) <= Fraction(1, 2 * 10**12)


@given(_outcomes)
def test_an_interval_holds_its_mean_and_needs_five_outcomes(outcomes: list[tuple[int, bool]]) -> None:
    """It is never below zero, and narrower where the same was seen four times as often."""
    found, more = per_success(sums(outcomes)), per_success(sums(outcomes * 4))
    if found.mean_usd is None or len(outcomes) < MIN_FOR_INTERVAL:
        assert (found.low_usd, found.high_usd) == (None, None)
        return
    assert found.low_usd is not None
    assert found.high_usd is not None
    assert more.high_usd is not None
    slack = 1e-6 * float(found.mean_usd) + 1e-9
    assert 0 <= found.low_usd <= float(found.mean_usd) + slack
    assert float(found.mean_usd) - slack <= found.high_usd
    assert more.high_usd <= found.high_usd + slack


def test_equal_successes_leave_no_doubt() -> None:
    """Ten of a dollar each: a dollar, and nothing else."""
    found = per_success(sums([(10**6, True)] * 10))
    assert (found.mean_usd, found.low_usd, found.high_usd) == (Decimal(1), 1.0, 1.0)


@pytest.mark.parametrize(("freedom", "exact"), [(4, 2.776), (9, 2.262), (29, 2.045), (1000, 1.962)])
def test_students_t_is_that_of_the_tables(freedom: int, exact: float) -> None:
    """Within 2 %."""
    assert student_t(freedom) == pytest.approx(exact, rel=0.02)
