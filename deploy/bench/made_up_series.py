"""Series whose shape a person knows: four weeks in windows of ten minutes, the same on every run. Pure."""

import numpy as np

from streams.forecast.history import Amounts

_PER_DAY = 144
_DAYS = 28
_SEED = 7


def made_up() -> dict[str, Amounts]:
    """The series by name: steady, by the day, by the week, growing, stepping, bursty, sparse, with one spike."""
    dice = np.random.default_rng(_SEED)
    at = np.arange(_PER_DAY * _DAYS)
    hour, day = at % _PER_DAY / 6, at // _PER_DAY
    office = 100 * (np.exp(-0.5 * ((hour - 14) / 4) ** 2) + 0.02)
    noise = dice.gamma(2, 0.5, len(at))
    spike = np.full(len(at), 10.0)
    spike[len(at) // 2] = 20_000
    return {
        "steady with noise": dice.gamma(4, 25, len(at)),
        "office hours": office * noise,
        "weekdays and weekends": office * np.where(day % 7 < 5, 1, 0.1) * noise,
        "growing 3 % a day": office * 1.03 ** (at / _PER_DAY) * noise,
        "three times as much from the middle on": np.where(day < _DAYS // 2, 100, 300) * noise,
        "bursty": 100 * np.exp(dice.normal(0, 1, len(at) // 6).repeat(6)),
        "sparse, one window in a hundred": (dice.random(len(at)) < 0.01) * dice.exponential(100, len(at)),
        "sparse in office hours": (dice.random(len(at)) < 0.1) * office * (day % 7 < 5) * dice.exponential(1, len(at)),
        "steady with one spike": spike,
    }
