"""The margin from which on a spike is told, for each organisation by itself. Pure.

Laws
1. What one organisation spends changes no threshold of another, by nothing at all.
2. Of a day's told spikes only the least count, and no more than were told on a quiet one (the lower quartile) of the
   last days, or are expected to be false; what lasts counts for nothing. So an attack is no part of what is usual, and
   a threshold that is too low, which tells day after day, still rises.
3. It sinks by at most `_MOST_FALL_PER_DAY`: one quiet day is no proof that the next is.
4. Until a day's margins make a tail, the one that ServeGen's clients showed is assumed.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from streams.anomalies.page import F32
from streams.anomalies.rules import MINUTES_A_DAY, Rules
from streams.anomalies.tail import BLOCK_MIN, DAYS, MOST_KEPT, PRIOR, Pool, Tail

_JUDGED_SHARE = 0.1
_MOST_FALL_PER_DAY = 0.2


@dataclass(slots=True)
class Threshold:
    """An organisation's: what its spenders have shown, and the margin that follows from it.

    told: the margins of today's told spikes; told_on: how many were told on each of the last days.
    """

    pool: Pool = field(default_factory=Pool)
    tail: Tail = PRIOR
    margin: float = 0.0
    told: list[float] = field(default_factory=list)
    told_on: deque[int] = field(default_factory=lambda: deque(maxlen=DAYS))
    spenders: int = 0

    def watches(self, more: int, rules: Rules) -> None:
        """So many more spenders are watched: until a day is known, more of them ask for more."""
        self.spenders += more
        if not self.pool.days:
            blocks_per_day = MINUTES_A_DAY / BLOCK_MIN * self.spenders * _JUDGED_SHARE
            self.margin = fires_at(PRIOR, rules, blocks_per_day=blocks_per_day)

    def end_block(self, margins: F32, *, blocks: float) -> None:
        """The greatest margins of so many key-blocks are known."""
        self.pool.add(margins, blocks=blocks)

    def end_day(self, rules: Rules) -> None:
        """The day is part of what is usual."""
        self.told_on.append(len(self.told))
        quiet_day = sorted(self.told_on)[(len(self.told_on) - 1) // 4]
        least = sorted(self.told)[: min(max(quiet_day, int(rules.false_alerts_per_day)), MOST_KEPT)]
        self.pool.add(np.array(least, np.float32), blocks=len(least))
        self.told = []
        self.tail = self.pool.end_day() or self.tail
        wanted = fires_at(self.tail, rules, blocks_per_day=self.pool.blocks_per_day())
        self.margin = max(wanted, self.margin - _MOST_FALL_PER_DAY)


def new_threshold(rules: Rules, *, spenders: int) -> Threshold:
    """The threshold of so many spenders of whom nothing is known."""
    found = Threshold()
    found.watches(spenders, rules)
    return found


def fires_at(tail: Tail, rules: Rules, *, blocks_per_day: float) -> float:
    """The margin that so many false alerts a day exceed, where so many key-blocks a day are judged."""
    wanted = tail.threshold(rules.false_alerts_per_day / max(blocks_per_day, 1.0))
    return min(max(wanted, rules.least_margin), rules.most_margin)
