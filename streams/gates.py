"""Between the thread that fetches and the lane that works: what was handed over, and whether there is room for more.

Laws
1. Batches of a lane are a chain: each begins where the one before ended. A lane that finds the chain broken must stop.
2. Nothing is handed through a closed gate; a gate opens once, at an offset.
3. `seen` is a pair that was true at one moment: everything below `position` that is a record was handed over, and the
   last of it ends at `handed`. Between the two stand only commit markers, aborted records and gaps.
4. Each number has one writing thread, so no lock is needed: the fetching thread writes all but `done_batches`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import FatalError
from streams.ports import SourceRecord


@dataclass(frozen=True, slots=True)
class Seen:
    """How far the fetching thread was, at one moment."""

    handed: int
    position: int


@dataclass(frozen=True, slots=True)
class FetchedBatch:
    """The records of one partition in one fetch, and the positions before and after it."""

    gate: "Gate"
    from_offset: int
    to_offset: int
    records: Sequence[SourceRecord]


class Gate:
    """One lane's door to the fetching thread; `depth` batches may be on the lane's side at a time."""

    __slots__ = ("_depth", "_handed", "done_batches", "handed_batches", "opened", "seen")

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._handed = -1
        self.opened = False
        self.seen = Seen(handed=-1, position=-1)
        self.handed_batches = 0
        self.done_batches = 0

    def open_at(self, offset: int) -> None:
        """The next record handed over is the first at or after `offset`."""
        self._handed = offset
        self.seen = Seen(handed=offset, position=offset)
        self.opened = True

    def room(self) -> bool:
        """Whether one more batch may be handed over."""
        return self.opened and self.handed_batches - self.done_batches < self._depth

    def hand(self, records: Sequence[SourceRecord], *, position: int) -> FetchedBatch:
        """The batch that the lane gets: its records, and where the fetch left the consumer's position.

        Raises: FatalError: a record stands before what was handed over already.
        """
        if records[0].offset < self._handed:
            raise FatalError(
                f"fetched offset {records[0].offset} again; everything below {self._handed} was handed over"
            )
        batch = FetchedBatch(self, self._handed, position, records)
        self._handed = position
        self.handed_batches += 1
        return batch

    def saw(self, position: int) -> None:
        """The fetching thread stands at `position` and has handed over all it has."""
        if self.seen.position != position or self.seen.handed != self._handed:
            self.seen = Seen(handed=self._handed, position=position)
