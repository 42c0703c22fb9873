"""Slim rows for `internal.steps`, out of a rated batch's columns: what rules over single events need, no more.

Laws
1. Events that name somebody or something to follow (`NAMING`) are rows, in log order; the others are summed in rests.
2. The sums over `events`, tokens and cost of all rows are those of the events that deltas count.
3. Events without such a name cost one look per column that the whole batch lacks, and a share of a few sums.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from schemas.directory import UNATTRIBUTED
from schemas.internal import without_dictionaries
from schemas.steps import NAMING, PLACES, REFUSED, STEP_NUMBERS, STEP_SCHEMA, STEP_TEXTS, without_empty
from streams.rating.charging import Charges
from streams.rating.columns import Columns
from streams.rating.costs import Bools, split
from streams.rating.groups import Ints, combine, first_rows, groups_of

_NAMES = STEP_SCHEMA.names


class _Facts(NamedTuple):
    """What is known of every row without looking at names."""

    live: Bools
    owned: Bools
    unpriced: Bools
    input_tokens: Ints
    output_tokens: Ints
    micro: Ints
    pico: Ints


def steps_of(columns: Columns, charges: Charges, *, live: Bools, kept: Ints) -> pa.RecordBatch | None:
    """The slim rows of the events `kept`, then the rests; None where there are none."""
    if len(kept) == 0:
        return None
    facts = _facts(columns, charges, live)
    named = _named(columns)
    rows = kept[named[kept]] if named is not None else kept[:0]
    rests = kept[~named[kept]] if named is not None else kept
    parts = [_rows(columns, facts, rows)] if len(rows) else []
    parts += [_rests(columns, facts, rests)] if len(rests) else []
    return without_empty(parts[0]) if len(parts) == 1 else without_empty(_joined(parts))


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    plain = [pa.Table.from_batches([without_dictionaries(part)]) for part in parts]
    names = [name for name in _NAMES if any(name in part.schema.names for part in plain)]
    # Nothing is said of a column that one of them lacks: it is null there.
    return pa.concat_tables(plain, promote_options="default").select(names).combine_chunks().to_batches()[0]


def _facts(columns: Columns, charges: Charges, live: Bools) -> _Facts:
    micro, pico = split(np.maximum(charges.cost, 0))
    owned = _somebody(columns, "team") | _somebody(columns, "user")
    sides = (np.maximum(columns.input.total, 0), np.maximum(columns.output.total, 0))
    return _Facts(live, owned, charges.unpriced, *sides, micro, pico)


def _somebody(columns: Columns, name: str) -> Bools:
    return _present(columns, name) & ~columns.equal(name, UNATTRIBUTED)


def _present(columns: Columns, name: str) -> Bools:
    if columns.missing(name):
        return np.zeros(columns.rows, np.bool_)
    return columns.text(name).present


def _named(columns: Columns) -> Bools | None:
    """Which rows have a name to follow; None where none has."""
    found: Bools | None = None
    for name in NAMING:
        if not columns.missing(name):
            found = _present(columns, name) if found is None else found | _present(columns, name)
    return found


def _rows(columns: Columns, facts: _Facts, rows: Ints) -> pa.RecordBatch:
    some = None if len(rows) == columns.rows else rows
    found: dict[str, pa.Array] = {
        "ts_us": pa.array(columns.event_us[rows]),
        "events": pa.array(np.ones(len(rows), np.int64)),
        **_of_facts(facts, rows),
    }
    for name in ("org", *STEP_TEXTS):
        if not columns.missing(name):
            found[name] = columns.text(name).arrow(some)
    for name in STEP_NUMBERS:
        if not columns.missing(name):
            numbers = columns.numbers(name)[rows]
            found[name] = pa.array(numbers, mask=numbers < 0)
    if not columns.missing("asserted"):
        said = columns.data["asserted"]
        claims = [",".join(sorted(said[row])) if said[row] else None for row in rows.tolist()]
        found["claims"] = pa.array(claims, pa.string())
    return _batch(found)


def _rests(columns: Columns, facts: _Facts, rows: Ints) -> pa.RecordBatch:
    """One row for each org, place and state: sums, and nobody's name."""
    refused = columns.numbers("http_status") == REFUSED
    state = refused * 8 + facts.live * 4 + facts.owned * 2 + facts.unpriced
    named = [name for name in ("org", *PLACES) if not columns.missing(name)]
    codes = [(columns.codes(name).codes[rows] + 1, len(columns.codes(name).values) + 1) for name in named]
    keys, group = groups_of(*combine(*codes, (state[rows], 16)))
    first = rows[first_rows(group, len(keys))]
    newest = np.full(len(keys), np.iinfo(np.int64).min)
    np.maximum.at(newest, group, columns.event_us[rows])
    sums = {name: np.zeros(len(keys), np.int64) for name in ("input_tokens", "output_tokens", "micro", "pico")}
    for name, column in sums.items():
        np.add.at(column, group, getattr(facts, name)[rows])
    found = {
        **{name: columns.text(name).arrow(first) for name in named},
        **_of_facts(facts, first),
        "ts_us": pa.array(newest),
        "events": pa.array(np.bincount(group, minlength=len(keys))),
        "input_tokens": pa.array(sums["input_tokens"]),
        "output_tokens": pa.array(sums["output_tokens"]),
        "cost_micro_usd": pa.array(sums["micro"]),
        "cost_pico_remainder": pa.array(sums["pico"]),
        "http_status": pa.array(np.full(len(keys), REFUSED), mask=~refused[first]),
    }
    return _batch(found)


def _of_facts(facts: _Facts, rows: Ints) -> dict[str, pa.Array]:
    return {
        "live": pa.array(facts.live[rows]),
        "owned": pa.array(facts.owned[rows]),
        "unpriced": pa.array(facts.unpriced[rows]),
        "input_tokens": pa.array(facts.input_tokens[rows]),
        "output_tokens": pa.array(facts.output_tokens[rows]),
        "cost_micro_usd": pa.array(facts.micro[rows]),
        "cost_pico_remainder": pa.array(facts.pico[rows]),
    }


def _batch(found: dict[str, pa.Array]) -> pa.RecordBatch:
    names = [name for name in _NAMES if name in found]
    return pa.RecordBatch.from_arrays([found[name] for name in names], names)
