"""How good the forecast is: rolling origins over a whole series, coverage of the band and pinball loss. Pure.

From each origin only what came before it is read. The linear rule is that of LiteLLM: spent so far divided by the
elapsed share of the period, one number that stands for all three quantiles.
Source: https://github.com/BerriAI/litellm litellm/proxy/utils.py, _get_projected_spend_over_limit (in whole days);
pinball loss: Koenker and Bassett, Regression Quantiles, 1978.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from streams.forecast.forecast import SHARES
from streams.forecast.history import Amounts, History
from streams.forecast.remaining import ForecastRule, remaining
from streams.forecast.shape import past_of

ORIGIN_SHARES = tuple(place / 20 for place in range(1, 20))
"""5 % to 95 % of the period, in steps of 5 %."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One forecast and what came: all amounts are spend at the end of the period, `scale` the series' mean of it."""

    period_start: datetime
    elapsed_ratio: float
    actual: float
    p10: float
    p50: float
    p90: float
    linear: float
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What the cases say together; `None` where the linear rule was never wrong.

    Coverage: the share of cases within [P10, P90]. Losses are means of the pinball loss over the three quantiles, each
    case by its own series' mean period, so that every client counts alike; `in_units_...` is of the plain losses, where
    the largest clients decide; `middle_...` is of P50 alone.
    """

    cases: int
    coverage_ratio: float
    below_ratio: float
    above_ratio: float
    pinball_loss: float
    linear_pinball_loss: float
    pinball_to_linear_ratio: float | None
    in_units_pinball_to_linear_ratio: float | None
    middle_pinball_to_linear_ratio: float | None


def linear_estimate(*, spent: float, elapsed_ratio: float) -> float:
    """Spend at the end of the period by LiteLLM's rule; the elapsed share is above zero."""
    return spent / elapsed_ratio


def pinball(*, actual: float, estimates: tuple[float, float, float]) -> float:
    """The mean pinball loss of P10, P50 and P90; 0 where all three are what came."""
    return sum(max(q * (actual - at), (q - 1) * (actual - at)) for q, at in zip(SHARES, estimates, strict=True)) / 3


def cases(series: History, *, period_buckets: int, rule: ForecastRule | None = None) -> Iterator[Case]:
    """Each forecast from each origin of each whole period of the series; none while nothing was spent before."""
    amounts = np.maximum(series.amounts, 0.0)
    whole = len(amounts) // period_buckets * period_buckets
    if not amounts.any() or not whole:
        return
    scale = float(amounts.mean()) * period_buckets
    for begin in range(0, whole, period_buckets):
        actual = float(amounts[begin : begin + period_buckets].sum())
        for share in ORIGIN_SHARES:
            found = case_at(
                series,
                begin=begin,
                origin=begin + round(share * period_buckets),
                period_buckets=period_buckets,
                rule=rule,
            )
            if found is not None:
                yield replace(found, actual=actual, scale=scale)


def case_at(
    series: History, *, begin: int, origin: int, period_buckets: int, rule: ForecastRule | None = None
) -> Case | None:
    """The forecast from one origin, by the buckets before it; `actual` and `scale` are not filled in."""
    known = series.amounts[:origin]
    if origin <= begin or not (known > 0).any():
        return None
    chosen = rule or ForecastRule()
    end = begin + period_buckets
    past = past_of(replace(series, amounts=known), until=end, rule=chosen.shape)
    spent = float(past.spent_sums[origin] - past.spent_sums[begin])
    rest = remaining(past, begin=origin, end=end, rule=chosen).quantiles(SHARES) if end > origin else np.zeros(3)
    p10, p50, p90 = (spent + amount for amount in rest.tolist())
    elapsed = (origin - begin) / period_buckets
    return Case(
        period_start=series.at(begin),
        elapsed_ratio=elapsed,
        actual=0.0,
        p10=p10,
        p50=p50,
        p90=p90,
        linear=linear_estimate(spent=spent, elapsed_ratio=elapsed),
        scale=0.0,
    )


def score(of: Iterable[Case]) -> Score | None:
    """What the cases say together; None of no case."""
    given = list(of)
    if not given:
        return None
    actual, scale = _column(given, "actual"), _column(given, "scale")
    slack = _ROUNDING * (1.0 + actual)
    below, above = actual < _column(given, "p10") - slack, actual > _column(given, "p90") + slack
    ours = np.array([pinball(actual=case.actual, estimates=(case.p10, case.p50, case.p90)) for case in given])
    line = np.array([pinball(actual=case.actual, estimates=(case.linear,) * 3) for case in given])
    ours_middle, line_middle = np.abs(actual - _column(given, "p50")), np.abs(actual - _column(given, "linear"))
    return Score(
        cases=len(given),
        coverage_ratio=float(1.0 - below.mean() - above.mean()),
        below_ratio=float(below.mean()),
        above_ratio=float(above.mean()),
        pinball_loss=float((ours / scale).mean()),
        linear_pinball_loss=float((line / scale).mean()),
        pinball_to_linear_ratio=_ratio(ours / scale, line / scale),
        in_units_pinball_to_linear_ratio=_ratio(ours, line),
        middle_pinball_to_linear_ratio=_ratio(ours_middle / scale, line_middle / scale),
    )


def _column(given: list[Case], name: str) -> Amounts:
    return np.array([getattr(case, name) for case in given], dtype=np.float64)


def _ratio(ours: Amounts, line: Amounts) -> float | None:
    return float(ours.sum() / line.sum()) if line.sum() > 0 else None
