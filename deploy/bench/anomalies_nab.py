"""The score of the Numenta Anomaly Benchmark, standard profile, from its published description. Pure.

Laws
1. Silence scores 0; a detection in the first row of each window and none elsewhere scores 100.
2. Rows of the probation count for nothing: neither as a detection nor as a false one.
3. In a window only the earliest flagged row counts; outside every flagged row costs.
4. One threshold for all series; the best is looked for among all scores that occur.
Source: Lavin, Ahmad: Evaluating Real-time Anomaly Detection Algorithms (ICMLA 2015), section III.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_FALSE_WEIGHT = 0.11
_PROBATION_SHARE = 0.15
_MOST_PROBATION_ROWS = 750


@dataclass(frozen=True, slots=True)
class Labelled:
    """The scores of one series' rows and its anomaly windows as (first row, last row), both within, in order."""

    scores: Floats
    windows: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a threshold finds: `nab_score` is 100 for perfection, 0 for silence, below 0 for crying wolf."""

    nab_score: float
    threshold: float
    windows: int
    detected: int
    false_rows: int


def sigma(position: float) -> float:
    """What a detection at this place is worth: near 1 well before 0, 0 at 0, near -1 after; -1 beyond 3."""
    return -1.0 if position > 3 else float(2 / (1 + np.exp(5 * position)) - 1)


def probation_rows(rows: int) -> int:
    """How many rows at the beginning of a series count for nothing."""
    return min(int(_PROBATION_SHARE * rows), _MOST_PROBATION_ROWS)


def row_values(rows: int, windows: Sequence[tuple[int, int]]) -> Floats:
    """What flagging each row is worth: in a window what its detection there would bring, outside what it costs."""
    values = np.full(rows, -_FALSE_WEIGHT)
    for (left, right), following in pairwise([*windows, (rows, rows)]):
        width = right - left + 1
        for row in range(left, right + 1):
            values[row] = sigma(-(right - row + 1) / width) / sigma(-1)
        for row in range(right + 1, following[0]):
            values[row] = _FALSE_WEIGHT * sigma((row - right) / max(width - 1, 1))
    return values


def nab_score(series: Iterable[Labelled], *, threshold: float) -> Found:
    """What flagging all rows with at least this score finds.

    Raises: ValueError: there is no window in any of the series, so nothing can be found.
    """
    return _best([_changes(one) for one in series], thresholds=np.array([threshold]))


def best_nab_score(series: Iterable[Labelled]) -> Found:
    """What the one threshold finds that is best for all of the series together.

    Raises: ValueError: as `nab_score`.
    """
    return _best([_changes(one) for one in series], thresholds=None)


@dataclass(frozen=True, slots=True)
class _Changes:
    """By how much the sum changes when the threshold sinks to `at`; `found` and `false` count alike."""

    at: Floats
    by: Floats
    found: Floats
    false: Floats
    windows: int


def _changes(one: Labelled) -> _Changes:
    rows = len(one.scores)
    values, first = row_values(rows, one.windows), probation_rows(rows)
    outside = np.arange(rows) >= first
    for left, right in one.windows:
        outside[left : right + 1] = False
    at, by = [one.scores[outside]], [values[outside]]
    found, false = [np.zeros(outside.sum())], [np.ones(outside.sum())]
    for left, right in one.windows:
        scores = one.scores[max(left, first) : right + 1]
        if len(scores) == 0:
            continue
        # A row is the earliest detection for thresholds up to its score and above all scores before it in the window.
        before = np.maximum.accumulate(np.concatenate([[-np.inf], scores[:-1]]))
        records = np.flatnonzero(scores > before)
        worth = values[max(left, first) : right + 1][records]
        at.append(scores[records])
        by.append(np.concatenate([worth[:-1] - worth[1:], [worth[-1] + 1]]))
        found.append(np.concatenate([np.zeros(len(records) - 1), [1.0]]))
        false.append(np.zeros(len(records)))
    whole = [np.concatenate(part) for part in (at, by, found, false)]
    return _Changes(whole[0], whole[1], whole[2], whole[3], len(one.windows))


def _best(changes: list[_Changes], *, thresholds: Floats | None) -> Found:
    windows = sum(one.windows for one in changes)
    if windows == 0:
        raise ValueError("no series has an anomaly window, so there is nothing to find")
    at = np.concatenate([one.at for one in changes])
    order = np.argsort(-at, kind="stable")
    at = at[order]
    sums = [
        np.concatenate([[0.0], np.cumsum(np.concatenate(part)[order])])
        for part in ([one.by for one in changes], [one.found for one in changes], [one.false for one in changes])
    ]
    tried = np.concatenate([[np.inf], np.unique(at)]) if thresholds is None else thresholds
    taken = np.searchsorted(-at, -tried, side="right")
    best = int(np.argmax(sums[0][taken]))
    place = taken[best]
    return Found(
        nab_score=float(100 * sums[0][place] / (2 * windows)),
        threshold=float(tried[best]),
        windows=windows,
        detected=round(float(sums[1][place])),
        false_rows=round(float(sums[2][place])),
    )
