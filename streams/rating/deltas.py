"""Deltas: the sums of a batch per entity and per budget member, in buckets of 10 s of event time.

Laws
1. For each entity type, the sums over its deltas are the sums over the counted events that name one.
2. Merging the deltas of any cut of a batch gives the deltas of the batch: counts add, times take the first and last,
   hashes take the smallest of both.
3. Rows are sorted by org, entity type, entity, member, bucket, live; the same batch gives the same rows.

How: every (row, entity that it names) and every (row, budget that it meets) is one *part*; all parts of all kinds are
grouped and summed at once, so that a batch of one event costs little more than nothing.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.internal import BUCKET_US, DELTA_COUNTS, DELTA_SCHEMA
from schemas.policies import ENTITY_TYPES
from streams.rating.charging import Charges
from streams.rating.columns import Columns
from streams.rating.costs import Bools, split
from streams.rating.groups import Ints, combine, from_zero, groups_of, runs_of
from streams.rating.identity import stable_hash
from streams.rating.matching import Matches

MAX_HASHES = 16
_BUDGET = "budget"
_KINDS = sorted((*ENTITY_TYPES, _BUDGET))
_WRITES = slice(2, 7)  # the cache writes among INPUT_LEAVES
_hash = lru_cache(maxsize=65_536)(stable_hash)


@dataclass(frozen=True)
class Counted:
    """What of each row goes into sums; `kept` are the rows that count."""

    columns: Columns
    live: Bools
    kept: Ints
    counts: npt.NDArray[np.int64]  # one row for each of DELTA_COUNTS


@dataclass(frozen=True)
class Parts:
    """The parts of a batch: part i is row `rows[i]` as `names[entity[i]]` and, for budgets, `members[member[i]]`.

    Entities are numbered in the order of their kind and name; `kind_of` says which of `_KINDS` each is.
    """

    rows: Ints
    entity: Ints
    names: list[str]
    kind_of: Ints
    member: Ints  # -1 for none
    members: list[str]
    credentials: slice  # which parts are credentials


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
    return Counted(columns, live, kept, np.array([counts[name] for name in DELTA_COUNTS]))


def deltas_of(batch: Counted, matches: list[Matches]) -> pa.RecordBatch:
    """The delta rows of a batch, of all orgs."""
    if not len(batch.kept):
        return empty_deltas()
    columns = batch.columns
    parts = _parts(batch, matches)
    org = columns.codes("org")
    buckets, bucket = groups_of(*from_zero(columns.event_us // BUCKET_US))
    key = combine(
        (org.codes[parts.rows], len(org.values)),
        (parts.entity, len(parts.names)),
        (parts.member + 1, len(parts.members) + 1),
        (bucket[parts.rows], len(buckets)),
        (batch.live[parts.rows].astype(np.int64), 2),
    )
    distinct, group = groups_of(*key)
    runs = runs_of(group, len(distinct))
    arranged = parts.rows[runs.order]
    counts = runs.sums(batch.counts[:, arranged])
    carry, counts[-1] = split(counts[-1])
    counts[-2] += carry
    event_us = columns.event_us[arranged]
    first, rows = runs.first, arranged[runs.starts]
    entity, member = parts.entity[first], parts.member[first]
    found: dict[str, pa.Array] = {
        "org": _named(org.values, org.codes[rows]),
        "entity_type": _named(_KINDS, parts.kind_of[entity]),
        "entity_id": _named(parts.names, entity),
        "member": _named(parts.members, member),
        "bucket_us": pa.array(columns.event_us[rows] // BUCKET_US * BUCKET_US),
        "live": pa.array(batch.live[rows]),
        **{name: pa.array(counts[at]) for at, name in enumerate(DELTA_COUNTS)},
        "first_us": pa.array(np.minimum.reduceat(event_us, runs.starts)),
        "last_us": pa.array(np.maximum.reduceat(event_us, runs.starts)),
        "user_hashes": _hashes(columns, "user", parts, group, len(distinct)),
        "address_hashes": _hashes(columns, "client_address_hash", parts, group, len(distinct)),
    }
    return pa.RecordBatch.from_arrays([found[name] for name in DELTA_SCHEMA.names], schema=DELTA_SCHEMA)


def _parts(batch: Counted, matches: list[Matches]) -> Parts:
    rows: list[Ints] = []
    entity: list[Ints] = []
    names: list[str] = []
    sizes: list[int] = []
    parts_before = {}
    budgets = sorted({name for match in matches for name in match.ids})
    hits = [_budget_parts(batch, match, budgets) for match in matches]
    for kind in _KINDS:
        parts_before[kind] = sum(map(len, rows))
        before = len(names)
        if kind == _BUDGET:
            rows.extend(hit for hit, _ in hits)
            entity.extend(before + budget for _, budget in hits)
            names.extend(budgets)
        else:
            codes = batch.columns.codes(kind)
            held = codes.codes[batch.kept]
            rows.append(batch.kept[held >= 0])
            entity.append(before + held[held >= 0])
            names.extend(codes.values)
        sizes.append(len(names) - before)
    all_rows = np.concatenate(rows)
    member, members = _members(batch.columns, matches, hits)
    of_parts = np.full(len(all_rows), -1, np.int64)
    of_parts[parts_before[_BUDGET] : parts_before[_BUDGET] + len(member)] = member
    credentials = slice(parts_before["credential"], parts_before[_KINDS[_KINDS.index("credential") + 1]])
    kind_of = np.repeat(np.arange(len(_KINDS)), sizes)
    return Parts(all_rows, np.concatenate(entity), names, kind_of, of_parts, members, credentials)


def _budget_parts(batch: Counted, match: Matches, budgets: list[str]) -> tuple[Ints, Ints]:
    """(rows that count, which of `budgets` each counts toward)."""
    kept = np.zeros(batch.columns.rows, np.bool_)
    kept[batch.kept] = True
    place = np.searchsorted(budgets, match.ids)
    counts = kept[match.rows]
    return match.rows[counts], place[match.budgets[counts]]


def _members(columns: Columns, matches: list[Matches], hits: list[tuple[Ints, Ints]]) -> tuple[Ints, list[str]]:
    """(for each part that is a budget which member it is of, or -1; the names of members, sorted)."""
    fields = sorted({match.each for match in matches if match.each is not None})
    members = sorted({name for field in fields for name in columns.codes(field).values})
    place = {name: at for at, name in enumerate(members)}
    found = [np.zeros(0, np.int64)]
    for match, (rows, _) in zip(matches, hits, strict=True):
        if match.each is None:
            found.append(np.full(len(rows), -1, np.int64))
        else:
            codes = columns.codes(match.each)
            found.append(np.array([place[name] for name in codes.values], np.int64)[codes.codes[rows]])
    return np.concatenate(found), members


def _hashes(columns: Columns, field: str, parts: Parts, group: Ints, groups: int) -> pa.Array:
    """For each group the smallest hashes of the distinct names that its credential was used with, ascending."""
    names = columns.codes(field)
    rows = parts.rows[parts.credentials]
    named = names.codes[rows] >= 0
    owner, name = group[parts.credentials][named], names.codes[rows][named]
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


def _named(names: list[str], codes: Ints) -> pa.Array:
    """Codes as strings, null where negative."""
    missing = codes < 0
    return pa.array(names, pa.string()).take(pa.array(codes, mask=missing if missing.any() else None))


def empty_deltas() -> pa.RecordBatch:
    """No rows."""
    return pa.RecordBatch.from_arrays([pa.array([], type_) for type_ in DELTA_SCHEMA.types], schema=DELTA_SCHEMA)
