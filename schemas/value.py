"""What one success costs: the ratio of all spend, failures included, to how many succeeded, and how sure that is. Pure.

Laws
1. The mean is exact: the cost of everything with known spend, divided by the successes among it, rounded once.
2. Without a success, or without known spend, there is no mean: missing is not zero.
3. Below MIN_FOR_INTERVAL outcomes with known spend there is no interval; else it holds the mean.
Source: ratio estimate, Cochran, Sampling Techniques (1977), chapter 6; Student's t by Abramowitz and Stegun 26.7.5. The
view `unit_costs` says the same in SQL.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from math import sqrt

MIN_FOR_INTERVAL = 5
_PICO = Decimal("1e-12")
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_Z = 1.959964
_T1, _T2 = (_Z**3 + _Z) / 4, (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSums:
    """What a mean is made of: outcomes with known spend, those of them that succeeded, and sums over them.

    `squares_usd2` is the sum of squared costs, `succeeded_usd` what those that succeeded cost.
    """

    with_cost: int
    succeeded_with_cost: int
    cost_usd: Decimal | None
    squares_usd2: float
    succeeded_usd: float


@dataclass(frozen=True, slots=True)
class UnitCost:
    """USD per success; None where it is not known. The true mean lies in [low, high] with a chance of 95 %."""

    mean_usd: Decimal | None
    low_usd: float | None
    high_usd: float | None


def per_success(sums: UnitSums) -> UnitCost:
    """What one success costs."""
    if sums.cost_usd is None or not sums.succeeded_with_cost:
        return UnitCost(None, None, None)
    exact = _EXACT.divide(sums.cost_usd, Decimal(sums.succeeded_with_cost)).quantize(_PICO, context=_EXACT)
    if sums.with_cost < MIN_FOR_INTERVAL:
        return UnitCost(exact, None, None)
    mean, count = float(sums.cost_usd) / sums.succeeded_with_cost, sums.with_cost
    residual = sums.squares_usd2 - 2 * mean * sums.succeeded_usd + mean * mean * sums.succeeded_with_cost
    reach = student_t(count - 1) * sqrt(max(0.0, residual) * count / (count - 1)) / sums.succeeded_with_cost
    return UnitCost(exact, max(0.0, mean - reach), mean + reach)


def student_t(freedom: int) -> float:
    """How many standard errors hold 95 % with so many degrees of freedom; right to 2 % from 4 on."""
    return _Z + _T1 / freedom + _T2 / freedom**2
