"""How many users and client addresses used one credential within an hour, from mergeable sketches of hashes.

Laws
1. A sub-bucket of 5 min keeps the 16 smallest distinct hashes; merging is order-free and idempotent.
2. Fewer than 16 distinct hashes within the hour are counted exactly; more are estimated from the 16th smallest.
3. Only live rows take part; the hour is event time and reaches back at most 5 min further.
Source: Bar-Yossef et al. 2002, k minimum values.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.burn.table import Column, Slots, Table

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
CredentialKey = tuple[str, str]
"""org, credential."""

K = 16
_PART_US = 300_000_000
_PARTS = 15  # one hour, the started part, one ahead of the clock, one to spare
_HOUR_US = 3_600_000_000
NONE = np.uint64(2**64 - 1)
"""No hash here; stored inverted, so that fresh rows of zeros are empty."""

COLUMNS = {
    "newest": Column("int64"),  # the newest 5 min part in the row, counted from 1970; 0 = none yet
    "unjudged": Column("uint8"),
    "users": Column("uint64", _PARTS * K),
    "addresses": Column("uint64", _PARTS * K),
}
Credentials = Table[CredentialKey]
PART_BUCKETS = 30


def new_table() -> Credentials:
    """No credential was used."""
    return Table(COLUMNS, page_rows=64)


@dataclass(frozen=True, slots=True)
class Distinct:
    """How many users and addresses within the hour, per credential."""

    users: Ints
    addresses: Ints


def advance(table: Credentials, slots: Slots, part: Ints) -> None:
    """Rows reach the part; parts in between are empty. The caller has announced the change."""
    newest = table.columns["newest"]
    rows, group = np.unique(slots, return_inverse=True)
    after = newest[rows].copy()
    before = after.copy()
    np.maximum.at(after, group, part)
    steps = np.minimum(after - before, _PARTS)
    for step in range(1, int(steps[before > 0].max(initial=0)) + 1):
        here = (before > 0) & (steps >= step)
        place = (before[here] + step) % _PARTS
        for name in ("users", "addresses"):
            table.columns[name].reshape(-1, _PARTS, K)[rows[here], place] = 0
    newest[rows] = after


def merge(table: Credentials, name: str, slots: Slots, part: Ints, hashes: Hashes) -> None:
    """The hashes, one per entry, are in their parts' sketches; those of parts that the row has left are dropped."""
    kept = part > table.columns["newest"][slots] - _PARTS
    slots, part, hashes = slots[kept], part[kept], hashes[kept]
    if len(slots) == 0:
        return
    cells = table.columns[name].reshape(-1, K)
    at, group = np.unique(slots * _PARTS + part % _PARTS, return_inverse=True)
    held = ~cells[at]
    values = np.concatenate([held.reshape(-1), hashes])
    groups = np.concatenate([np.repeat(np.arange(len(at)), K), group])
    order = np.lexsort((values, groups))
    values, groups = values[order], groups[order]
    fresh = np.ones(len(values), np.bool_)
    fresh[1:] = (values[1:] != values[:-1]) | (groups[1:] != groups[:-1])
    fresh &= values != NONE
    values, groups = values[fresh], groups[fresh]
    starts = np.searchsorted(groups, np.arange(len(at)))
    rank = np.arange(len(values)) - starts[groups]
    smallest = np.full((len(at), K), NONE, np.uint64)
    chosen = rank < K
    smallest[groups[chosen], rank[chosen]] = values[chosen]
    cells[at] = ~smallest


def distinct(table: Credentials, slots: Slots, *, at_us: int) -> Distinct:
    """How many users and addresses within the hour that ends at `at_us` (what lies ahead of it counts too)."""
    first = (at_us - _HOUR_US) // _PART_US
    newest = table.columns["newest"][slots][:, None]
    stands = newest - (newest - np.arange(_PARTS)) % _PARTS
    inside = (stands >= first)[:, :, None]
    return Distinct(*(_count(table.columns[name][slots], inside) for name in ("users", "addresses")))


def _count(stored: Hashes, inside: npt.NDArray[np.bool_]) -> Ints:
    rows = len(stored)
    hashes = np.where(inside, ~stored.reshape(rows, _PARTS, K), NONE).reshape(rows, -1)
    hashes.sort(axis=1)
    fresh = np.ones(hashes.shape, np.bool_)
    fresh[:, 1:] = hashes[:, 1:] != hashes[:, :-1]
    fresh &= hashes != NONE
    counts: Ints = fresh.sum(axis=1)
    for row in np.flatnonzero(counts >= K).tolist():
        counts[row] = estimate(int(hashes[row][fresh[row]][K - 1]))
    return counts


def estimate(kth_smallest: int) -> int:
    """How many distinct hashes there are when the 16th smallest is this one; from 16 to a billion."""
    return min(max(K, (K - 1) * 2**64 // max(1, kth_smallest)), 10**9)


def covered(table: Credentials, slots: Slots, *, at_us: int) -> npt.NDArray[np.bool_]:
    """Whether the rows still hold the start of the hour that ends at `at_us`."""
    known: npt.NDArray[np.bool_] = table.columns["newest"][slots] - _PARTS < (at_us - _HOUR_US) // _PART_US
    return known
