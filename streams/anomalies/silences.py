"""Silence: a spender that is nearly always active stays idle longer than it ever did. Pure.

Laws
1. A minute of silence counts as much as the spender is usually active at this hour: nights count where they are busy.
2. Only who is active most of the time can fall silent; people who go home cannot.
3. While all others of a parent are idle too, nothing counts: a holiday is no anomaly.
4. Who spends little may stop: the usual spending must pass the money gate.
"""

import numpy as np

from streams.anomalies.flags import Flag
from streams.anomalies.page import HOURS, NEVER, Page, Rows
from streams.anomalies.rules import MINUTES_A_DAY, Rules
from streams.anomalies.spikes import PER_HOUR

_KEPT = np.float32(0.5 ** (1 / 14))
_LEAST_OTHERS = 3
_LEAST_DUTY = 0.1


def add_minute(page: Page, parents: Rows, rules: Rules, *, at_min: int) -> list[Flag]:
    """The minute's silence has piled up, or ended; flags of those that are silent too long, in the order of rows."""
    first, second, third = page.recent
    silent = np.maximum(np.maximum(first, second), third) <= 0
    rows_of = np.bincount(parents)
    some_speak = np.bincount(parents, ~silent, minlength=len(rows_of)) > 0
    counts = some_speak | (rows_of < _LEAST_OTHERS)
    ended = ~silent & (page.quiet > 0)
    page.most_quiet[ended] = np.maximum(page.most_quiet[ended] * _KEPT, page.quiet[ended])
    page.quiet[ended] = 0
    page.silent_said_min[ended] = 0
    hour = at_min // 60 % HOURS
    page.quiet[:] += np.where(silent & counts[parents], page.duty[hour], 0)
    least = np.maximum(rules.silence_least, rules.silence_to_record * page.most_quiet)
    found = np.flatnonzero((page.quiet >= least) & (page.silent_said_min == 0))
    found = found[page.active_minutes[found] >= MINUTES_A_DAY]
    found = found[page.duty[:, found].mean(axis=0) >= rules.steady_duty]
    usual = np.where(np.isnan(page.hours[hour, found]), page.level[found], page.hours[hour, found])
    usual_usd = np.exp(np.maximum(usual, NEVER)) * PER_HOUR
    dear = usual_usd >= page.gate_usd[found]
    lasted = np.rint(page.quiet[found[dear]] / np.maximum(page.duty[hour, found[dear]], _LEAST_DUTY)).astype(np.int64)
    flags = [
        Flag(
            kind="silence", row=row, at_min=at_min, since_min=max(at_min - lasts, 0), window_min=lasts,
            observed_usd_per_hour=0.0, expected_usd_per_hour=expected,
            score=float(page.quiet[row]), threshold=float(least[row]), p_value=None,
        )
        for row, lasts, expected in zip(found[dear].tolist(), lasted.tolist(), usual_usd[dear].tolist(), strict=True)
    ]  # fmt: skip
    page.silent_said_min[found[dear]] = at_min
    return flags
