"""What may follow where the past shows little: a log-normal around the usual rate, and a chance of nothing more. Pure.

The rate lies between the mean and the median of the rates over the last hour, quarter of a day, day, three days, week,
and all. The band is
wider the further it reaches beyond what is known, the less these rates agree, and the less even the past was.
The chance of nothing: a pause that has lasted long will last long (of a gap of g, the share g/(g+h) outlives another h,
to a power), as waiting times with heavy tails do.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from streams.forecast.history import Amounts, Past
from streams.forecast.samples import Samples

_POINTS = 21
_NORMAL_SCORES = np.array([NormalDist().inv_cdf((place + 0.5) / _POINTS) for place in range(_POINTS)])
_PARTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorRule:
    """The constants of the prior, tuned on half of the ServeGen clients and checked on the other half.

    `weight` is that of so many past periods. `*_scale` are standard deviations of the log amount, or what they are
    multiplied by. `lowering` moves the middle down where little is known of a spender that mostly pauses: bursts are
    seen because they happen, and end.
    """

    weight: float = 2.0
    rate_windows_sec: tuple[int, ...] = (3_600, 21_600, 86_400, 259_200, 604_800)
    least_scale: float = 0.25
    beyond_scale: float = 0.5
    disagreement_to_variance_ratio: float = 0.5
    unevenness_to_variance_ratio: float = 0.4
    floor_to_rate_ratio: float = 0.1
    lowering: float = 0.6
    pause_sec: float = 2_400.0
    pause_power: float = 0.8


def usual_rate(past: Past, rule: PriorRule) -> tuple[float, Amounts]:
    """(spend per average bucket, the rates of the windows that it is the middle of)."""
    windows = [past.history.buckets(seconds) for seconds in rule.rate_windows_sec]
    rates = np.array([past.rate(buckets) for buckets in (*windows, past.length)])
    return float(rates.mean() + np.median(rates)) / 2, rates


def prior_samples(past: Past, *, horizon: float, expected_buckets: float, rule: PriorRule) -> Samples:
    """What may be spent over `horizon` buckets, whose shape is worth `expected_buckets` average ones.

    The past holds spend in at least one bucket.
    """
    rate, rates = usual_rate(past, rule)
    spent = np.diff(past.spent_sums) > 0
    active_ratio = float(spent.mean())
    beyond = float(np.log1p(horizon / past.length))
    uneven = _spread(_parts(past), rate, rule)
    disagree = _spread(rates, rate, rule)
    scale = np.sqrt(
        (rule.least_scale + rule.beyond_scale * beyond) ** 2
        + rule.unevenness_to_variance_ratio * uneven
        + rule.disagreement_to_variance_ratio * disagree
    )
    logs = scale * _NORMAL_SCORES - rule.lowering * (1.0 - active_ratio) * beyond
    amounts = rate * expected_buckets * np.exp(logs)
    nothing = _chance_of_nothing(past, spent, horizon, active_ratio, rule)
    weights = np.full(_POINTS, (1.0 - nothing) / _POINTS)
    return Samples(np.append(0.0, amounts), np.append(nothing, weights) * rule.weight)


def _spread(rates: Amounts, rate: float, rule: PriorRule) -> float:
    """The variance of the log of rates, none of which counts as less than a tenth of the usual one."""
    return float(np.var(np.log(rates / rate + rule.floor_to_rate_ratio)))


def _parts(past: Past) -> Amounts:
    """The rates of eight equal parts of the past."""
    parts = min(_PARTS, past.length)
    ends = past.length - (past.length // parts) * np.arange(parts)
    return past.rates(ends - past.length // parts, ends)


def _chance_of_nothing(
    past: Past, spent: NDArray[np.bool_], horizon: float, active_ratio: float, rule: PriorRule
) -> float:
    """The chance that the whole horizon stays without spend."""
    pause = rule.pause_sec / past.history.bucket_sec
    gap = past.length - 1 - int(np.flatnonzero(spent)[-1])
    stays = ((gap + pause) / (gap + horizon + pause)) ** rule.pause_power
    return float(stays if gap else stays * (1.0 - active_ratio))
