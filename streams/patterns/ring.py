"""The newest things that a run did, and how long and how fast they repeat. Pure; the laws are those of runs.py."""

from itertools import pairwise
from statistics import median_low
from typing import NamedTuple
from zlib import crc32

import msgspec

LAST = 24


class At(NamedTuple):
    """When something happened, and when the log heard of it."""

    ts_us: int
    log_us: int


class Ring(msgspec.Struct, array_like=True):
    """The newest things that a run did, oldest first, and since when they repeat; times in microseconds since 1970."""

    last: list[tuple[int, int, int]] = msgspec.field(default_factory=list)  # CRC of what, event time, cost before it
    since_us: int = 0  # event time; 0 = they do not
    base_micro: int = 0
    heard_us: list[int] = msgspec.field(default_factory=list)  # log times of the same
    since_heard_us: int = 0
    repeats: int = 0  # how many things since then, in a row

    def add(self, what: str, at: At, before_micro: int, *, most: int, least: int) -> None:
        """One more; it repeats where the newest (at least `least`) are at most a quarter, and `most`, different."""
        self.last.append((crc32(what.encode()), at.ts_us, before_micro))
        self.heard_us.append(at.log_us)
        del self.last[:-LAST]
        del self.heard_us[:-LAST]
        if not self._repeats(most=most, least=least):
            self.since_us = self.since_heard_us = self.repeats = 0
        elif self.since_heard_us == 0:
            (_, self.since_us, self.base_micro), self.since_heard_us = self.last[0], self.heard_us[0]
            self.repeats = len(self.last)
        else:
            self.repeats += 1

    def _repeats(self, *, most: int, least: int) -> bool:
        few = min(most, len(self.last) // 4)
        if len(self.last) < least or len({one for one, _, _ in self.last[-few - 1 :]}) > few:
            return False  # what is so many different ones already needs no second look at all of them
        return len({one for one, _, _ in self.last}) <= few

    def every_us(self) -> int:
        """How long it took from one to the next: by the log or by the events, whichever was longer."""
        by_log = (max(self.heard_us) - min(self.heard_us)) // max(1, len(self.heard_us) - 1) if self.heard_us else 0
        return max(by_log, self._spaced_us())

    def lasts_us(self) -> int:
        """How long it repeats: by the log or by the events, whichever was longer.

        By the events it is no longer than from its first stamp to the last, nor than so many things take by the middle
        distance of the newest. So what is sent late and all at once counts, and a wrong stamp does not.
        """
        by_log = self.heard_us[-1] - self.since_heard_us if self.heard_us else 0
        span = max((ts_us for _, ts_us, _ in self.last), default=0) - self.since_us
        return max(by_log, min(span, self._spaced_us() * (self.repeats - 1)), 0)

    def _spaced_us(self) -> int:
        by_event = sorted(ts_us for _, ts_us, _ in self.last)
        return median_low([later - earlier for earlier, later in pairwise(by_event)] or [0])
