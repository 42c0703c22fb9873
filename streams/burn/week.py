"""The shape of spend over the hours of a week: what each two hours of it weigh, learned and forgotten. Pure.

Laws
1. A shape is 84 weights of two hours each, whole thousandths of an average hour, from Thursday 00:00 UTC (1970 began
   so); they sum to `TOTAL`. Flat is `UNIT` everywhere: then expected time is time.
2. A quarter of every weight is flat: no hour is so unlikely that spending in it counts for more than four times.
3. Weekdays and hours of the day are learned apart: a weight is their product. Days are told by what they spend beside
   an average day, at most `MOST` of it; hours by their share of their day, each day alike. So a burst makes no shape.
4. What a member has shown in a few days is drawn towards what its peers have shown; theirs, towards flat.
5. Sums are integers, and each step takes one number per element: the same log gives the same shape on any machine.
UTC: where clocks change, a shape is an hour off until it is learned anew, within its two hours mostly.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CELL_SEC, DAY_CELLS, WEEKDAYS = 7200, 12, 7
CELLS = DAY_CELLS * WEEKDAYS
WEEK_SEC = CELL_SEC * CELLS
UNIT = 1000
TOTAL = UNIT * CELLS
WHOLE = 1_000_000
"""One, in what is learned: millionths."""
FLAT_SHARE = 0.25
MOST = 4 * WHOLE
LIKE_PEERS = 2 * WHOLE
"""So many days (of each weekday, so many weeks) of the peers' shape are added to a member's own."""
LIKE_FLAT = WHOLE
FORGOTTEN_DAYS = 33
"""Each day counts a 33rd less with each day that passes: half after 23 days."""
FLAT = np.full(CELLS, UNIT, np.int64)
_STARTS = np.arange(CELLS, dtype=np.int64) * CELL_SEC


def faded(learned: Ints) -> Ints:
    """Sums of what was learned, a day later."""
    found: Ints = learned - learned // FORGOTTEN_DAYS
    return found


def ratios(amounts: Ints, levels: Ints, days: Ints) -> Ints:
    """What a day has spent beside an average one, millionths; `levels` were spent in `days` (millionths of a day)."""
    average = np.maximum(levels, 1) / np.maximum(days, 1)
    return np.rint(np.minimum(amounts / average, MOST)).astype(np.int64)


def shares(amounts: Ints) -> Ints:
    """What two hours (a column each) hold of their day, beside a twelfth of it; millionths, 0 in a day of nothing."""
    total = np.maximum(amounts.sum(axis=1), 1)[:, None]
    found: Ints = np.rint(amounts / total * (DAY_CELLS * WHOLE)).astype(np.int64)
    return found


def drawn(learned: Ints, times: Ints, towards: Floats, *, prior: int) -> Floats:
    """Means of what was learned `times` times (millionths), with the prior counted so often; millionths."""
    found: Floats = (learned * float(WHOLE) + towards * prior) / (times + prior)
    return found


def weights(weekdays: Floats, hours: Floats) -> Ints:
    """The shape of rows of 7 weekdays (from Thursday) and 12 times two hours, of any scale above zero."""
    product = (weekdays[:, :, None] * hours[:, None, :]).reshape(-1, CELLS)
    mean = (_total(weekdays) / WEEKDAYS) * (_total(hours) / DAY_CELLS)
    raw = product / np.where(mean > 0, mean, 1)[:, None]
    found = np.rint(UNIT * (FLAT_SHARE + (1 - FLAT_SHARE) * raw)).astype(np.int64)
    found[mean <= 0] = UNIT
    found[np.arange(len(found)), found.argmax(axis=1)] += TOTAL - found.sum(axis=1)
    return found


def _total(rows: Floats) -> Floats:
    """Sums of rows, one column after the other."""
    found: Floats = np.zeros(len(rows))
    for column in rows.T:
        found = found + column
    return found


def seconds_in_cells(since_sec: int, until_sec: int) -> Ints:
    """How many seconds of [since, until) lie in each two hours of the week; seconds since 1970."""
    return _up_to(until_sec) - _up_to(since_sec)


def _up_to(at_sec: int) -> Ints:
    week, within = divmod(at_sec, WEEK_SEC)
    found: Ints = week * CELL_SEC + np.clip(within - _STARTS, 0, CELL_SEC)
    return found


def expected(shapes: Ints, spans: Sequence[tuple[int, int]]) -> Ints:
    """Expected time of each span [since, until) under each shape: thousandths of an average second, exact.

    float64 is exact here: every sum is an integer below 2**53.
    """
    seconds = np.stack([seconds_in_cells(*span) for span in spans], axis=1)
    return (shapes.astype(np.float64) @ seconds.astype(np.float64)).astype(np.int64)


def walked_sec(shape: Sequence[int], *, since_sec: int, expected_time: int) -> int:
    """After how many whole seconds so much expected time has passed."""
    weeks, rest = divmod(expected_time, TOTAL * CELL_SEC)
    passed_sec = weeks * WEEK_SEC
    at_sec = since_sec % WEEK_SEC
    while True:
        weight, room_sec = shape[at_sec // CELL_SEC % CELLS], CELL_SEC - at_sec % CELL_SEC
        if rest < room_sec * weight:
            return passed_sec + rest // weight
        rest, passed_sec, at_sec = rest - room_sec * weight, passed_sec + room_sec, at_sec + room_sec
