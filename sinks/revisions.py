"""What the rows of a group mean beside what the ledger holds: which are stored, and what burn is told. Pure.

Of all rows of an event, stored or new, one survives: that of the highest revision, the stored one of equals, else the
first of them. Every other new row is left out.

Laws
1. What rating summed, plus the signed rows, is what the ledger gained: over the rows of a group, the sums that rating
   sent, less `taken_back` and the stored rows `replaced`, plus `added`, is the surviving rows less those of before.
2. So it is for any sequence of rows, however it is cut into groups, and whichever of them rating summed.
3. A void row, and a stored one that was undone, is nothing: neither taken back nor added.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.requests import version_of

Identity = tuple[int, str, str]
"""Hour since 1970, source, id: what the ledger keeps apart."""
RowPlace = tuple[int, int, int]
"""Where a row stands in `internal.rated`: partition, offset, index in the message."""

LATE_DUPLICATE = "late_duplicate"
REVISION = "revision"


class Claim(NamedTuple):
    """A new row, as far as its fate depends on it."""

    place: RowPlace
    identity: Identity
    revision: int
    summed: bool  # by rating, directly; never so for a void row
    void: bool


class Held(NamedTuple):
    """The row that the ledger has of an event."""

    revision: int
    counts: bool  # False: it is void, or was undone
    correction: int = 0

    @property
    def version(self) -> int:
        """What orders the rows of an event."""
        return version_of(revision=self.revision, correction=self.correction)


@dataclass
class Resolution:
    """What becomes of the rows of a group."""

    left_out: set[RowPlace] = field(default_factory=set)
    taken_back: dict[RowPlace, str] = field(default_factory=dict)
    """New rows that rating summed and that do not count: sign -1, by their reason."""
    added: set[RowPlace] = field(default_factory=set)
    """New rows that count and that rating did not sum: sign +1, reason `revision`."""
    replaced: set[Identity] = field(default_factory=set)
    """Events whose stored row counts no more: its sign is -1, its reason `revision`."""
    unforeseen: set[Identity] = field(default_factory=set)
    """Events of which a first revision may still come, which rating will take for new: see `watched_hours.py`."""

    def says_nothing(self) -> bool:
        """Whether every row is stored, and summed by rating alone."""
        return not (self.left_out or self.taken_back or self.added or self.replaced)


def resolve(claims: Iterable[Claim], held: Mapping[Identity, Held]) -> Resolution:
    """What becomes of these rows, all those of their events in a group, in order; `held` is what the ledger has."""
    events: dict[Identity, list[Claim]] = {}
    for claim in claims:
        events.setdefault(claim.identity, []).append(claim)
    found = Resolution()
    for identity, rows in events.items():
        _resolve(found, rows, held.get(identity))
    return found


def _resolve(found: Resolution, rows: Sequence[Claim], before: Held | None) -> None:
    best = max(rows, key=lambda row: row.revision)  # the first of the highest
    survives = best if before is None or best.revision > before.revision else None
    highest = best.revision if survives is not None or before is None else before.revision
    for row in rows:
        if row is survives:
            if not (row.summed or row.void):
                found.added.add(row.place)
            continue
        found.left_out.add(row.place)
        if row.summed:
            found.taken_back[row.place] = LATE_DUPLICATE if row.revision == highest else REVISION
    if survives is None:
        return
    if before is None:
        if survives.revision > 1:
            found.unforeseen.add(survives.identity)
    elif before.counts:
        found.replaced.add(survives.identity)
