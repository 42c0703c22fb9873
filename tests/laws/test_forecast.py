"""Laws of the forecast, for any history: nothing of the future, ordered quantiles, no number out of nothing."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.errors import InputError
from streams.forecast import Forecast, History, forecast
from streams.forecast.samples import Samples
from streams.forecast.scoring import case_at

START = datetime(2026, 11, 2, tzinfo=UTC)
BUCKET_SEC = 3600
QUANTUM = Decimal("0.000002")

busy = st.floats(min_value=0.001, max_value=1e6)
amounts = st.lists(st.one_of(st.just(0.0), busy), min_size=1, max_size=24 * 20)


def history(values: list[float]) -> History:
    """These hours from the start."""
    return History(start=START, bucket_sec=BUCKET_SEC, amounts=np.array(values))


def found(values: list[float], *, ahead_min: int, spent: Decimal, limit: Decimal | None) -> Forecast | None:
    """The forecast some minutes after the last bucket of these hours."""
    now = START + timedelta(seconds=BUCKET_SEC * len(values) + 600)
    end = now + timedelta(minutes=ahead_min)
    return forecast(history(values), now=now, period_end=end, spent=spent, limit=limit)


@given(amounts, st.integers(1, 60_000), st.integers(0, 10**6), st.integers(0, 10**7))
@example([1.0, 1.0, 1.0], 1, 0, 0)  # a chance of 1.0000000000000002, once
def test_quantiles_ascend_from_what_is_spent(values: list[float], ahead_min: int, spent: int, limit: int) -> None:
    """spent <= P10 <= P50 <= P90, and the dates ascend between now and the end of the period."""
    told = found(values, ahead_min=ahead_min, spent=Decimal(spent), limit=Decimal(limit))
    if not any(values):
        assert told is None
        return
    assert told is not None
    assert told.spent <= told.p10 <= told.p50 <= told.p90
    dates = [at if at is not None else told.period_end for at in (told.earliest, told.median, told.latest)]
    assert told.now <= dates[0] <= dates[1] <= dates[2] <= told.period_end
    assert told.reaches_limit_ratio is not None
    assert 0 <= told.reaches_limit_ratio <= 1


@given(amounts.filter(any), st.integers(600, 60_000), st.sampled_from(["p10", "p50", "p90"]), st.floats(0.8, 1.2))
def test_a_date_is_told_exactly_when_its_quantile_reaches_the_limit(
    values: list[float], ahead_min: int, near: str, factor: float
) -> None:
    """The median date is there where P50 is at least the limit, and so for the others; limits lie near a quantile."""
    first = found(values, ahead_min=ahead_min, spent=Decimal(0), limit=None)
    assert first is not None
    limit = (getattr(first, near) * Decimal(factor)).quantize(QUANTUM) + QUANTUM
    told = found(values, ahead_min=ahead_min, spent=Decimal(0), limit=limit)
    assert told is not None
    pairs = ((told.p90, told.earliest), (told.p50, told.median), (told.p10, told.latest))
    for quantile, at in pairs:
        if abs(quantile - limit) > QUANTUM:
            assert (quantile > limit) == (at is not None)


@given(amounts, st.lists(busy, min_size=24, max_size=24), st.integers(1, 23))
def test_what_comes_later_changes_nothing_before(values: list[float], later: list[float], origin: int) -> None:
    """A forecast reads nothing after its origin."""
    day = len(values) // 24 * 24
    known = (values + later)[: day + origin]
    one = case_at(history(known + [0.0] * 48), begin=day, origin=day + origin, period_buckets=24)
    other = case_at(history(known + later + later), begin=day, origin=day + origin, period_buckets=24)
    assert one == other


@given(st.integers(0, 500), st.integers(1, 60_000))
def test_nothing_spent_is_no_forecast(hours: int, ahead_min: int) -> None:
    """Of a history without spend nothing is forecast, however long it is."""
    assert found([0.0] * hours, ahead_min=ahead_min, spent=Decimal(5), limit=Decimal(10)) is None


@given(amounts.filter(any), st.integers(1, 60_000))
def test_the_unit_does_not_matter(values: list[float], ahead_min: int) -> None:
    """A thousand times the history is a thousand times the forecast."""
    small = found(values, ahead_min=ahead_min, spent=Decimal(0), limit=None)
    large = found([value * 1000 for value in values], ahead_min=ahead_min, spent=Decimal(0), limit=None)
    assert small is not None
    assert large is not None
    for one, other in ((small.p10, large.p10), (small.p50, large.p50), (small.p90, large.p90)):
        assert float(other) == pytest.approx(1000 * float(one), rel=1e-6, abs=0.01)


@given(
    st.lists(st.tuples(st.floats(0, 1e9), st.floats(0.01, 10)), min_size=1, max_size=50),
    st.lists(st.floats(0.001, 0.999), min_size=2, max_size=9).map(sorted),
)
def test_quantiles_are_samples_and_ascend(pairs: list[tuple[float, float]], shares: list[float]) -> None:
    """Each quantile is one of the amounts, and has at least its share of the weight at or below it."""
    values, weights = (np.array(column) for column in zip(*pairs, strict=True))
    quantiles = Samples(values, weights).quantiles(shares)
    assert list(quantiles) == sorted(quantiles)
    for share, quantile in zip(shares, quantiles.tolist(), strict=True):
        assert quantile in values
        assert weights[values <= quantile].sum() >= share * weights.sum() * (1 - 1e-9)


def test_a_history_with_a_hole_is_refused() -> None:
    """A history must reach the last whole bucket before now: missing is not zero."""
    now = START + timedelta(hours=3)
    with pytest.raises(InputError, match="does not end before"):
        forecast(history([1.0, 1.0]), now=now, period_end=now + timedelta(hours=1), spent=Decimal(0))
