"""Who an event is, and whether two events of one identity say the same.

Laws
1. The identity is BLAKE2b-128 over source, NUL, id; names hold no NUL, so it is one-to-one with (source, id).
2. Two events have one content hash if and only if (but for 64-bit chance) all that is counted or kept of them is
   equal, however it was written: order of keys, escapes, offsets of time, leaves left out or spelled out. What is no
   content: the identity itself, the revision (compared apart), `import_id`, and the attributes of the envelope.
"""

from hashlib import blake2b
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.usage import LEAVES
from streams.rating.columns import DATA_FIELDS, Columns

_APART = {"revision", "import_id", "input_tokens", "output_tokens", *LEAVES}
_TEXT_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
U64 = npt.NDArray[np.uint64]
_FACTORS: U64 = np.frombuffer(
    b"".join(blake2b(bytes([at]), digest_size=8).digest() for at in range(len(LEAVES) + 3)), "<u8"
) | np.uint64(1)
"""An odd number for each number of an event, so that numbers that change places change the sum."""


def _runs() -> list[slice]:
    """Where in the tuple of an event's data stands what is hashed as text."""
    kept = [at for at, name in enumerate(DATA_FIELDS) if name not in _APART]
    cuts = [0, *(at for at in range(1, len(kept)) if kept[at] != kept[at - 1] + 1), len(kept)]
    return [slice(kept[a], kept[b - 1] + 1) for a, b in pairwise(cuts)]


_RUNS = _runs()


def event_identities(columns: Columns) -> list[bytes]:
    """The identity of each row, 16 bytes."""
    return [
        blake2b(f"{source}\0{id_}".encode(), digest_size=16).digest()
        for source, id_ in zip(columns.source, columns.id, strict=True)
    ]


def content_hashes(columns: Columns) -> U64:
    """The content hash of each row (law 2), with its event time in it."""
    encode = _TEXT_ENCODER.encode
    digests = b"".join([blake2b(encode([row[run] for run in _RUNS]), digest_size=8).digest() for row in columns.tuples])
    hashes: U64 = np.frombuffer(digests, "<u8")
    sides = (columns.input.total, *columns.input.leaves, columns.output.total, *columns.output.leaves)
    numbers = np.array([*sides, columns.event_us]).view(np.uint64)
    return _mixed(hashes + (numbers * _FACTORS[:, None]).sum(axis=0, dtype=np.uint64))


def _mixed(hashes: U64) -> U64:
    """The hashes with every bit spread over all. Source: splitmix64's finalizer."""
    mixed = (hashes ^ (hashes >> np.uint64(30))) * _MIX[0]
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX[1]
    return mixed ^ (mixed >> np.uint64(31))


def stable_hash(text: str) -> int:
    """A 64-bit hash of a name that is the same in every process: BLAKE2b-64, little-endian."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
