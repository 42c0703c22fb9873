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
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
U64 = npt.NDArray[np.uint64]


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
    hashes: U64 = np.frombuffer(digests, "<u8").copy()
    for side in (columns.input, columns.output):
        for numbers in (side.total, *side.leaves):
            hashes = _mixed(hashes, numbers)
    return _mixed(hashes, columns.event_us)


def _mixed(hashes: U64, numbers: npt.NDArray[np.int64]) -> U64:
    """The hashes with one more number in each. Source: splitmix64's finalizer."""
    mixed = (hashes ^ numbers.view(np.uint64)) + _ODD
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX[0]
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX[1]
    return mixed ^ (mixed >> np.uint64(31))


def stable_hash(text: str) -> int:
    """A 64-bit hash of a name that is the same in every process: BLAKE2b-64, little-endian."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
