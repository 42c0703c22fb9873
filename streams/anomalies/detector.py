"""All detectors over one page: each minute goes in, flags come out. Nothing else is needed to judge a stream.

Steps of a minute: 1. silences; 2. spikes judged, told, learnt; 3. at the end of an hour: leaks, what is usual at this
hour, the greatest margins of its block; 4. at the end of a day: the tail anew, and with it the margin that fires.
"""

from dataclasses import dataclass, field

import numpy as np

from streams.anomalies import hours, leaks, silences, spikes
from streams.anomalies.flags import Flag
from streams.anomalies.page import F32, WINDOW_MIN, Page, Rows, new_page
from streams.anomalies.rules import MINUTES_A_DAY, Rules
from streams.anomalies.spikes import PER_HOUR, Spending
from streams.anomalies.tail import BLOCK_MIN, PRIOR, Pool, Tail


@dataclass(slots=True)
class Detector:
    """A page of spenders, the parent of each, and what is known of all of them together."""

    page: Page
    parents: Rows
    shapes: hours.Shapes
    rules: Rules = field(default_factory=Rules)
    pool: Pool = field(default_factory=Pool)
    tail: Tail = PRIOR
    margin: float = 0.0

    def minute(self, usd: F32, *, at_min: int) -> list[Flag]:
        """The flags of a minute in which each row spent so many USD; minutes come one after the other.

        `at_min` counts from any Monday's midnight on and is above 0.
        """
        page, rules = self.page, self.rules
        spikes.add_minute(page, usd, at_min=at_min)
        page.hour_usd[:] += usd
        flags = silences.add_minute(page, self.parents, rules, at_min=at_min)
        seen = spikes.judge(page, self.shapes.at(self.parents, at_min=at_min), rules, at_min=at_min)
        flags += self._spikes(seen, at_min=at_min)
        spikes.learn(page, seen, rules, at_min=at_min)
        if (at_min + 1) % 60 == 0:
            flags += leaks.end_hour(page, rules, at_min=at_min + 1)
            hours.end_hour(page, self.parents, self.shapes, at_min=at_min + 1)
        if (at_min + 1) % BLOCK_MIN == 0:
            self._pool_block()
        if (at_min + 1) % MINUTES_A_DAY == 0:
            self._new_tail()
        return flags

    def past_minute(self, usd: F32, *, at_min: int, ends_hours: bool) -> list[Flag]:
        """The same of rows that are caught up with: no silences, nothing is pooled, and minutes may be left out.

        A minute in which no row spent, nor in the three before it, may be; the last one of an hour that `ends_hours`
        may not.
        """
        page, rules = self.page, self.rules
        spikes.add_minute(page, usd, at_min=at_min)
        page.hour_usd[:] += usd
        seen = spikes.judge(page, self.shapes.at(self.parents, at_min=at_min), rules, at_min=at_min)
        flags = self._spikes(seen, at_min=at_min)
        spikes.learn(page, seen, rules, at_min=at_min)
        if ends_hours and (at_min + 1) % 60 == 0:
            flags += leaks.end_hour(page, rules, at_min=at_min + 1)
            hours.end_hour(page, self.parents, self.shapes, at_min=at_min + 1)
        return flags

    def _spikes(self, seen: Spending, *, at_min: int) -> list[Flag]:
        page, rules = self.page, self.rules
        least = self.margin
        rows, costly = seen.rows, seen.costly
        told = costly & (page.opened_min[rows] == 0)
        page.block_margin[rows[told]] = np.maximum(page.block_margin[rows[told]], _or_tiny(seen.margin[told]))
        page.hot_min[rows[seen.spent > page.said_spent[rows] - _STILL]] = at_min
        fresh = at_min - page.said_min[rows] <= rules.calm_after_min
        page.said_spent[rows[fresh]] = np.maximum(page.said_spent[rows[fresh]], seen.spent[fresh])
        self._close(at_min=at_min)
        rested = (page.said_min[rows] == 0) | (at_min - page.said_min[rows] >= rules.cool_down_min)
        worse = (page.opened_min[rows] > 0) & (seen.spent >= page.said_spent[rows] + _WORSE)
        fires = costly & (seen.margin >= least) & (((page.opened_min[rows] == 0) & rested) | worse)
        opened = rows[fires]
        page.opened_min[opened] = page.hot_min[opened] = page.said_min[opened] = at_min
        page.said_spent[opened] = seen.spent[fires]
        return [self._flag(seen, index, least, at_min=at_min) for index in np.flatnonzero(fires).tolist()]

    def _flag(self, seen: Spending, index: int, least: float, *, at_min: int) -> Flag:
        margin = float(seen.margin[index])
        return Flag(
            kind="spike", row=int(seen.rows[index]), at_min=at_min, since_min=at_min - WINDOW_MIN + 1,
            window_min=WINDOW_MIN, observed_usd_per_hour=float(np.exp(seen.spent[index])) * PER_HOUR,
            expected_usd_per_hour=float(np.exp(seen.expected[index])) * PER_HOUR, score=margin, threshold=least,
            p_value=self.tail.p_value(margin),
        )  # fmt: skip

    def _close(self, *, at_min: int) -> None:
        opened = np.flatnonzero(self.page.opened_min > 0)
        calm = at_min - self.page.hot_min[opened] >= self.rules.calm_after_min
        self.page.opened_min[opened[calm]] = 0

    def _pool_block(self) -> None:
        judged = self.page.block_margin > 0
        margins = self.page.block_margin[judged]
        self.pool.add(np.where(margins > _TINY, margins, 0), blocks=float(judged.sum()))
        self.page.block_margin[:] = 0

    def _new_tail(self) -> None:
        self.tail = self.pool.end_day() or self.tail
        wanted = fires_at(self.tail, self.rules, blocks_per_day=self.pool.blocks_per_day())
        self.margin = max(wanted, self.margin - _MOST_FALL_PER_DAY)


_JUDGED_SHARE = 0.1
_MOST_FALL_PER_DAY = 0.2  # one quiet day is no proof that the next is
_TINY = np.float32(1e-6)
_STILL = np.float32(np.log(2))  # an episode lasts while half of what it was told at is spent
_WORSE = np.float32(np.log(3))  # an open episode is told again at three times what it was told at


def _or_tiny(margin: F32) -> F32:
    """The margin, or next to nothing: so an hour in which a spender was judged is told from one in which it was not."""
    return np.maximum(margin, _TINY)


def new_detector(parents: Rows, rules: Rules | None = None) -> Detector:
    """Detectors that know nothing of as many rows as `parents` has."""
    count = int(parents.max()) + 1 if len(parents) else 1
    detector = Detector(new_page(len(parents)), parents, hours.new_shapes(count), rules or Rules())
    detector.page.gate_usd[:] = detector.rules.least_excess_usd_per_hour
    detector.margin = first_margin(detector.rules, spenders=len(parents))
    return detector


def first_margin(rules: Rules, *, spenders: int) -> float:
    """The margin that fires before anything is known of so many spenders."""
    return fires_at(PRIOR, rules, blocks_per_day=MINUTES_A_DAY / BLOCK_MIN * spenders * _JUDGED_SHARE)


def fires_at(tail: Tail, rules: Rules, *, blocks_per_day: float) -> float:
    """The margin that so many false alerts a day exceed, where so many key-blocks a day are judged."""
    wanted = tail.threshold(rules.false_alerts_per_day / max(blocks_per_day, 1.0))
    return min(max(wanted, rules.least_margin), rules.most_margin)
