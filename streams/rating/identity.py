"""Who an event is, and whether two events of one identity say the same.

Laws
1. The identity is BLAKE2b-128 over source, NUL, id; names hold no NUL, so it is one-to-one with (source, id).
2. Two events have one content hash if and only if (but for 64-bit chance) all that is counted or kept of them is
   equal, however it was written: order of keys, escapes, offsets of time, leaves left out or spelled out. What is no
   content: the identity itself, the revision (compared apart), `import_id`, and the attributes of the envelope.
3. Hashes are the same in every process and on every machine, and none is 0.
"""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.internal import CODED_ROWS
from schemas.usage import INPUT_LEAVES, LEAVES, OUTPUT_LEAVES
from streams.rating.columns import Columns
from streams.rating.decoding import DATA_FIELDS
from streams.rating.texts import Text

U64 = npt.NDArray[np.uint64]
_MAPS = ("asserted", "units", "tags")
_TRUTHS = ("gateway_cache_hit", "void")
_COUNTS = ("attempt", "step", "estimated_tokens", "http_status", "latency_ms", "ttft_ms")
_APART = ("revision", "import_id", "input_tokens", "output_tokens", *LEAVES)
_TEXTS = tuple(name for name in DATA_FIELDS if name not in {*_MAPS, *_TRUTHS, *_COUNTS, *_APART})
_TEXT_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEP = np.uint64(0x9E3779B97F4A7C15)
_WORD = 8
_MASKS: U64 = np.array([(1 << 8 * length) - 1 for length in range(_WORD + 1)], np.uint64)


def stable_hash(text: str) -> int:
    """A 64-bit hash of a name that is the same in every process: BLAKE2b-64, little-endian."""
    return _hash(text.encode())


def _hash(raw: bytes) -> int:
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "little")


_SEEDS = {name: np.uint64(stable_hash(name) | 1) for name in (*DATA_FIELDS, "event_us")}
"""An odd number for each field, so that what changes places changes the sum."""
_SEEDS_IN, _SEEDS_OUT = (
    np.array([[_SEEDS[name]] for name in leaves], np.uint64) for leaves in (INPUT_LEAVES, OUTPUT_LEAVES)
)
_EMPTY_HASH = blake2b(digest_size=16)


def event_identities(columns: Columns) -> list[bytes]:
    """The identity of each row, 16 bytes."""
    identities = []
    for source, id_ in zip(columns.source, columns.id, strict=True):
        hash_ = _EMPTY_HASH.copy()  # two thirds of the cost of a new one
        hash_.update(f"{source}\0{id_}".encode())
        identities.append(hash_.digest())
    return identities


def content_hashes(columns: Columns) -> U64:
    """The content hash of each row (law 2), with its event time in it: the sum of a hash for each field that is said.

    Texts are hashed once for each distinct value; numbers are multiplied.
    """
    sides = ((columns.input.leaves, _SEEDS_IN), (columns.output.leaves, _SEEDS_OUT))
    numbers = {"event_us": columns.event_us, "input_tokens": columns.input.total, "output_tokens": columns.output.total}
    numbers |= {name: columns.numbers(name) for name in _COUNTS if name in columns.sent}
    hashes: U64 = np.zeros(columns.rows, np.uint64)
    for name, column in numbers.items():
        hashes += (column + 1).view(np.uint64) * _SEEDS[name]
    for leaves, seeds in sides:
        hashes += ((leaves + 1).view(np.uint64) * seeds).sum(axis=0)
    for name in (*_MAPS, *_TRUTHS):
        if name in columns.sent:
            hashes += _hashes_of_few(columns.sent[name]) * _SEEDS[name]
    _add_texts(hashes, columns)
    return np.maximum(_mixed(hashes), 1)  # 0 says that nobody knows


def _hashes_of_few(column: tuple[object, ...]) -> U64:
    """A hash of each value, 0 of nothing."""
    encode = _TEXT_ENCODER.encode
    return np.array([0 if value is None else _hash(encode(value)) for value in column], np.uint64)


def _add_texts(hashes: U64, columns: Columns) -> None:
    """The hashes of all texts join the sums of their rows."""
    texts = {name: columns.text_as_sent(name) for name in _TEXTS if name in columns.sent}
    if not texts:
        return
    lengths = [len(text.held) for text in texts.values()]
    every = text_hashes(_all_values(list(texts.values())))
    every = _mixed(every + np.repeat(np.array([_SEEDS[name] for name in texts], np.uint64), lengths))
    starts = np.cumsum([0, *lengths])
    if len(hashes) < CODED_ROWS:
        codes = np.array([text.codes for text in texts.values()])
        nothing = starts[-1]
        table = np.append(every, np.uint64(0))
        hashes += table.take(np.where(codes < 0, nothing, codes + starts[:-1, None])).sum(axis=0)
        return
    for text, start in zip(texts.values(), starts.tolist(), strict=False):
        table = np.append(every[start : start + len(text.held)], np.uint64(0))  # -1 is the last one: nothing
        hashes += table.take(text.codes)


def _all_values(texts: Sequence[Text]) -> pa.StringArray:
    """The values of all these columns, one column after the other."""
    if all(isinstance(text.held, list) for text in texts):
        return pa.array([name for text in texts for name in text.names], pa.string())
    return pa.concat_arrays([text.values for text in texts])


def text_hashes(texts: pa.StringArray) -> U64:
    """A 64-bit hash of each text: the sum of its words of 8 bytes, each mixed with its place; of all texts at once.

    No secret is in it, so a collision can be made; whoever makes one has his own event taken for a copy, no more.
    """
    _, offsets, raw = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    padded = (raw.to_pybytes() if raw is not None else b"") + bytes(_WORD)
    words: U64 = np.ndarray(len(padded) - _WORD + 1, np.dtype("<u8"), padded, strides=(1,))
    at, left = bounds[:-1], np.diff(bounds)
    hashes = _mixed(left.astype(np.uint64) * _STEP)
    for place in range(0, int(left.max(initial=0)), _WORD):
        rows = np.flatnonzero(left > place)
        word = words[at[rows] + place] & _MASKS[np.minimum(left[rows] - place, _WORD)]
        hashes[rows] += _mixed(word + np.uint64((place + 1) * int(_STEP) % 2**64))
    return hashes


def _mixed(hashes: U64) -> U64:
    """The hashes with every bit spread over all. Source: splitmix64's finalizer."""
    mixed = (hashes ^ (hashes >> np.uint64(30))) * _MIX[0]
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX[1]
    return mixed ^ (mixed >> np.uint64(31))
