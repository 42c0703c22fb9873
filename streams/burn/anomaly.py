"""How unusual a rate of spending is, against the same spender's own past: pure functions over arrays of costs.

A row is one spender, a column one quarter of an hour. The score says how many robust standard deviations of the log
cost the newest spending lies above the usual.

Laws
1. Hurdle: only active buckets count, on both sides. Idle says nothing about how much a spender spends when it spends.
2. The baseline never holds what is judged: it ends before the longest judged window begins.
3. The scale cannot collapse: it is the largest of the spread around the median, the spread of the upper tail, and
   `LEAST_SCALE`. So a perfectly steady spender needs exp(min_score x LEAST_SCALE) times its usual.
4. One expensive call is no anomaly: of the 5 min parts of the judged window at least k of n are hot themselves.
5. What the rest of the org does at the same time is not held against a spender: day shape is divided out.
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
_LONG_GAIN = 1.5  # three buckets together tell more than one: sqrt(3), less for what they share


@dataclass(frozen=True, slots=True)
class Usual:
    """What a row's active buckets cost: median and robust scale of the log, and how many there were."""

    level_ln: Floats
    scale: Floats
    buckets: Ints


@dataclass(frozen=True, slots=True)
class Judged:
    """The newest spending of each row: costs of the last 15 and 45 min, and of their 5 min parts, newest first."""

    last_15m: Floats
    last_45m: Floats
    parts: Floats  # [rows, 9] costs of 5 min


@dataclass(frozen=True, slots=True)
class Scores:
    """Score of each row (0 where there is none), whether it persists, and which window it was found in."""

    score: Floats
    hot: Bools
    window_sec: Ints


def usual(history: Floats) -> Usual:
    """Level and scale of each row's past costs; zeros and below are idle."""
    active = history > 0
    logs = np.where(active, np.log(np.where(active, history, 1.0)), np.nan)
    buckets = active.sum(axis=1)
    level, scale = np.zeros(len(history)), np.full(len(history), np.inf)
    some = buckets > 0
    if some.any():
        ordered = np.sort(logs[some], axis=1)  # NaN sorts last
        counts = buckets[some]
        middle = _quantile(ordered, counts, 0.5)
        spread = _quantile(np.sort(np.abs(ordered - middle[:, None]), axis=1), counts, 0.5) * _MAD_TO_SIGMA
        tail = (_quantile(ordered, counts, 0.9) - middle) / _Z90
        level[some] = middle
        scale[some] = np.maximum(np.maximum(spread, tail), LEAST_SCALE)
    return Usual(level, scale, buckets)


def lift_of(rest_now: Floats, rest_usual: Floats) -> Floats:
    """How much of a rise the rest of the org explains, as a log, 0 where it did not rise."""
    both = (rest_now > 0) & (rest_usual > 0)
    ratio = np.where(both, rest_now, 1.0) / np.where(both, rest_usual, 1.0)
    return np.clip(np.log(ratio), 0.0, _MOST_LIFT)


def scores(judged: Judged, baseline: Usual, lift: Floats, *, min_score: float, min_history: int) -> Scores:
    """How unusual each row's newest spending is; `hot` where k of n parts say so too."""
    known = baseline.buckets >= min_history
    expected_ln = baseline.level_ln + lift
    short = _deviation(judged.last_15m, expected_ln, baseline.scale)
    long = _deviation(judged.last_45m / 3, expected_ln, baseline.scale) * _LONG_GAIN
    parts = _deviation(judged.parts * 3, expected_ln[:, None], baseline.scale[:, None]) >= min_score / 2
    short_hot = (short >= min_score) & (parts[:, :3].sum(axis=1) >= 2)
    long_hot = (long >= min_score) & (parts.sum(axis=1) >= 5)
    use_long = long_hot & ~short_hot
    return Scores(
        score=np.where(known, np.where(use_long, long, short), 0.0),
        hot=known & (short_hot | long_hot),
        window_sec=np.where(use_long, 2700, 900),
    )


def _deviation(cost: Floats, level_ln: Floats, scale: Floats) -> Floats:
    active = cost > 0
    return np.where(active, (np.log(np.where(active, cost, 1.0)) - level_ln) / scale, 0.0)


def _quantile(ordered: Floats, counts: Ints, share: float) -> Floats:
    """The share's quantile of the first `counts` values of each sorted row, between neighbours linear."""
    place = (counts - 1) * share
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, counts - 1)
    rows = np.arange(len(ordered))
    below, above = ordered[rows, low], ordered[rows, high]
    found: Floats = below + (above - below) * (place - low)
    return found
