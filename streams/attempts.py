"""How a lane finds the record that kills its process, over as many processes as that takes. Pure.

Before the first step after a start, progress says how many processes have died on what is at hand, this one counted
beforehand; the commit of the step takes that back. So the count survives whatever kills, and batches after the first
cost nothing.

Laws
1. A range that has killed `MOST_DEATHS` processes is taken in `PIECES` pieces, a piece that kills in smaller ones.
2. A record is set aside only after `MOST_DEATHS` processes in a row died in a step that held nothing else.
3. Every other record is stepped to its commit exactly once, in order.
4. All that is needed is in progress: a process needs no memory of those before it.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from streams.ports import SourceRecord

MOST_DEATHS = 3
PIECES = 32
"""More than two: a piece that is survived costs milliseconds, one that kills costs a process its start."""


@dataclass(frozen=True, slots=True)
class Deaths:
    """How many processes died on the records from the position up to `tried_to`: what kills is one of them.

    `alone`: it is a single record, and each of them stepped nothing else.
    """

    count: int = 0
    tried_to: int = 0
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """The first `records` of what is at hand: stepped, or set aside, once progress says `deaths`."""

    records: int
    deaths: Deaths
    aside: bool = False


class Attempts:
    """What a lane of this process takes next. `narrows` is False where no record may be left out."""

    def __init__(self, said: Deaths, *, narrows: bool) -> None:
        self._suspected = said
        self._narrows = narrows
        self._first = True
        self._piece = 0

    def next(self, records: Sequence[SourceRecord]) -> Attempt | None:
        """How to take these records; None: as they are, and nothing needs to be said before."""
        count = self._suspected.count
        if not self._narrows:
            return Attempt(len(records), Deaths(count + 1, records[-1].offset + 1)) if self._first else None
        suspected = bisect_left(records, self._suspected.tried_to, key=lambda record: record.offset)
        if not count or not suspected:
            return _attempt(records, deaths=1) if self._first else None
        if self._suspected.alone:
            return Attempt(1, Deaths(count + 1, records[0].offset + 1, alone=True), aside=count >= MOST_DEATHS)
        if count < MOST_DEATHS:
            return _attempt(records[:suspected], deaths=count + 1)
        self._piece = self._piece or -(-suspected // PIECES)
        return _attempt(records[: min(self._piece, suspected)], deaths=MOST_DEATHS)

    def left(self, next_offset: int) -> Deaths:
        """What the commit of an attempt says, that moves the position there: what killed is in the rest of the range.

        It is through; the next attempt is another one.
        """
        self._first = False
        if next_offset >= self._suspected.tried_to or not self._narrows:
            self._suspected = Deaths()
        return self._suspected


def _attempt(records: Sequence[SourceRecord], *, deaths: int) -> Attempt:
    """All of these; deaths before were of more than this one record, if it is one."""
    alone = len(records) == 1
    return Attempt(len(records), Deaths(1 if alone else deaths, records[-1].offset + 1, alone=alone))
