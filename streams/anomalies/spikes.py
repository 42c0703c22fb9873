"""The newest three minutes of each spender against all that it ever spent, by hour and by last hour. Pure.

Three views of the log of what was spent: itself; above the last hour; above what is usual at this hour. A margin is how
far a view lies above everything it was before; the sum of the margins is the score, so that two views which agree
weigh as much as one that is clear. Records sink slowly, by activity and not by time: a free week forgets nothing.

Laws
1. Hurdle: minutes without spending are neither judged nor learnt.
2. What is judged is not in what it is judged by: a minute is learnt after it was judged, and is part of a record only
   when no window that is judged holds it any more; else the beginning of an anomaly would hide the rest of it.
3. While an episode is open no level is learnt, so an attack never becomes usual; what lasts `normal_after_min` does.
   Records are: what was told once is told again only when it is worse, until the record has sunk.
4. What is little known must lie further outside: margins count 1 / (1 + 250 / active minutes).
5. Scales have a floor and are learnt from clipped amounts: nothing can make them collapse or burst.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.anomalies.page import F32, NEVER, VIEWS, WINDOW_MIN, Page, Rows
from streams.anomalies.rules import MINUTES_A_DAY, Rules

_FAST_MIN, _LEVEL_MIN = 60.0, 2880.0
_LEAST_SCALE = np.float32(0.25)
_CLIP, _CLIP_SCALE = 2.0, 3.0
_MEAN_TO_SIGMA = 1.25
_WARM_MINUTES = 20
_YOUNG_MINUTES = np.float32(250)
_MIDDLE_TO_USUAL = 2.0
PER_HOUR = 60 / WINDOW_MIN


@dataclass(frozen=True, slots=True)
class Spending:
    """What some rows spent in three minutes: logs, what was expected, the sum of margins, and whether it may be told.

    `costly`: the excess passes the money gate, it is so many times the usual, in two of three minutes, and enough is
    known.
    """

    rows: Rows
    spent: F32
    expected: F32
    margin: F32
    costly: npt.NDArray[np.bool_]


def add_minute(page: Page, usd: F32, *, at_min: int) -> None:
    """The minute's spending is the newest of each row."""
    page.recent[at_min % WINDOW_MIN] = usd


def judge(page: Page, shape: F32, rules: Rules, *, at_min: int) -> Spending:
    """How far the newest three minutes lie above all before; `shape` is each row's parent's log shape at this hour."""
    first, second, third = page.recent
    total = first + second + third
    rows = np.flatnonzero(total > 0)
    spent = np.log(total[rows])
    _fold(page, rows, at_min=at_min)
    fast, level = page.fast[rows], page.level[rows]
    own = page.hours[at_min // 60 % 24, rows]
    expected = np.where(np.isnan(own), level + shape[rows], own)
    margin = np.maximum(spent - page.most[rows], 0)
    margin += np.maximum(spent - fast - page.most_jump[rows], 0)
    margin += np.maximum(spent - expected - page.most_beyond[rows], 0)
    margin /= 1 + _YOUNG_MINUTES / np.maximum(page.active_minutes[rows], 1).astype(np.float32)
    usual = np.exp(np.maximum(fast, expected))
    costly = (np.exp(spent) - usual) * PER_HOUR >= page.gate_usd[rows]
    middle = np.maximum(np.minimum(first, second), np.minimum(np.maximum(first, second), third))[rows]
    costly &= middle * WINDOW_MIN >= _MIDDLE_TO_USUAL * usual
    costly &= total[rows] >= rules.least_times_usual * usual
    costly &= page.active_minutes[rows] >= rules.least_active_minutes
    return Spending(rows, spent, expected, margin, costly)


def learn(page: Page, seen: Spending, rules: Rules, *, at_min: int) -> None:
    """Rows without an open episode know what they spent; a step that lasted has become normal."""
    opened = page.opened_min[seen.rows]
    lasted = (opened > 0) & (at_min - opened >= rules.normal_after_min)
    new = (page.active_minutes[seen.rows] == 0) | lasted
    settle = seen.rows[new]
    page.fast[settle] = page.level[settle] = page.most[settle] = seen.spent[new]
    page.opened_min[seen.rows[lasted]] = 0
    for usual in (page.hours, page.hours_usd_log):
        usual[:, seen.rows[lasted]] += (seen.spent - seen.expected)[lasted]
    _learn_records(page, seen, rules, at_min=at_min)
    free = (opened == 0) | lasted
    rows, spent = seen.rows[free], seen.spent[free]
    page.active_minutes[rows] += 1
    count = page.active_minutes[rows].astype(np.float32)
    jump, above = spent - page.fast[rows], spent - page.level[rows]
    jump_scale, level_scale = page.fast_scale[rows], page.level_scale[rows]
    fast_rate, slow_rate = np.maximum(1 / count, 1 / _FAST_MIN), np.maximum(1 / count, 1 / _LEVEL_MIN)
    page.fast[rows] += fast_rate * np.clip(jump, -_CLIP * jump_scale, _CLIP * jump_scale)
    page.level[rows] += slow_rate * np.clip(above, -_CLIP * level_scale, _CLIP * level_scale)
    page.fast_scale[rows] = _scale(jump_scale, jump, slow_rate)
    page.level_scale[rows] = _scale(level_scale, above, slow_rate)
    page.hour_log_sum[rows] += spent
    page.hour_logs[rows] += 1


def _learn_records(page: Page, seen: Spending, rules: Rules, *, at_min: int) -> None:
    """The records have sunk by a minute of activity; what was spent waits until no window that is judged holds it."""
    rows = seen.rows
    sink = np.float32(rules.forgets_per_active_day / MINUTES_A_DAY)
    warm = page.active_minutes[rows] > _WARM_MINUTES
    views = (seen.spent, seen.spent - page.fast[rows], seen.spent - seen.expected)
    newest = at_min % WINDOW_MIN * VIEWS
    for view, record in enumerate((page.most, page.most_jump, page.most_beyond)):
        record[rows] -= sink
        page.lately[newest + view, rows] = np.where(warm, views[view], NEVER)
    page.seen_min[rows] = at_min


def _fold(page: Page, rows: Rows, *, at_min: int) -> None:
    """The records of these rows hold what was spent before the window that ends with this minute."""
    seen = page.seen_min[rows]
    for place in range(WINDOW_MIN):
        over = rows[seen - (seen - place) % WINDOW_MIN <= at_min - WINDOW_MIN]
        for view, record in enumerate((page.most, page.most_jump, page.most_beyond)):
            lately = page.lately[place * VIEWS + view]
            record[over] = np.maximum(record[over], lately[over])
            lately[over] = NEVER


def _scale(known: F32, strayed: F32, rate: F32) -> F32:
    found = known + rate * (_MEAN_TO_SIGMA * np.minimum(np.abs(strayed), _CLIP_SCALE * known) - known)
    scale: F32 = np.maximum(found, _LEAST_SCALE)
    return scale
