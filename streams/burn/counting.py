"""The rows of one message go where they count: windows of entities and budget members, sketches of credentials.

What lies before every window, or is rated for a budget that is not in force, is left out; what lies ahead of the lead
waits. Nothing here depends on the order of the rows.
"""

import numpy as np
import numpy.typing as npt

from schemas.internal import BUCKET_US
from streams.burn import rings, shared_credential
from streams.burn.deltas import Deltas, Lists, RowKey
from streams.burn.rings import Added
from streams.burn.state import UNJUDGED, UNSAID, Ahead, BurnState, EntityKey, MemberKey
from streams.burn.table import Slots, Table

Ints = npt.NDArray[np.int64]


def budget_rows(deltas: Deltas) -> tuple[Ints, Ints]:
    """The rows of budgets, and those of entities."""
    is_budget = deltas.is_budget[deltas.key_of_row]
    return np.flatnonzero(is_budget), np.flatnonzero(~is_budget)


def take_windows(state: BurnState, deltas: Deltas, *, budgets: Ints, entities: Ints, rated_under: int) -> None:
    """The rows are in their windows, or wait because they lie ahead of the lead."""
    if state.policies is None:
        return
    counted = ~deltas.is_budget
    for index in np.flatnonzero(deltas.is_budget).tolist():
        org, _, budget_id, _ = deltas.keys[index]
        plan = state.policies.plans.get((org, budget_id))
        counted[index] = plan is not None and rated_under >= plan.matched_since
    lead = state.clock.lead_us // BUCKET_US
    recent = (deltas.bucket > lead - rings.SPAN_US // BUCKET_US) & counted[deltas.key_of_row]
    for name, rows in (("entities", entities), ("members", budgets)):
        wanted = rows[recent[rows]]
        late = deltas.bucket[wanted] > lead
        for row in wanted[late].tolist():
            state.ahead.append(_ahead(name, deltas, row))
        _add(state, name, deltas, wanted[~late])


def release(state: BurnState) -> None:
    """Rows that waited and that the lead has reached are in their windows."""
    lead = state.clock.lead_us // BUCKET_US
    if not state.ahead or all(row.bucket > lead for row in state.ahead):
        return
    due = sorted(row for row in state.ahead if row.bucket <= lead)
    state.ahead = [row for row in state.ahead if row.bucket > lead]
    for name in ("entities", "members"):
        rows = [row for row in due if row.table == name]
        if rows:
            slots = np.array([_slot_of(state, name, row.key) for row in rows], np.int64)
            numbers = np.array([(r.bucket, r.requests, r.tokens, r.micro, r.pico) for r in rows], np.int64).T
            _put(_table(state, name), Added(slots, *numbers), np.array([row.live for row in rows]))


def take_sketches(state: BurnState, deltas: Deltas, entities: Ints) -> None:
    """Users and addresses of live credential rows of the last hour are in their sketches."""
    part = deltas.bucket // shared_credential.PART_BUCKETS
    oldest = state.clock.lead_us // BUCKET_US - 420
    named = (np.diff(deltas.users.offsets) > 0) | (np.diff(deltas.addresses.offsets) > 0)
    rows = entities[
        (deltas.is_credential[deltas.key_of_row] & deltas.live & named & (deltas.bucket > oldest))[entities]
    ]
    if len(rows) == 0:
        return
    table = state.credentials
    places, inverse = np.unique(deltas.key_of_row[rows], return_inverse=True)
    keys = [deltas.keys[place] for place in places.tolist()]
    slots = np.array([table.slot((key[0], key[2])) for key in keys], np.int64)
    table.will_change(slots)
    table.columns["unjudged"][slots] = 1
    of_row = slots[inverse]
    shared_credential.advance(table, of_row, part[rows])
    for name, lists in (("users", deltas.users), ("addresses", deltas.addresses)):
        at, owner = _members_of(lists, rows)
        shared_credential.merge(table, name, of_row[owner], part[rows][owner], lists.hashes[at])


def _members_of(lists: Lists, rows: Ints) -> tuple[Ints, Ints]:
    """Where the list members of the rows stand, and which of the rows each belongs to."""
    starts, sizes = lists.offsets[rows], lists.offsets[rows + 1] - lists.offsets[rows]
    owner = np.repeat(np.arange(len(rows)), sizes)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return starts[owner] + within, owner


def _add(state: BurnState, name: str, deltas: Deltas, rows: Ints) -> None:
    if len(rows) == 0:
        return
    table = _table(state, name)
    places, inverse = np.unique(deltas.key_of_row[rows], return_inverse=True)
    every = deltas.keys
    if name == "entities":
        keys = [every[place][:3] for place in places.tolist()]
    else:
        keys = [_member_key(every[place]) for place in places.tolist()]
    known = table.slots.get
    slots = np.array([known(key, -1) for key in keys], np.int64)
    for index in np.flatnonzero(slots < 0).tolist():
        slots[index] = _slot_of(state, name, keys[index])
    numbers = (deltas.bucket, deltas.requests, deltas.tokens, deltas.micro, deltas.pico)
    _put(table, Added(slots[inverse], *(column[rows] for column in numbers)), deltas.live[rows])


def _put(table: Table[EntityKey], added: Added, live: npt.NDArray[np.bool_]) -> None:
    slots: Slots = np.unique(added.slots)
    table.will_change(slots)
    rings.add(table.columns, added)
    flags = table.columns["flags"]
    if "said" in table.columns:
        flags[slots] |= UNSAID
    else:
        flags[np.unique(added.slots[live])] |= UNJUDGED


def _member_key(key: RowKey) -> MemberKey:
    return (key[0], key[2], key[3])


def _slot_of(state: BurnState, name: str, key: EntityKey) -> int:
    table = _table(state, name)
    known = table.slots.get(key)
    if known is not None:
        return known
    slot = table.slot(key)
    if name == "entities":
        org = slot if key[1] == "org" else _slot_of(state, name, (key[0], "org", key[0]))
        table.columns["org_slot"][slot] = org
    return slot


def _table(state: BurnState, name: str) -> Table[EntityKey]:
    return state.entities if name == "entities" else state.members


def _ahead(name: str, deltas: Deltas, row: int) -> Ahead:
    numbers = (deltas.requests, deltas.tokens, deltas.micro, deltas.pico)
    whole = deltas.keys[int(deltas.key_of_row[row])]
    key = whole[:3] if name == "entities" else _member_key(whole)
    values = (int(column[row]) for column in numbers)
    return Ahead(int(deltas.bucket[row]), name, key, bool(deltas.live[row]), *values)
