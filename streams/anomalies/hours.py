"""The end of an hour: what is usual at this hour, for each spender and for the parent it borrows from. Pure.

Laws
1. A shape is about amounts while active: how many spenders a parent has, and how many were idle, does not matter.
2. What one spender did moves its parent's shape as much as any other: the mean of logs against each one's own level.
3. Where little was seen, a shape is drawn towards flat.
"""

from dataclasses import dataclass

import numpy as np

from streams.anomalies.page import F32, Page, Rows

HOURS_OF_WEEK = 168
_RATE = np.float32(0.3)
_DRAWN = 8.0


@dataclass(frozen=True, slots=True)
class Shapes:
    """Log amounts by parent and hour of the week, against the level; `weight` counts the key-hours behind them."""

    logs: F32
    weight: F32

    def at(self, parents: Rows, *, at_min: int) -> F32:
        """Each row's parent's shape at this hour of the week (minute 0 is a Monday's midnight)."""
        hour = at_min // 60 % HOURS_OF_WEEK
        weight = self.weight[parents, hour]
        found: F32 = self.logs[parents, hour] * weight / (weight + np.float32(_DRAWN))
        return found


def new_shapes(parents: int) -> Shapes:
    """Flat shapes of so many parents."""
    return Shapes(np.zeros((parents, HOURS_OF_WEEK), np.float32), np.zeros((parents, HOURS_OF_WEEK), np.float32))


def end_hour(page: Page, parents: Rows, shapes: Shapes, *, at_min: int) -> None:
    """The hour that ends at `at_min` is part of what is usual; its sums are zero again."""
    ended = (at_min - 1) // 60
    has = np.flatnonzero(page.hour_logs > 0)
    mean = page.hour_log_sum[has] / page.hour_logs[has]
    own = page.hours[ended % 24, has]
    first = np.isnan(page.hours[ended % 24])
    page.hours[ended % 24, has] = np.where(np.isnan(own), mean, own + _RATE * (mean - own))
    _learn_shapes(shapes, parents[has], mean - page.level[has], hour=ended % HOURS_OF_WEEK)
    usual = page.opened_min == 0
    share = np.minimum(page.hour_logs / 60, 1)
    duty = page.duty[ended % 24]
    page.duty[ended % 24] = np.where(usual, np.where(first, share, duty + _RATE * (share - duty)), duty)
    page.hour_log_sum[:] = 0
    page.hour_logs[:] = 0


def _learn_shapes(shapes: Shapes, parents: Rows, above_level: F32, *, hour: int) -> None:
    count = np.bincount(parents, minlength=len(shapes.logs)).astype(np.float32)
    total = np.bincount(parents, above_level, minlength=len(shapes.logs))
    some = count > 0
    rate = np.maximum(count[some] / (count + shapes.weight[:, hour])[some], _RATE)
    mean = (total[some] / count[some]).astype(np.float32)
    shapes.logs[some, hour] += rate * (mean - shapes.logs[some, hour])
    shapes.weight[some, hour] += count[some]
