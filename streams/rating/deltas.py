"""Deltas: the sums of a batch per entity and per budget member, in buckets of 10 s of event time.

Laws
1. For each entity type, the sums over its deltas are the sums over the counted events that name one.
2. Merging the deltas of any cut of a batch gives the deltas of the batch: counts add, times take the first and last,
   hashes take the smallest of both.
3. Rows are sorted by org, entity type, entity, member, bucket, live; the same batch gives the same rows.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from schemas.internal import BUCKET_US, DELTA_COUNTS, DELTA_SCHEMA
from schemas.policies import ENTITY_TYPES
from streams.rating.charging import Charges
from streams.rating.columns import Columns
from streams.rating.costs import Bools, split
from streams.rating.groups import Codes, Ints, codes_of, combine, first_rows, groups_of, sum_by
from streams.rating.identity import stable_hash
from streams.rating.matching import Matches

MAX_HASHES = 16
_WRITES = slice(2, 7)  # the cache writes among INPUT_LEAVES


@dataclass(frozen=True)
class Counted:
    """What of each counted row goes into sums; `kept` rows of a batch, in order."""

    columns: Columns
    live: Bools
    kept: Ints
    counts: dict[str, Ints]


@dataclass(frozen=True)
class Sums:
    """Some delta rows, with what they are sorted by."""

    org: Ints
    entity_type: str
    entity: list[str]
    member: list[str | None]
    bucket: Ints
    live: Ints
    counts: list[Ints]
    first_us: Ints
    last_us: Ints
    users: list[list[int]]
    addresses: list[list[int]]


def counted(columns: Columns, charges: Charges, *, live: Bools, kept: Ints) -> Counted:
    """The columns that are summed, of the rows that count."""
    micro, remainder = split(np.maximum(charges.cost, 0))
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
    }
    return Counted(columns, live, kept, counts)


def deltas_of(batch: Counted, matches: list[Matches]) -> pa.RecordBatch:
    """The delta rows of a batch, of all orgs."""
    found = [_entities(batch, entity_type) for entity_type in sorted(ENTITY_TYPES)]
    kept = np.zeros(batch.columns.rows, np.bool_)
    kept[batch.kept] = True
    found.extend(_budgets(batch, match, kept) for match in matches)
    return _record_batch(batch.columns.codes("org"), [sums for sums in found if len(sums.org)])


def _entities(batch: Counted, entity_type: str) -> Sums:
    codes = batch.columns.codes(entity_type)
    rows = batch.kept[codes.codes[batch.kept] >= 0]
    return _sums(batch, entity_type, rows, Codes(codes.codes[rows], codes.values), None)


def _budgets(batch: Counted, match: Matches, kept: Bools) -> Sums:
    counts = kept[match.rows]
    budgets = Codes(match.budgets[counts], match.ids)
    member = batch.columns.codes(match.each) if match.each else None
    return _sums(batch, "budget", match.rows[counts], budgets, member)


def _sums(batch: Counted, entity_type: str, rows: Ints, entities: Codes, members: Codes | None) -> Sums:
    """The sums of `rows` per org, entity, member, bucket, live.

    `entities` are those of `rows`, which may repeat for several budgets; `members` are those of the whole batch.
    """
    columns = batch.columns
    org = columns.codes("org")
    buckets, bucket = np.unique(columns.event_us[rows] // BUCKET_US, return_inverse=True)
    member = members.codes[rows] if members else np.zeros(len(rows), np.int64)
    key = combine(
        (org.codes[rows], max(1, len(org.values))),
        (entities.codes, max(1, len(entities.values))),
        (member, max(1, len(members.values)) if members else 1),
        (bucket, max(1, len(buckets))),
        (batch.live[rows].astype(np.int64), 2),
    )
    distinct, group = groups_of(*key)
    size = len(distinct)
    first = first_rows(group, size)
    event_us = columns.event_us[rows]
    first_us, last_us = np.full(size, 2**62), np.full(size, -(2**62))
    np.minimum.at(first_us, group, event_us)
    np.maximum.at(last_us, group, event_us)
    counts = [sum_by(group, size, batch.counts[name][rows]) for name in DELTA_COUNTS]
    carry, counts[-1] = split(counts[-1])
    counts[-2] = counts[-2] + carry
    credential = entity_type == "credential"
    return Sums(
        org.codes[rows][first],
        entity_type,
        [entities.values[at] for at in entities.codes[first].tolist()],
        [members.values[at] for at in member[first].tolist()] if members else [None] * size,
        buckets[bucket[first]] * BUCKET_US,
        batch.live[rows][first].astype(np.int64),
        counts,
        first_us,
        last_us,
        _hashes(columns.codes("user"), rows, group, size) if credential else [[]] * size,
        _hashes(columns.codes("client_address_hash"), rows, group, size) if credential else [[]] * size,
    )


def _hashes(names: Codes, rows: Ints, group: Ints, groups: int) -> list[list[int]]:
    """The smallest hashes of the distinct names in each group, ascending."""
    found: list[list[int]] = [[] for _ in range(groups)]
    named = names.codes[rows] >= 0
    if not named.any():
        return found
    distinct, _ = groups_of(*combine((group[named], groups), (names.codes[rows][named], len(names.values))))
    hashes = [stable_hash(name) for name in names.values]
    for key in distinct.tolist():
        at, name = divmod(key, len(names.values))
        found[at].append(hashes[name])
    return [sorted(some)[:MAX_HASHES] for some in found]


def _record_batch(org: Codes, found: list[Sums]) -> pa.RecordBatch:
    """All rows as one Arrow batch, in the order of law 3."""
    if not found:
        return empty_deltas()
    types = sorted({sums.entity_type for sums in found})
    kinds = [types.index(sums.entity_type) for sums in found]
    orgs = np.concatenate([sums.org for sums in found])
    kind = np.repeat(kinds, [len(sums.org) for sums in found])
    columns: dict[str, pa.Array] = {
        "org": pa.array(org.values, pa.string()).take(pa.array(orgs)),
        "entity_type": pa.array(types, pa.string()).take(pa.array(kind)),
        "entity_id": pa.array([name for sums in found for name in sums.entity], pa.string()),
        "member": pa.array([name for sums in found for name in sums.member], pa.string()),
        "bucket_us": pa.array(np.concatenate([sums.bucket for sums in found])),
        "live": pa.array(np.concatenate([sums.live for sums in found]).astype(np.bool_)),
        **{name: pa.array(np.concatenate([sums.counts[at] for sums in found])) for at, name in enumerate(DELTA_COUNTS)},
        "first_us": pa.array(np.concatenate([sums.first_us for sums in found])),
        "last_us": pa.array(np.concatenate([sums.last_us for sums in found])),
        "user_hashes": _lists([some for sums in found for some in sums.users]),
        "address_hashes": _lists([some for sums in found for some in sums.addresses]),
    }
    batch = pa.RecordBatch.from_arrays([columns[name] for name in DELTA_SCHEMA.names], schema=DELTA_SCHEMA)
    return batch.take(pa.array(_order(batch, orgs, kind)))


def _order(batch: pa.RecordBatch, orgs: Ints, kind: Ints) -> Ints:
    """The order of law 3; within one entity type the rows are sorted already, but for several signatures of budgets."""
    entity, member = codes_of(batch.column("entity_id")).codes, codes_of(batch.column("member")).codes
    bucket = batch.column("bucket_us").to_numpy()
    live = batch.column("live").to_numpy(zero_copy_only=False)
    order: Ints = np.lexsort((live, bucket, member, entity, kind, orgs))
    return order


def _lists(lists: list[list[int]]) -> pa.Array:
    offsets = np.zeros(len(lists) + 1, np.int32)
    np.cumsum([len(some) for some in lists], out=offsets[1:])
    flat = [number for some in lists for number in some]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat, pa.uint64()))


def empty_deltas() -> pa.RecordBatch:
    """No rows."""
    return pa.RecordBatch.from_arrays([pa.array([], type_) for type_ in DELTA_SCHEMA.types], schema=DELTA_SCHEMA)
