"""How unusual a rate of spending is, against the same spender's own past: pure functions over arrays of costs.

A row is one spender, a column one quarter of an hour. The score says how many robust standard deviations of the log
cost the newest spending lies above what is expected.

Laws
1. Hurdle: only active buckets count, on both sides. Idle says nothing about how much a spender spends when it spends.
2. The baseline never holds what is judged: it ends before the longest judged window begins.
3. The scale cannot collapse: it is the largest of the spread around the median, the spread of the upper tail, and
   `LEAST_SCALE`. So a perfectly steady spender needs exp(min_score x LEAST_SCALE) times its usual.
4. One expensive call is no anomaly: of the 5 min parts of the judged window at least k of n are hot themselves.
5. A spender that goes with the day of its org may rise with it: the slope of its log cost on that of the rest of the
   org is learnt, and shrunk towards 1 where the rest has not moved enough to tell (a first morning). Never downwards.
6. A new spender borrows nothing: below the least history there is no score.
Source: reference/alerting.md 5.3 (hurdle + log + robust, money gate, persistence k of n).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LEAST_SCALE = 0.35
_MAD_TO_SIGMA = 1.4826
_Z90 = 1.2816
_MOST_LIFT = 3.0  # exp(3) = 20: how much of a rise a day's shape may explain
_PRIOR_VARIANCE = 0.25  # of the rest's log cost: below it the slope is more prior than data
LONG_GAIN = 1.5  # three buckets together tell more than one: sqrt(3), less for what they share


@dataclass(frozen=True, slots=True)
class Usual:
    """What a row's active buckets cost, as logs: median, median of the rest of the org, slope on it, robust scale."""

    level_ln: Floats
    rest_ln: Floats
    slope: Floats
    scale: Floats
    buckets: Ints

    def expected_ln(self, rest_now: Floats) -> Floats:
        """The log cost expected of a bucket while the rest of the org costs `rest_now` per bucket."""
        known = (rest_now > 0) & np.isfinite(self.rest_ln)
        rise = np.where(known, _log(rest_now) - np.where(known, self.rest_ln, 0.0), 0.0)
        return self.level_ln + np.clip(self.slope * rise, 0.0, _MOST_LIFT)


@dataclass(frozen=True, slots=True)
class Judged:
    """The newest spending of each row and of its rest: costs of the nine newest 5 min parts, the running one first."""

    parts: Floats
    rest_parts: Floats

    def last_15m(self) -> Floats:
        """The cost of the last quarter of an hour."""
        total: Floats = self.parts[:, :3].sum(axis=1)
        return total

    def last_45m(self) -> Floats:
        """The cost of the last three quarters."""
        total: Floats = self.parts.sum(axis=1)
        return total


@dataclass(frozen=True, slots=True)
class Scores:
    """Score of each row (0 where there is none), whether it persists, in which window, and what was expected there."""

    score: Floats
    hot: Bools
    window_sec: Ints
    expected_ln: Floats


def usual(history: Floats, rest: Floats) -> Usual:
    """What is usual in each row's past costs, beside what the rest of its org cost; zeros and below are idle."""
    active = history > 0
    buckets = active.sum(axis=1)
    logs = np.where(active, _log(history), np.nan)
    rest_logs = np.where(active & (rest > 0), _log(rest), np.nan)
    level, rest_level = _medians(logs), _medians(rest_logs)
    moved = np.nan_to_num(rest_logs - rest_level[:, None])
    own = np.nan_to_num(logs - level[:, None])
    count = np.maximum(buckets, 1)
    variance, covariance = (moved**2).sum(axis=1) / count, (moved * own).sum(axis=1) / count
    slope = np.clip((covariance + _PRIOR_VARIANCE) / (variance + _PRIOR_VARIANCE), 0.0, 1.0)
    left = logs - level[:, None] - slope[:, None] * moved
    middle = np.nan_to_num(_medians(left))
    spread = _medians(np.abs(left - middle[:, None])) * _MAD_TO_SIGMA
    tail = (_quantiles(left, 0.9) - middle) / _Z90
    scale = np.fmax(np.fmax(spread, tail), LEAST_SCALE)
    return Usual(np.nan_to_num(level) + middle, rest_level, slope, scale, buckets)


def scores(judged: Judged, baseline: Usual, *, min_score: float, min_history: int) -> Scores:
    """How unusual each row's newest spending is; `hot` where k of n parts say so too."""
    known = baseline.buckets >= min_history
    short_ln = baseline.expected_ln(judged.rest_parts[:, :3].sum(axis=1))
    long_ln = baseline.expected_ln(judged.rest_parts.sum(axis=1) / 3)
    short = _deviation(judged.last_15m(), short_ln, baseline.scale)
    long = _deviation(judged.last_45m() / 3, long_ln, baseline.scale) * LONG_GAIN
    parts = _deviation(judged.parts * 3, short_ln[:, None], baseline.scale[:, None]) >= min_score / 2
    short_hot = (short >= min_score) & (parts[:, :3].sum(axis=1) >= 2)
    long_hot = (long >= min_score) & (parts.sum(axis=1) >= 5)
    use_long = long_hot & ~short_hot
    return Scores(
        score=np.where(known, np.where(use_long, long, short), 0.0),
        hot=known & (short_hot | long_hot),
        window_sec=np.where(use_long, 2700, 900),
        expected_ln=np.where(use_long, long_ln, short_ln),
    )


def newest_deviation(judged: Judged, baseline: Usual) -> Floats:
    """How unusual the hotter of the two newest 5 min parts is: what must calm down before a spike is over."""
    short_ln = baseline.expected_ln(judged.rest_parts[:, :3].sum(axis=1))
    return _deviation(judged.parts[:, :2].max(axis=1) * 3, short_ln, baseline.scale)


def _log(values: Floats) -> Floats:
    return np.log(np.where(values > 0, values, 1.0))


def _deviation(cost: Floats, level_ln: Floats, scale: Floats) -> Floats:
    return np.where(cost > 0, (_log(cost) - level_ln) / scale, 0.0)


def _medians(values: Floats) -> Floats:
    return _quantiles(values, 0.5)


def _quantiles(values: Floats, share: float) -> Floats:
    """The share's quantile of what each row knows (NaN is unknown), between neighbours linear; NaN where nothing is."""
    ordered = np.sort(values, axis=1)  # NaN sorts last
    counts = np.isfinite(values).sum(axis=1)
    place = np.maximum(counts - 1, 0) * share
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(counts - 1, 0))
    rows = np.arange(len(ordered))
    below, above = ordered[rows, low], ordered[rows, high]
    found: Floats = below + (above - below) * (place - low)
    return found
