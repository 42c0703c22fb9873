"""All detectors over one page: each minute goes in, flags come out. Nothing else is needed to judge a stream.

Steps of a minute: 1. silences; 2. spikes judged, told, those of newcomers, too, learnt; 3. at the end of an hour:
leaks, what is usual at this hour, the greatest margins of its block; 4. at the end of a day: the tails anew, and with
them the margins that fire.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from streams.anomalies import hours, leaks, newcomers, silences, spikes
from streams.anomalies.flags import Flag
from streams.anomalies.page import F32, WINDOW_MIN, Page, Rows, new_page
from streams.anomalies.rules import MINUTES_A_DAY, Rules
from streams.anomalies.spikes import PER_HOUR, Spending
from streams.anomalies.tail import BLOCK_MIN
from streams.anomalies.thresholds import Threshold, new_threshold


@dataclass(slots=True)
class Detector:
    """A page of spenders, the parent of each, and what is known of all of an organisation together.

    thresholds: by parent; parents of one organisation have the same. grouped: parents of what is made of others, who
    are judged themselves; nothing new among these is a newcomer.
    """

    page: Page
    parents: Rows
    shapes: hours.Shapes
    thresholds: Sequence[Threshold]
    rules: Rules = field(default_factory=Rules)
    grouped: frozenset[int] = frozenset()

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
        flags += self._newcomers(seen, at_min=at_min)
        spikes.learn(page, seen, rules, at_min=at_min)
        if (at_min + 1) % 60 == 0:
            flags += leaks.end_hour(page, rules, at_min=at_min + 1)
            hours.end_hour(page, self.parents, self.shapes, at_min=at_min + 1)
        if (at_min + 1) % BLOCK_MIN == 0:
            self._end_block()
        if (at_min + 1) % MINUTES_A_DAY == 0:
            for threshold in {id(one): one for one in self.thresholds}.values():
                threshold.end_day(rules)
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
        rows, costly = seen.rows, seen.costly
        least = self._least(seen)
        beyond = seen.margin >= least
        usual = costly & ~beyond & (page.opened_min[rows] == 0)
        page.block_margin[rows[usual]] = np.maximum(page.block_margin[rows[usual]], _or_tiny(seen.margin[usual]))
        page.hot_min[rows[seen.spent > page.said_spent[rows] - _STILL]] = at_min
        fresh = at_min - page.said_min[rows] <= rules.calm_after_min
        page.said_spent[rows[fresh]] = np.maximum(page.said_spent[rows[fresh]], seen.spent[fresh])
        self._close(at_min=at_min)
        rested = (page.said_min[rows] == 0) | (at_min - page.said_min[rows] >= rules.cool_down_min)
        opens = (page.opened_min[rows] == 0) & rested
        worse = (page.opened_min[rows] > 0) & (seen.spent >= page.said_spent[rows] + _WORSE)
        fires = costly & beyond & (opens | worse)
        for row, margin in zip(rows[fires & opens].tolist(), seen.margin[fires & opens].tolist(), strict=True):
            self.thresholds[self.parents[row]].told.append(margin)
            page.block_margin[row] = 0  # how it began
        opened = rows[fires]
        page.opened_min[opened] = page.hot_min[opened] = page.said_min[opened] = at_min
        page.said_spent[opened] = seen.spent[fires]
        return [self._flag(seen, index, float(least[index]), at_min=at_min) for index in np.flatnonzero(fires).tolist()]

    def _newcomers(self, seen: Spending, *, at_min: int) -> list[Flag]:
        page, flags = self.page, []
        for one in newcomers.judge(page, self.parents, seen, self.rules, org_of=self.thresholds):
            row, spent = int(seen.rows[one.place]), seen.spent[one.place]
            if int(self.parents[row]) in self.grouped:
                continue
            page.opened_min[row] = page.hot_min[row] = page.said_min[row] = at_min
            page.said_spent[row] = spent
            flags.append(
                Flag(
                    kind="spike", row=row, at_min=at_min, since_min=at_min - WINDOW_MIN + 1, window_min=WINDOW_MIN,
                    observed_usd_per_hour=float(np.exp(spent)) * PER_HOUR,
                    expected_usd_per_hour=float(np.exp(one.usual)) * PER_HOUR,
                    score=one.above, threshold=one.least, p_value=one.p_value, peers=one.peers,
                )
            )  # fmt: skip
        return flags

    def _least(self, seen: Spending) -> F32:
        """The margin from which on each row is told; of those that may not be told none is enough."""
        least = np.full(len(seen.rows), np.inf, np.float32)
        parents = self.parents[seen.rows[seen.costly]].tolist()
        least[seen.costly] = [self.thresholds[parent].margin for parent in parents]
        return least

    def _flag(self, seen: Spending, index: int, least: float, *, at_min: int) -> Flag:
        margin = float(seen.margin[index])
        return Flag(
            kind="spike", row=int(seen.rows[index]), at_min=at_min, since_min=at_min - WINDOW_MIN + 1,
            window_min=WINDOW_MIN, observed_usd_per_hour=float(np.exp(seen.spent[index])) * PER_HOUR,
            expected_usd_per_hour=float(np.exp(seen.expected[index])) * PER_HOUR, score=margin, threshold=least,
            p_value=self.thresholds[self.parents[seen.rows[index]]].tail.p_value(margin),
        )  # fmt: skip

    def _close(self, *, at_min: int) -> None:
        opened = np.flatnonzero(self.page.opened_min > 0)
        calm = at_min - self.page.hot_min[opened] >= self.rules.calm_after_min
        self.page.opened_min[opened[calm]] = 0

    def _end_block(self) -> None:
        judged = np.flatnonzero(self.page.block_margin > 0)
        judged = judged[np.argsort(self.parents[judged], kind="stable")]
        parents, starts = np.unique(self.parents[judged], return_index=True)
        for parent, rows in zip(parents.tolist(), np.split(judged, starts[1:]), strict=False):
            margins = self.page.block_margin[rows]
            self.thresholds[parent].end_block(np.where(margins > _TINY, margins, 0), blocks=float(len(rows)))
        self.page.block_margin[:] = 0


_TINY = np.float32(1e-6)
_STILL = np.float32(np.log(2))  # an episode lasts while half of what it was told at is spent
_WORSE = np.float32(np.log(3))  # an open episode is told again at three times what it was told at


def _or_tiny(margin: F32) -> F32:
    """The margin, or next to nothing: so an hour in which a spender was judged is told from one in which it was not."""
    return np.maximum(margin, _TINY)


def new_detector(parents: Rows, rules: Rules | None = None, *, orgs: Sequence[int] | None = None) -> Detector:
    """Detectors that know nothing of as many rows as `parents` has; the org of each parent (left out: all of one)."""
    rules = rules or Rules()
    count = int(parents.max()) + 1 if len(parents) else 1
    of_parent = np.asarray([0] * count if orgs is None else orgs)
    rows_of = np.bincount(of_parent[parents], minlength=int(of_parent.max()) + 1).tolist()
    thresholds = [new_threshold(rules, spenders=rows) for rows in rows_of]
    detector = Detector(
        new_page(len(parents)), parents, hours.new_shapes(count), [thresholds[org] for org in of_parent], rules
    )
    detector.page.gate_usd[:] = rules.least_excess_usd_per_hour
    return detector
