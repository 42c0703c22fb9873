"""A score from 0 to 1 for each value of any series, when it comes: 0.5 and above is an anomaly. Pure.

Four views of a value: itself; what it has beyond what was expected of its hour; the same, smoothed (a slow drift);
and how much the series moves at all (it fell silent, or became wild). A value is an anomaly if one view lies clearly
outside all that it has ever been, or several lie outside a little.

Laws
1. Strictly causal: the scores of a prefix are the same without the rest.
2. Scale does not matter: a series in cents has the scores of the same series in dollars.
3. A missing value (NaN, infinite) scores 0 and is not learnt.
4. While little is known, more is asked for: the least margin falls like 1 + 300 / values seen.
5. One anomaly is said once: for `QUIET_ROWS` only what is stranger still scores 0.5 or more.
6. Whatever length the series has, what is remembered of it does not grow.
"""

from collections import deque
from dataclasses import dataclass, field
from math import isfinite, log

from streams.anomalies.records import Range
from streams.anomalies.series_expected import Expected

QUIET_ROWS = 100
LEAST_MARGIN = 0.025
"""In widths of the range: what one view alone must lie outside."""
_LITTLE_KNOWN_ROWS = 300
_MOST_MARGIN = 0.5
_FURTHER = 0.01
_SMOOTH_RATE = 0.05
_MOVES_RATE = 0.1
_LEAST_MOVE = 0.02
_CLOSE_SCORE = 0.2
_MOST = 1e150  # beyond it differences of differences overflow


@dataclass(slots=True)
class SeriesDetector:
    """What is remembered of one series."""

    expected: Expected = field(default_factory=Expected)
    ranges: list[Range] = field(default_factory=lambda: [Range() for _ in range(4)])
    said: deque[tuple[int, float]] = field(default_factory=deque)
    rows: int = 0
    before: float | None = None
    smooth: float = 0.0
    moves: float = 0.0
    moves_mean: float = 0.0

    def score(self, at_sec: float, value: float) -> float:
        """How strange the value is, and it is learnt; `at_sec` counts from 1970 and may stand still or go back."""
        self.rows += 1
        if not isfinite(value):
            return 0.0
        value = min(max(value, -_MOST), _MOST)
        surprise, close = 0.0, 0.0
        for seen, view in zip(self.ranges, self._views(at_sec, value), strict=True):
            if view is None:
                continue
            margin = seen.margin(view)
            least = LEAST_MARGIN * (1 + _LITTLE_KNOWN_ROWS / max(seen.seen, 1))
            surprise += min(margin / least, 1.0) + _FURTHER * min(margin, _MOST_MARGIN)
            close = max(close, seen.closeness(view))
            seen.add(view)
        return max(self._once(surprise), _CLOSE_SCORE * close**4)

    def _views(self, at_sec: float, value: float) -> tuple[float | None, ...]:
        expected = self.expected.expected(at_sec)
        beyond = None if expected is None else value - expected
        self.expected.learn(at_sec, value)
        if beyond is not None:
            self.smooth += _SMOOTH_RATE * (beyond - self.smooth)
        return value, beyond, None if beyond is None else self.smooth, self._movement(value)

    def _movement(self, value: float) -> float | None:
        """The log of how much it moves of late, by how much it moved in all; None while it never did."""
        move = 0.0 if self.before is None else abs(value - self.before)
        self.before = value
        self.moves += _MOVES_RATE * (move - self.moves)
        self.moves_mean += (move - self.moves_mean) / self.rows
        return log(self.moves / self.moves_mean + _LEAST_MOVE) if self.moves_mean > 0 else None

    def _once(self, surprise: float) -> float:
        """The surprise as a score: 1 is 0.5; halved, and so below 0.5, if as much was said a short while ago."""
        while self.said and self.said[0][0] < self.rows - QUIET_ROWS:
            self.said.popleft()
        score = surprise / (1 + surprise)
        if self.said and surprise <= self.said[0][1]:
            return score / 2
        self.said.clear()
        self.said.append((self.rows, surprise))
        return score
