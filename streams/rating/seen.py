"""What `internal.seen` holds: for each batch, the identities that rating counted, so that its window can be rebuilt.

One record: a header, then columns: identities (16 bytes each), contents (8), event times (8), revisions (4, left out
where each is 1). 32 bytes per event; written in the transaction of the batch, to the partition of the same number.
Records of before 2026-11-23 (`BLS1`) have contents hashed in another way: what they say of contents is not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from struct import Struct

import numpy as np

from schemas.errors import CorruptStateError
from streams.rating.duplicates import UNKNOWN, Known, Window

_HEADER = Struct("<4sIBqqqq")
_MAGIC, _OLDER = b"BLS2", b"BLS1"
IDENTITY_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One record: the events counted, and how the lane stood around them."""

    known: Known
    held_before: int  # how many the window held before them
    newest_gone_us: int  # and what it had let go after them
    log_time_us: int
    policy_offset: int


def seen_to_bytes(seen: Seen) -> bytes:
    """The record."""
    known = seen.known
    all_first = bool((known.revisions == 1).all())
    after = (seen.held_before, seen.newest_gone_us, seen.log_time_us, seen.policy_offset)
    header = _HEADER.pack(_MAGIC, len(known.identities), all_first, *after)
    revisions = b"" if all_first else known.revisions.astype("<u4").tobytes()
    columns = (known.contents.astype("<u8").tobytes(), known.event_us.astype("<i8").tobytes(), revisions)
    return b"".join((header, *known.identities, *columns))


def seen_from_bytes(raw: bytes) -> Seen:
    """The record in these bytes. Raises: CorruptStateError: rating did not write them."""
    if len(raw) < _HEADER.size or raw[:4] not in {_MAGIC, _OLDER}:
        raise CorruptStateError(f"a record of internal.seen does not begin with {_MAGIC!r} but with {raw[:4]!r}")
    _, count, all_first, held_before, newest_gone_us, log_time_us, policy_offset = _HEADER.unpack_from(raw)
    expected = _HEADER.size + count * (32 if all_first else 36)
    if len(raw) != expected:
        raise CorruptStateError(f"a record of internal.seen has {len(raw)} bytes instead of {expected}")
    at = _HEADER.size
    identities = [raw[i : i + IDENTITY_BYTES] for i in range(at, at + count * IDENTITY_BYTES, IDENTITY_BYTES)]
    at += count * IDENTITY_BYTES
    older = raw[:4] == _OLDER
    contents = np.full(count, UNKNOWN, np.uint64) if older else np.frombuffer(raw, "<u8", count, at)
    event_us = np.frombuffer(raw, "<i8", count, at + 8 * count)
    ones = np.ones(count, np.uint32)
    revisions = ones if all_first else np.frombuffer(raw, "<u4", count, at + 16 * count)
    return Seen(
        known=Known(identities, revisions, event_us, contents),
        held_before=held_before,
        newest_gone_us=newest_gone_us,
        log_time_us=log_time_us,
        policy_offset=policy_offset,
    )


def enough(records: Sequence[Seen], *, size: int) -> bool:
    """Whether these last records of the topic cover a window of `size`, or all that was ever held."""
    return not records or records[0].held_before == 0 or sum(len(seen.known.identities) for seen in records) >= size


def rebuilt(records: Sequence[Seen], *, size: int, max_ahead_us: int) -> Window:
    """The window after these records, the last of the topic in order.

    Where the window before held something that they do not tell of (retention took it, or `size` was greater then),
    whatever may have been let go counts as let go: events up to `max_ahead_us` after the first record's log time.
    """
    window = Window(size)
    for seen in records:
        window.admit(seen.known)
    if records:
        window.newest_gone_us = max(records[-1].newest_gone_us, window.newest_gone_us)
        if not enough(records, size=size) or _was_greater(records, size=size):
            window.newest_gone_us = max(window.newest_gone_us, records[0].log_time_us + max_ahead_us)
    return window


def _was_greater(records: Sequence[Seen], *, size: int) -> bool:
    """Whether the window that wrote these records may hold events from before them still, which we forget."""
    if records[0].held_before == 0:
        return False
    grown = ((seen.held_before + len(seen.known.identities), after) for seen, after in pairwise(records))
    let_go = any(after.held_before < all_held for all_held, after in grown)
    return not let_go or max(seen.held_before for seen in records) > size
