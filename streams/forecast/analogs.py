"""What followed moments of the past that were like this one: the same hour, the same length ahead, scaled. Pure.

Every whole window of the past that is as long as what is left of the period is one sample. It counts the more, the
nearer its hour of the day, its place in the week, its age and the spend before it are to now. Its amount is scaled by
the shape of the hours, by part of the difference in level, and along a trend as far as the trend is significant.
"""

from dataclasses import dataclass

import numpy as np

from streams.forecast.history import DAY_SEC, HOUR_SEC, Amounts, Past
from streams.forecast.samples import Samples

_MOST_LEVEL_LN = 2.3


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalogRule:
    """The constants of analogs, tuned on half of the ServeGen clients and checked on the other half.

    `level_power`: which part of a difference in level goes on. `*_width_*` and `half_life_days` say what counts as
    near: in the hour of the day, in what the shape expects (once the week is known a Sunday is no analog of a Monday),
    in the level before. `most_windows`: all analogs together weigh no more than so many periods. `trend_doubt`: a trend
    with t-value t counts for t^2 / (t^2 + doubt).
    """

    level_to_horizon_ratio: float = 0.5
    least_level_sec: int = 3_600
    level_power: float = 0.4
    level_width_ln: float = 2.0
    unlike_weight: float = 0.02
    floor_to_rate_ratio: float = 0.2
    day_width_hours: float = 2.0
    shape_width_ln: float = 0.7
    half_life_days: float = 7.0
    most_windows: float = 8.0
    trend_doubt: float = 4.0
    least_trend_windows: float = 3.0
    most_trend_ln: float = 0.7


def analog_samples(
    past: Past, *, rate: float, horizon: float, expected_buckets: float, rule: AnalogRule
) -> Samples | None:
    """What was spent over as many buckets, seen from each earlier bucket; None where the past is too short.

    Amounts are scaled to a horizon that is worth `expected_buckets` average ones; the weights sum to how many periods
    without overlap the past holds.
    """
    bucket_sec, known = past.history.bucket_sec, past.length
    ahead = max(1, round(horizon))
    behind = min(
        past.history.buckets(max(rule.least_level_sec, rule.level_to_horizon_ratio * horizon * bucket_sec)), known
    )
    if known <= ahead + behind:
        return None
    begins = np.arange(behind, known - ahead + 1)
    followed = past.rates(begins, begins + ahead) * expected_buckets
    floor = rule.floor_to_rate_ratio * rate
    level_ln = np.log((past.rate(behind) + floor) / (past.rates(begins - behind, begins) + floor))
    buckets_ago = (known - begins).astype(np.float64)
    age_days = (buckets_ago - ahead) * (bucket_sec / DAY_SEC)
    amounts = followed * np.exp(np.clip(rule.level_power * level_ln, -_MOST_LEVEL_LN, _MOST_LEVEL_LN))
    near = np.exp2(-age_days / rule.half_life_days) * _same_hour(buckets_ago * (bucket_sec / HOUR_SEC), rule)
    expected = past.shape_sums[begins + ahead] - past.shape_sums[begins]
    near = near * _bell(np.log(expected / past.shape_between(known, known + ahead)), rule.shape_width_ln)
    weights = near * (_bell(level_ln, rule.level_width_ln) + rule.unlike_weight)
    windows = min((known - ahead - behind) / ahead, rule.most_windows)
    if windows >= rule.least_trend_windows:
        logs = np.log(amounts + floor * expected_buckets)
        ahead_days = ahead * bucket_sec / DAY_SEC
        amounts = amounts * np.exp(_trend_ln(logs, age_days, near, ahead_days=ahead_days, rule=rule))
    return Samples(amounts, weights * (windows / weights.sum()))


def _same_hour(hours_ago: Amounts, rule: AnalogRule) -> Amounts:
    """How near an earlier moment is to this hour of the day."""
    return _bell((hours_ago + 12) % 24 - 12, rule.day_width_hours)


def _bell(distance: Amounts, width: float) -> Amounts:
    return np.asarray(np.exp(-0.5 * (distance / width) ** 2), dtype=np.float64)


def _trend_ln(logs: Amounts, age_days: Amounts, near: Amounts, *, ahead_days: float, rule: AnalogRule) -> Amounts:
    """What each analog's log amount is moved by, so that it stands on the line of the trend at this moment."""
    weights = near / near.sum()
    ages, values = age_days - weights @ age_days, logs - weights @ logs
    spread = float(weights @ ages**2)
    if spread <= 0.0:
        return np.zeros_like(logs)
    slope = float(weights @ (ages * values)) / spread
    unexplained = float(weights @ (values - slope * ages) ** 2)
    effective = 1.0 / float((np.bincount(age_days.astype(np.int64), weights) ** 2).sum())
    t_squared = slope**2 * spread * effective / (unexplained + 1e-9)
    believed = slope * t_squared / (t_squared + rule.trend_doubt)
    return np.clip(-believed * (age_days + ahead_days), -rule.most_trend_ln, rule.most_trend_ln)
