"""Slow leaks: hour after hour somewhat more than the same hour usually costs, piled up (CUSUM). Pure.

Laws
1. An hour counts at most `_MOST` and at least minus that: one wild hour is no leak.
2. Somewhat more than usual (`_SLACK`, as a log) is usual; what lies above it piles up, what lies below takes it down.
3. A leak must pile up more than ever piled up and went again (half of it gone).
4. An hour without spending says nothing, and who is idle most of the time cannot leak.
5. What is already told as a spike does not pile up; what was told as a leak is usual a day later, unless it grows on.
Source: Page, Continuous Inspection Schemes (Biometrika 1954).
"""

import numpy as np

from streams.anomalies.flags import Flag
from streams.anomalies.page import HOURS, NEVER, Page
from streams.anomalies.rules import Rules

_SLACK = np.float32(0.1)
_MOST = np.float32(1.0)
_RATE = np.float32(0.05)
_RATE_TOLD = np.float32(0.7)
_KEPT_PER_HOUR = np.float32(0.999)
_AGAIN_AFTER_MIN = 1440


def end_hour(page: Page, rules: Rules, *, at_min: int) -> list[Flag]:
    """The hour that ends at `at_min` is piled up and learnt; flags of those that leak, in the order of rows."""
    hour = (at_min - 1) // 60 % HOURS
    spends = page.hour_usd > 0
    spent = np.log(np.where(spends, page.hour_usd, 1))
    usual = page.hours_usd_log[hour]
    known = spends & ~np.isnan(usual) & (page.opened_min == 0)
    above = np.where(known, np.clip(spent - usual, -_MOST, _MOST) - _SLACK, 0)
    page.leak_since_min[:] = np.where(page.leak <= 0, at_min - 60, page.leak_since_min)
    page.leak[:] = np.maximum(page.leak + above, 0)
    expected = np.exp(np.where(known, usual, NEVER))
    least = np.maximum(rules.leak_least, rules.leak_to_record * page.most_leak)
    found = known & (page.leak >= least) & (page.hour_usd - expected >= page.gate_usd)
    found &= page.duty.mean(axis=0) >= rules.steady_duty
    found &= (page.leak_said_min == 0) | (at_min - page.leak_said_min >= _AGAIN_AFTER_MIN)
    flags = [
        Flag(
            kind="leak", row=row, at_min=at_min, since_min=int(page.leak_since_min[row]), window_min=60,
            observed_usd_per_hour=float(page.hour_usd[row]), expected_usd_per_hour=float(expected[row]),
            score=float(page.leak[row]), threshold=float(least[row]), p_value=None,
        )
        for row in np.flatnonzero(found).tolist()
    ]  # fmt: skip
    page.leak_said_min[found] = at_min
    page.leak[found] = 0
    page.leak_peak[:] = np.maximum(page.leak_peak, page.leak)
    ended = page.leak < page.leak_peak / 2
    page.most_leak[:] *= _KEPT_PER_HOUR
    page.most_leak[ended] = np.maximum(page.most_leak, page.leak_peak)[ended]
    page.leak_peak[ended] = page.leak[ended]
    told = (page.leak_said_min > 0) & (at_min - page.leak_said_min < _AGAIN_AFTER_MIN)
    learnt = np.where(np.isnan(usual), spent, usual + np.where(told, _RATE_TOLD, _RATE) * (spent - usual))
    page.hours_usd_log[hour] = np.where(spends, learnt, usual)
    page.hour_usd[:] = 0
    return flags
