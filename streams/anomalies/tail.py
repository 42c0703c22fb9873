"""How rare a margin is among all spenders: a generalised Pareto tail over the greatest margins of their blocks. Pure.

Laws
1. One tail for all of an organisation: pooled, so a spender of a week is judged by what its colleagues did.
2. `threshold(rate)` is exceeded at `rate` per key-block as far as the tail says; `p_value` is its inverse.
3. Few blocks make no tail: below `LEAST_EXCEEDANCES` there is none.
4. Memory is bounded: the greatest `MOST_KEPT` margins of each of the last `DAYS` days (no fit needs more), and counts.
Source: Siffer et al., Anomaly Detection in Streams with Extreme Value Theory (KDD 2017); fit by probability-weighted
moments: Hosking, Wallis, Parameter and Quantile Estimation for the Generalized Pareto Distribution (1987).
"""

from collections import deque
from dataclasses import dataclass, field
from math import exp, log

import numpy as np

from streams.anomalies.page import F32

LEAST_EXCEEDANCES = 30
DAYS = 14
BLOCK_MIN = 360
"""Within a quarter of a day only a spender's greatest margin counts: neighbouring minutes are one event."""
_TAIL_SHARE = 0.25
_MOST_EXCEEDANCES = 300  # the nearer to the rate that is asked for, the less the tail is guessed
MOST_KEPT = _MOST_EXCEEDANCES + 1
_LEAST_SHAPE, _MOST_SHAPE = -0.5, 0.9


@dataclass(frozen=True, slots=True)
class Tail:
    """Beyond `base`, which is exceeded at `base_rate` per key-block: a generalised Pareto of this scale and shape.

    Below it an exponential, from 0, which is exceeded at `any_rate`.
    """

    base: float
    base_rate: float
    scale: float
    shape: float
    any_rate: float

    def p_value(self, margin: float) -> float:
        """The chance of at least this margin in a block of a spender."""
        if margin <= 0:
            return 1.0
        if margin <= self.base:
            return min(1.0, self.any_rate * exp(log(self.base_rate / self.any_rate) * margin / self.base))
        reach = (margin - self.base) / self.scale
        if abs(self.shape) < 1e-6:
            return self.base_rate * exp(-reach)
        inside = 1 + self.shape * reach
        return self.base_rate * exp(-log(inside) / self.shape) if inside > 0 else 0.0

    def threshold(self, rate: float) -> float:
        """The margin that is exceeded at this rate per key-block; 0 where that is more often than any is."""
        if rate >= self.any_rate:
            return 0.0
        if rate >= self.base_rate:
            return self.base * log(self.any_rate / rate) / log(self.any_rate / self.base_rate)
        odds = rate / self.base_rate
        if abs(self.shape) < 1e-6:
            return self.base - self.scale * log(odds)
        return self.base + self.scale / self.shape * (exp(-self.shape * log(odds)) - 1)


PRIOR = Tail(base=0.6, base_rate=0.15, scale=0.7, shape=0.15, any_rate=0.6)
"""What ServeGen's clients showed (docs/anomalies.md); holds until a day's margins are known."""


def fit(margins: F32, *, blocks: float, positive: int | None = None) -> Tail | None:
    """The tail of the greatest of the positive margins of so many key-blocks; None where they are too few.

    positive: how many margins were positive, where the least of them are left out.
    """
    ordered = np.sort(margins[margins > 0].astype(np.float64))
    positive = len(ordered) if positive is None else positive
    beyond = min(int(positive * _TAIL_SHARE), _MOST_EXCEEDANCES)
    if beyond < LEAST_EXCEEDANCES or blocks <= 0:
        return None
    base = float(ordered[-beyond - 1])
    excess = ordered[-beyond:] - base
    mean, any_rate = float(excess.mean()), positive / blocks
    weighted = float((excess * (1 - (np.arange(1, beyond + 1) - 0.35) / beyond)).mean())
    if mean <= 0 or mean <= 2 * weighted:
        return Tail(base, beyond / blocks, max(mean, 1e-6), 0.0, any_rate)
    shape = min(max(2 - mean / (mean - 2 * weighted), _LEAST_SHAPE), _MOST_SHAPE)
    return Tail(base, beyond / blocks, max(mean * (1 - shape), 1e-6), shape, any_rate)


@dataclass(frozen=True, slots=True)
class Day:
    """The greatest margins of a day, how many were positive, and of how many key-blocks."""

    kept: F32
    positive: int
    blocks: float


@dataclass(slots=True)
class Pool:
    """The margins of the last days, over all spenders of an organisation."""

    days: deque[Day] = field(default_factory=lambda: deque(maxlen=DAYS))
    today: list[F32] = field(default_factory=list)
    today_blocks: float = 0.0

    def add(self, margins: F32, *, blocks: float) -> None:
        """The greatest margins (the positive ones) of so many key-blocks are part of today."""
        self.today.append(margins[margins > 0])
        self.today_blocks += blocks

    def end_day(self) -> Tail | None:
        """Today is the newest of the days, and this is the tail of all of them."""
        margins = np.concatenate([*self.today, np.zeros(0, np.float32)])
        self.days.append(Day(np.sort(margins)[-MOST_KEPT:], len(margins), self.today_blocks))
        self.today, self.today_blocks = [], 0.0
        return fit(
            np.concatenate([day.kept for day in self.days]),
            blocks=sum(day.blocks for day in self.days),
            positive=sum(day.positive for day in self.days),
        )

    def blocks_per_day(self) -> float:
        """How many key-blocks a day has on average, or had the newest, if that is more; 0 before the first ended."""
        if not self.days:
            return 0.0
        return max(sum(day.blocks for day in self.days) / len(self.days), self.days[-1].blocks)
