"""Deltas: the sums of a batch per entity and per budget member, in buckets of 10 s of event time.

Laws
1. For each entity type, the sums over its deltas are the sums over the counted events that name one.
2. Merging the deltas of any cut of a batch gives the deltas of the batch: counts add, times take the first and last,
   hashes take the smallest of both.
3. Rows are sorted by org, entity type, entity, member, bucket, live; the same batch gives the same rows.

How: every (row, entity that it names) and every (row, budget that it meets) is one *part*; all parts of all kinds are
grouped and summed at once, so that a batch of one event costs little more than nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.internal import BUCKET_US, CODED_ROWS, DELTA_COUNTS, DELTA_SCHEMA, MONEY_PAIRS
from schemas.policies import ENTITY_TYPES
from streams.rating.charging import Charges
from streams.rating.columns import Columns
from streams.rating.costs import Bools, split
from streams.rating.groups import CodedRows, Codes, Ints, Runs, combine, from_zero, groups_of, runs_of
from streams.rating.identity import stable_hash
from streams.rating.matching import Matches

MAX_HASHES = 16
_PAIRS = [tuple(DELTA_COUNTS.index(name) for name in pair) for pair in MONEY_PAIRS]
_BUDGET = "budget"
_KINDS = sorted((*ENTITY_TYPES, _BUDGET))
_WRITES = slice(2, 7)  # the cache writes among INPUT_LEAVES
_HASHES = pa.list_(pa.uint64())
_hash = lru_cache(maxsize=65_536)(stable_hash)


@dataclass(frozen=True)
class Counted:
    """What of each row goes into sums; `kept` are the rows that count."""

    columns: CodedRows
    live: Bools
    kept: Ints
    counts: npt.NDArray[np.int64]  # one row for each of DELTA_COUNTS
    used: bool = True  # False: corrections, which say nothing of whom a credential is used by


@dataclass(frozen=True)
class Subjects:
    """Some parts of a batch and what they are of: part i is of row `rows[i]` and of subject `which[i]`.

    A subject is an entity, or a budget with its member; subjects are sorted by name, then member.
    """

    rows: Ints
    which: Ints
    names: list[str]
    members: list[str | None]
    weights: Ints | None = None  # how many times each part counts; None = once


def counted(columns: Columns, charges: Charges, *, live: Bools, kept: Ints) -> Counted:
    """The columns that are summed, of the rows that count."""
    micro, remainder = split(np.maximum(charges.cost, 0))
    ceiling_micro, ceiling_remainder = split(np.maximum(charges.ceiling, 0))
    leaves_in, leaves_out = np.maximum(columns.input.leaves, 0), np.maximum(columns.output.leaves, 0)
    counts = {
        "requests": np.ones(columns.rows, np.int64),
        "errors": columns.equal("status", "error").astype(np.int64),
        "unpriced_requests": charges.unpriced.astype(np.int64),
        "input_tokens": np.maximum(columns.input.total, 0),
        "output_tokens": np.maximum(columns.output.total, 0),
        "cache_read_tokens": leaves_in[1],
        "cache_write_tokens": leaves_in[_WRITES].sum(axis=0),
        "reasoning_tokens": leaves_out[1],
        "cost_micro_usd": micro,
        "cost_pico_remainder": remainder,
        "ceiling_micro_usd": ceiling_micro,
        "ceiling_pico_remainder": ceiling_remainder,
    }
    return Counted(columns, live, kept, np.array([counts[name] for name in DELTA_COUNTS]))


def deltas_of(batch: Counted, matches: list[Matches]) -> pa.RecordBatch:
    """The delta rows of a batch, of all orgs."""
    if not len(batch.kept):
        return empty_deltas()
    found = [_entities(batch, kind) if kind != _BUDGET else _budgets(batch, matches) for kind in _KINDS]
    rows = np.concatenate([subjects.rows for subjects in found])
    before = np.cumsum([0, *(len(subjects.names) for subjects in found)])
    subject = np.concatenate([start + some.which for start, some in zip(before, found, strict=False)])
    distinct, group = groups_of(*_key(batch, rows, subject, int(before[-1])))
    runs = runs_of(group, len(distinct))
    arrays = {
        **_keys(batch, found, rows[runs.first], subject[runs.first]),
        **_sums(batch, rows[runs.order], runs, _weights(found, runs)),
        **_hash_lists(batch, found, rows, group, len(distinct)),
    }
    return pa.RecordBatch.from_arrays([arrays[name] for name in DELTA_SCHEMA.names], schema=DELTA_SCHEMA)


def _weights(found: list[Subjects], runs: Runs) -> Ints | None:
    """How many times each part counts, parts of a group together; None where all count once."""
    if all(subjects.weights is None for subjects in found):
        return None
    every = [np.ones(len(some.rows), np.int64) if some.weights is None else some.weights for some in found]
    return np.concatenate(every)[runs.order]


def _key(batch: Counted, rows: Ints, subject: Ints, subjects: int) -> tuple[Ints, int]:
    """What the parts are grouped by: org, subject, bucket, live; in this order law 3 wants them."""
    org = batch.columns.codes("org")
    buckets, bucket = groups_of(*from_zero(batch.columns.event_us // BUCKET_US))
    # Two steps, so that what is the same for all parts of a row is made once per row.
    place, places = combine((bucket, len(buckets)), (batch.live.astype(np.int64), 2))
    return combine((org.codes.take(rows), len(org.values)), (subject, subjects), (place.take(rows), places))


def _keys(batch: Counted, found: list[Subjects], row: Ints, subject: Ints) -> dict[str, pa.Array]:
    """The key columns of delta rows: `row` and `subject` are those of any part of each."""
    org = batch.columns.codes("org")
    kinds = np.repeat(np.arange(len(found)), [len(subjects.names) for subjects in found])
    names = [name for subjects in found for name in subjects.names]
    members = [name for subjects in found for name in subjects.members]
    return {
        "org": _named(org.values, org.codes[row]),
        "entity_type": _named(_KINDS, kinds[subject]),
        "entity_id": _named(names, subject),
        "member": _named(members, subject),
        "bucket_us": pa.array(batch.columns.event_us[row] // BUCKET_US * BUCKET_US),
        "live": pa.array(batch.live[row]),
    }


def _named(names: Sequence[str | None], codes: Ints) -> pa.Array:
    """The names that codes stand for; of few by Python, which spares Arrow's 10 us."""
    if len(codes) < CODED_ROWS:
        return pa.array([names[at] for at in codes.tolist()], pa.string())
    return pa.array(names, pa.string()).take(pa.array(codes))


def _sums(batch: Counted, arranged: Ints, runs: Runs, weights: Ints | None) -> dict[str, pa.Array]:
    """Counts and times of delta rows; `arranged` are the rows of the parts, those of a group together."""
    counts = np.zeros((len(DELTA_COUNTS), len(runs.starts)), np.int64)
    for at in np.flatnonzero(batch.counts.any(axis=1)).tolist():  # most batches lack one kind of tokens or the other
        # One column after the other stays in the processor's cache: a quarter of the cost of all at once.
        every = batch.counts[at].take(arranged)
        counts[at] = runs.sums(every if weights is None else every * weights)
    for micro, remainder in _PAIRS:
        carry, counts[remainder] = split(counts[remainder])
        counts[micro] += carry
    event_us = batch.columns.event_us.take(arranged)
    return {
        **{name: pa.array(counts[at]) for at, name in enumerate(DELTA_COUNTS)},
        "first_us": pa.array(np.minimum.reduceat(event_us, runs.starts)),
        "last_us": pa.array(np.maximum.reduceat(event_us, runs.starts)),
    }


def _hash_lists(batch: Counted, found: list[Subjects], rows: Ints, group: Ints, groups: int) -> dict[str, pa.Array]:
    """Whom each credential was used by and from where; empty lists for all other rows."""
    before = np.cumsum([0, *(len(subjects.rows) for subjects in found)])
    credential = _KINDS.index("credential")
    part = slice(before[credential], before[credential + 1]) if batch.used else slice(0, 0)
    user = "named_user" if batch.used else "user"  # a key is shared by whom its events name, whoever it was given to
    return {
        f"{name}_hashes": _hashes(batch.columns.codes(field), rows[part], group[part], groups)
        for name, field in (("user", user), ("address", "client_address_hash"))
    }


def _entities(batch: Counted, kind: str) -> Subjects:
    codes = batch.columns.codes(kind)
    held = codes.codes[batch.kept]
    named = held >= 0
    none: list[str | None] = [None] * len(codes.values)
    return Subjects(batch.kept[named], held[named], codes.values, none)


def _budgets(batch: Counted, matches: list[Matches]) -> Subjects:
    """The budgets that rows count toward, with their members where they have any."""
    kept = np.zeros(batch.columns.rows, np.bool_)
    kept[batch.kept] = True
    rows: list[Ints] = [np.zeros(0, np.int64)]
    pairs: list[tuple[str, str | None]] = []
    which: list[Ints] = [np.zeros(0, np.int64)]
    weights: list[Ints] = [np.zeros(0, np.int64)]
    for match in matches:
        counts = kept[match.rows]
        hit, budget = match.rows[counts], match.budgets[counts]
        member = batch.columns.codes(match.each) if match.each else Codes(np.zeros(batch.columns.rows, np.int64), [""])
        distinct, group = groups_of(*combine((budget, len(match.ids)), (member.codes[hit], len(member.values))))
        rows.append(hit)
        weights.append(np.ones(len(hit), np.int64) if match.weights is None else match.weights[counts])
        which.append(len(pairs) + group)
        for key in distinct.tolist():
            at, name = divmod(key, len(member.values))
            pairs.append((match.ids[at], member.values[name] if match.each else None))
    order = sorted(range(len(pairs)), key=lambda at: (pairs[at][0], pairs[at][1] or ""))
    rank = np.empty(len(pairs), np.int64)
    rank[order] = np.arange(len(pairs))
    names, members = [pairs[at][0] for at in order], [pairs[at][1] for at in order]
    weighted = any(match.weights is not None for match in matches)
    found = np.concatenate(weights) if weighted else None
    return Subjects(np.concatenate(rows), rank[np.concatenate(which)], names, members, found)


def _hashes(names: Codes, rows: Ints, group: Ints, groups: int) -> pa.Array:
    """For each group the smallest hashes of the distinct names in its rows, ascending."""
    if len(rows) < CODED_ROWS:
        return _hashes_of_few(names, rows, group, groups)
    named = names.codes[rows] >= 0
    owner, name = group[named], names.codes[rows][named]
    distinct, _ = groups_of(*combine((owner, groups), (name, max(1, len(names.values)))))
    owner, name = np.divmod(distinct, max(1, len(names.values)))
    hashes = np.array([_hash(one) for one in names.values], np.uint64)[name]
    order = np.lexsort((hashes, owner))
    owner, hashes = owner[order], hashes[order]
    counts = np.bincount(owner, minlength=groups)
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    offsets = np.zeros(groups + 1, np.int32)
    np.cumsum(np.minimum(counts, MAX_HASHES), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(hashes[rank < MAX_HASHES]))


def _hashes_of_few(names: Codes, rows: Ints, group: Ints, groups: int) -> pa.Array:
    """The same of few rows, of which Python is quicker."""
    hashes: list[set[int]] = [set() for _ in range(groups)]
    for owner, name in zip(group.tolist(), names.codes[rows].tolist(), strict=True):
        if name >= 0:
            hashes[owner].add(_hash(names.values[name]))
    return pa.array([sorted(some)[:MAX_HASHES] for some in hashes], _HASHES)


def empty_deltas() -> pa.RecordBatch:
    """No rows."""
    return pa.RecordBatch.from_arrays([pa.array([], type_) for type_ in DELTA_SCHEMA.types], schema=DELTA_SCHEMA)
