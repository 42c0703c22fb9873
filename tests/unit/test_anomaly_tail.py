"""The tail of margins: it is what was drawn, says a chance for each threshold, and asks for more of more keys."""

import numpy as np
import pytest

from streams.anomalies.rules import Rules
from streams.anomalies.tail import PRIOR, Pool, Tail, fit
from streams.anomalies.thresholds import fires_at


def test_a_fitted_tail_is_the_tail_that_was_drawn() -> None:
    """Of exponential margins the threshold of one in 10,000 is exceeded by one in 10,000, within a half."""
    drawn = np.random.default_rng(1).exponential(0.5, 40_000).astype(np.float32)
    tail = fit(drawn[:8000], blocks=8000)
    assert tail is not None
    assert tail.shape == pytest.approx(0, abs=0.25)
    exceeded = float((drawn > tail.threshold(1e-3)).mean())
    assert 0.5e-3 < exceeded < 2e-3
    assert tail.p_value(tail.threshold(1e-4)) == pytest.approx(1e-4)
    assert fit(drawn[:50], blocks=50) is None


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.4])
def test_threshold_and_chance_are_each_others_inverse(shape: float) -> None:
    """Whatever the shape: the rarer, the higher; the chance of the threshold is the rate that was asked for."""
    tail = Tail(1.0, 0.1, 0.5, shape, 0.4)
    rates = [0.5, 0.3, 0.1, 1e-2, 1e-3, 1e-4]
    thresholds = [tail.threshold(rate) for rate in rates]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] == 0
    assert thresholds[2] == pytest.approx(1)
    assert [tail.p_value(one) for one in thresholds[1:]] == pytest.approx(rates[1:])
    assert tail.p_value(0.0) == 1.0


def test_more_keys_ask_for_more() -> None:
    """The same number of false alerts among more keys is a higher threshold, up to the highest."""
    least = [fires_at(PRIOR, Rules(), blocks_per_day=blocks) for blocks in (1, 1e3, 1e4, 1e7)]
    assert least == sorted(least)
    assert least[-1] == Rules().most_margin


@pytest.mark.parametrize(("blocks", "a_day"), [([], 0), ([10, 20, 90], 90), ([90, 20, 10], 40)])
def test_the_more_are_judged_now_the_more_blocks_a_day_has(blocks: list[float], a_day: float) -> None:
    """An organisation that grows is judged by its newest day, one that shrinks by the days that its tail is made of."""
    pool = Pool()
    for count in blocks:
        pool.add(np.ones(1, np.float32), blocks=count)
        pool.end_day()
    assert pool.blocks_per_day() == a_day
