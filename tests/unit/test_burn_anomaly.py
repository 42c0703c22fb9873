"""The spike detector's laws, on arrays."""

import numpy as np
import numpy.typing as npt

from streams.burn.anomaly import LEAST_SCALE, Judged, Scores, scores, usual

Floats = npt.NDArray[np.float64]
DAY = 92  # quarters of an hour before what is judged


def judged(per_quarter: float, *, hot_parts: int = 9, rest: float = 0.0) -> Judged:
    """Spending of so much per 15 min, in the newest `hot_parts` of its 5 min parts; the rest of the org likewise."""
    parts = np.zeros((1, 9))
    parts[0, :hot_parts] = per_quarter / 3
    return Judged(parts, np.full((1, 9), rest / 3))


def scored(history: Floats, now: Judged, *, rest: Floats | None = None, min_history: int = 24) -> Scores:
    """The score of one row against its history."""
    rest = np.zeros_like(history) if rest is None else rest
    return scores(now, usual(history[None, :], rest[None, :]), min_score=6.0, min_history=min_history)


def noisy(seed: int, *, size: int = DAY, sigma: float = 0.3) -> Floats:
    """Log-normal costs around one million micro-USD."""
    found: Floats = np.exp(np.random.default_rng(seed).normal(np.log(1e6), sigma, size))
    return found


def test_ten_times_the_usual_is_hot_and_three_times_is_not() -> None:
    """An agent with a steady rate: 10x for 15 min is found, 3x for 45 min is not."""
    assert bool(scored(noisy(1), judged(10e6)).hot[0])
    assert not bool(scored(noisy(1), judged(3e6)).hot[0])


def test_scale_never_collapses() -> None:
    """A spender that always costs the same needs exp(6 x 0.35) = 8.2 times its usual, not a cent more."""
    steady = np.full(DAY, 1e6)
    assert usual(steady[None, :], np.zeros((1, DAY))).scale[0] == LEAST_SCALE
    assert not bool(scored(steady, judged(8e6, hot_parts=3)).hot[0])
    assert bool(scored(steady, judged(8.3e6, hot_parts=3)).hot[0])


def test_idle_buckets_are_no_history() -> None:
    """Idle quarters between busy ones change neither level nor scale, and do not count towards the least history."""
    busy = noisy(2, size=30)
    gaps = np.zeros(DAY)
    gaps[::3][:30] = busy
    one, other = usual(busy[None, :], np.zeros((1, 30))), usual(gaps[None, :], np.zeros((1, DAY)))
    assert (one.level_ln[0], one.scale[0], 30) == (other.level_ln[0], other.scale[0], other.buckets[0])


def test_new_spender_is_not_judged() -> None:
    """23 active quarters are too few, 24 are enough."""
    assert not bool(scored(noisy(3, size=23), judged(50e6)).hot[0])
    assert bool(scored(noisy(3, size=24), judged(50e6)).hot[0])
    assert float(scored(noisy(3, size=23), judged(50e6)).score[0]) == 0.0


def test_one_expensive_call_is_no_spike() -> None:
    """All the money in one 5 min part of 45 is not persistent, in two it is."""
    for parts, hot in ((1, False), (2, True)):
        now = judged(0)
        now.parts[0, :parts] = 30e6 / parts
        assert hot == bool(scored(noisy(4), now).hot[0])


def test_day_of_the_org_explains_a_rise_of_who_follows_it() -> None:
    """A team that rises with its org is as expected; one whose past does not follow the org is not excused."""
    shape = np.where(np.arange(DAY) % 46 < 20, 10.0, 1.0)
    rest = shape * 50e6
    follower, flat = noisy(5) * shape, noisy(5)
    now = judged(12e6, rest=500e6)
    assert not bool(scored(follower, now, rest=rest).hot[0])
    assert bool(scored(flat, now, rest=rest).hot[0])


def test_first_morning_is_not_a_spike_where_everybody_wakes_up() -> None:
    """After a quiet night, a rise that the rest of the org shares is excused; one that it does not share is not."""
    night, rest = noisy(6, size=40, sigma=0.1), np.full(40, 50e6)
    assert not bool(scored(night, judged(12e6, rest=600e6), rest=rest).hot[0])
    assert bool(scored(night, judged(12e6, rest=50e6), rest=rest).hot[0])


def test_rows_are_scored_independently() -> None:
    """A row's score does not depend on what stands beside it."""
    history = np.stack([noisy(seed) for seed in range(5)])
    parts = np.stack([judged(10e6 * (seed + 1)).parts[0] for seed in range(5)])
    together = scores(
        Judged(parts, np.zeros_like(parts)), usual(history, np.zeros_like(history)), min_score=6.0, min_history=24
    )
    alone = [float(scored(history[row], Judged(parts[[row]], np.zeros((1, 9)))).score[0]) for row in range(5)]
    assert alone == together.score.tolist()


def test_ordinary_days_are_quiet() -> None:
    """Bursty log-normal spenders with idle gaps: no false alarm in 20,000 judged quarters."""
    dice = np.random.default_rng(7)
    active = dice.random((20_000, DAY)) < 0.5
    history = np.where(active, np.exp(dice.normal(0, 1.0, (20_000, DAY))) * 1e6, 0.0)
    parts = np.where(dice.random((20_000, 9)) < 0.6, np.exp(dice.normal(0, 1.2, (20_000, 9))) * 4e5, 0.0)
    rest = np.zeros_like(history)
    found = scores(Judged(parts, np.zeros_like(parts)), usual(history, rest), min_score=6.0, min_history=24)
    assert int(found.hot.sum()) == 0
