"""The duplicate window of one source partition: what it counted last, by identity.

Laws
1. The window holds what it admitted last, `size` events and revisions of its partition; how records were cut into
   batches does not matter. A revision takes a place of its own; the place of the older one then holds nothing.
2. A copy of what it holds is dropped, and so is a lower revision; another content under the same identity and revision
   is refused, and so is another time, with the reason.
3. A higher revision is admitted: the sink, which has the row that it replaces, says what it changes.
4. An event that is no copy of what it holds, yet may be a copy of something it let go, is marked: a copy has the same
   event time, so only an event no newer than the newest event that was let go can be one. A higher revision may have
   been written with another time, so it is marked as soon as anything was let go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from streams.rating.groups import Ints
from streams.rating.identity import U64

NEVER = -(2**62)
"""Before any event time: nothing was let go yet."""
UNKNOWN = np.uint64(0)
"""The content of an event that was admitted by a version that hashed otherwise: any content is a copy of it."""


class Verdict(IntEnum):
    """What the window says of an event."""

    COUNTED = 0
    COPY = 1
    CONFLICT = 2
    TIME_MOVED = 3
    REVISION = 4  # of an event that the window holds; it now holds the revision


_ADMITTED = (Verdict.COUNTED, Verdict.REVISION)


@dataclass(frozen=True)
class Known:
    """Events as the window remembers them, in the order in which they were admitted."""

    identities: list[bytes]
    revisions: npt.NDArray[np.uint32]
    event_us: Ints
    contents: U64

    def part(self, start: int, stop: int) -> "Known":
        """Those from `start` up to and without `stop`."""
        rows = slice(start, stop)
        return Known(self.identities[rows], self.revisions[rows], self.event_us[rows], self.contents[rows])

    def take(self, rows: Ints) -> "Known":
        """Those at some places, in order."""
        if len(rows) == len(self.identities):
            return self
        chosen = [self.identities[row] for row in rows.tolist()]
        return Known(chosen, self.revisions[rows], self.event_us[rows], self.contents[rows])


@dataclass
class Window:
    """The window's state; `newest_gone_us` is the newest event time that it ever let go."""

    size: int
    newest_gone_us: int = NEVER
    _at: dict[bytes, int] = field(default_factory=dict)
    _held: Known = field(init=False)
    _next: int = 0

    def __post_init__(self) -> None:
        size = self.size
        self._held = Known([], np.zeros(size, np.uint32), np.zeros(size, np.int64), np.zeros(size, np.uint64))

    def __len__(self) -> int:
        return len(self._held.identities)

    def admit(self, events: Known) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
        """(the verdict on each event, whether it may be a copy of what was let go); who is admitted is now held."""
        rows = len(events.identities)
        verdicts = np.zeros(rows, np.int8)
        marks = np.zeros(rows, np.bool_)
        suspects = self._suspects(events.identities)
        said = self._nothing_new(events, suspects)
        if said is not None:
            places = np.array(list(suspects), np.int64)
            new = np.delete(np.arange(rows), places)
            verdicts[places] = said
            marks[new] = self._admit_new(events.take(new))
            return verdicts, marks
        start = 0
        for suspect in [*suspects, rows]:
            # Between suspects every event is new, so whole runs are held at once.
            while start < suspect:
                stop = min(suspect, start + self.size)
                marks[start:stop] = self._admit_new(events.part(start, stop))
                start = stop
            if suspect < rows:
                verdicts[suspect] = self._verdict(events, suspect)
                if verdicts[suspect] in _ADMITTED:
                    marks[suspect] = self._admit_new(events.part(suspect, suspect + 1))[0]
                start = suspect + 1
        return verdicts, marks

    def _suspects(self, identities: Sequence[bytes]) -> dict[int, int]:
        """The rows whose identity is held, or stands in an earlier row: which row that is, -1 where it is held."""
        at = self._at
        held = {row: -1 for row, identity in enumerate(identities) if identity in at}
        if len(set(identities)) == len(identities):
            return held
        first = dict(zip(reversed(identities), range(len(identities) - 1, -1, -1), strict=True))
        again = {row: first[identity] for row, identity in enumerate(identities) if first[identity] != row}
        return dict(sorted({**again, **held}.items()))

    def _nothing_new(self, events: Known, suspects: Mapping[int, int]) -> list[Verdict] | None:
        """The verdicts on the suspects if none is admitted, as ever but after a revision; None where it takes a look.

        Whatever is held for as long as the batch takes can be looked up before it: nothing changes what it is.
        """
        rows = len(events.identities)
        if rows > self.size:
            return None
        said = []
        for row, before in suspects.items():
            held, at = (events, before) if before >= 0 else (self._held, self._at[events.identities[row]])
            if before < 0 and (at - self._next) % self.size < rows:
                return None  # the rows before it may let it go
            verdict = _verdict(events, row, held, at)
            if verdict in _ADMITTED:
                return None
            said.append(verdict)
        return said

    def _verdict(self, events: Known, row: int) -> Verdict:
        at = self._at.get(events.identities[row])
        return Verdict.COUNTED if at is None else _verdict(events, row, self._held, at)

    def _admit_new(self, events: Known) -> npt.NDArray[np.bool_]:
        """Hold events that it does not hold so, at most `size`; says which may be copies of what was let go by then."""
        count = len(events.identities)
        places = (self._next + np.arange(count)) % self.size
        leaving = max(0, len(self) + count - self.size)
        gone_before = np.full(count, self.newest_gone_us, np.int64)
        if leaving:
            # Row i comes when the first (i - arriving) of the leaving ones have gone; the oldest stand at the places
            # that the last `leaving` rows take.
            arriving = count - leaving
            newest = np.maximum.accumulate(np.append(self.newest_gone_us, self._held.event_us[places[arriving:]]))
            gone_before[arriving:] = newest[:-1]
            self.newest_gone_us = int(newest[-1])
            at, ring = self._at, self._held.identities
            for place in places[arriving:].tolist():
                if at[ring[place]] == place:  # else a later revision has the identity
                    del at[ring[place]]
        self._held.revisions[places] = events.revisions
        self._held.event_us[places] = events.event_us
        self._held.contents[places] = events.contents
        self._place(places, events.identities)
        may_be_copy = events.event_us <= gone_before
        return may_be_copy | ((events.revisions > 1) & (gone_before > NEVER))

    def _place(self, places: Ints, identities: Sequence[bytes]) -> None:
        ring, start = self._held.identities, self._next
        self._at.update(zip(identities, places.tolist(), strict=True))
        before_end = self.size - start
        ring[start : start + len(identities)] = identities[:before_end]
        ring[: len(identities[before_end:])] = identities[before_end:]
        self._next = (start + len(identities)) % self.size


def _verdict(events: Known, row: int, held: Known, at: int) -> Verdict:
    """What is said of an event of whose identity one is held."""
    revision, held_revision = events.revisions[row], held.revisions[at]
    if revision == held_revision:
        same = held.contents[at] in {events.contents[row], UNKNOWN}
        return Verdict.COPY if same else Verdict.CONFLICT
    if events.event_us[row] != held.event_us[at]:
        return Verdict.TIME_MOVED
    return Verdict.REVISION if revision > held_revision else Verdict.COPY
