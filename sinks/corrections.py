"""A slice of a correction: which rows of the ledger change, into what, and what burn and the audit are told. Pure.

Laws
1. The row after a correction is the row before with `correction` one higher; `as_charged_cost_usd` never changes.
2. An undone row stays, deleted; it is told as its sign -1. A row rated or attributed anew is told as -1 of what it was
   and +1 of what it is, both under the policy offset of its first rating: budgets count it as they did.
3. A row is changed from the version that was seen, or not at all; so a slice that is done twice changes nothing more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.internal import MONEY, RATED_SCHEMA
from schemas.requests import ATTRIBUTED, Correction, ReattributeRequest, RerateRequest, UndoRequest
from sinks.adjustments import Adjustment, by_partition, messages_of, signed
from sinks.revisions import Identity
from sinks.rows import WHOLE_SCHEMA, filled, identities_of

UNDONE = "undone"
_RERATED = ("cost_usd", "list_cost_usd", "ceiling_cost_usd", "pricing_status")
_SAME = ("event_id", "source", "id", "revision", "ts", "import_id", "org", "team", "provider", "model")
_TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of WHOLE_SCHEMA as they are and as they will be, one beside the other."""

    request: Correction
    before: pa.Table
    after: pa.Table

    @property
    def rows(self) -> int:
        """How many change."""
        return int(self.before.num_rows)

    def only(self, versions: Mapping[Identity, int]) -> "Change":
        """The rows that still have the version from which they are changed (law 3)."""
        seen = zip(identities_of(self.before), self.before["version"].to_pylist(), strict=True)
        same = pa.array([versions.get(identity) == version for identity, version in seen], pa.bool_())
        return Change(self.request, self.before.filter(same), self.after.filter(same))


def undone(request: UndoRequest, rows: pa.Table) -> Change:
    """These rows count no more."""
    return Change(request, rows, _corrected(rows, {}))


def renewed(request: RerateRequest | ReattributeRequest, rows: pa.Table, news: pa.RecordBatch) -> Change:
    """The rows that still have the version that was seen, with their new prices, or of whom they are now."""
    table = pa.Table.from_batches([news])
    by_identity = {identity: at for at, identity in enumerate(identities_of(table))}
    priced = [by_identity.get(identity) for identity in identities_of(rows)]
    versions = table["version"].to_pylist()
    seen = [None if at is None else versions[at] for at in priced]
    same = pa.array([one == now for one, now in zip(seen, rows["version"].to_pylist(), strict=True)], pa.bool_())
    before = rows.filter(same)
    new = table.take(pa.array([at for at, kept in zip(priced, same.to_pylist(), strict=True) if kept], pa.int64()))
    changes = {name: new[name] for name in (_RERATED if isinstance(request, RerateRequest) else ATTRIBUTED)}
    if isinstance(request, RerateRequest):
        changes["price_book_version"] = pa.repeat(pa.scalar(request.price_book_version), before.num_rows)
    return Change(request, before, _corrected(before, changes))


def _corrected(rows: pa.Table, changes: Mapping[str, Any]) -> pa.Table:
    changes = {
        **changes,
        "correction": pc.add(rows["correction"], pa.scalar(1, pa.uint32())),
        "version": pc.add(rows["version"], pa.scalar(1, pa.uint64())),
    }
    columns = [changes.get(field.name, rows[field.name]) for field in WHOLE_SCHEMA]
    return pa.Table.from_arrays(columns, schema=WHOLE_SCHEMA)


def store_rows_of(change: Change, *, group_id: str) -> pa.Table:
    """The rows that take the place of those before, with the columns of the store."""
    rows = change.after.combine_chunks()
    names = [name for name in WHOLE_SCHEMA.names if name != "version"]
    columns = {name: filled(rows[name].combine_chunks()) for name in names}
    deleted = isinstance(change.request, UndoRequest)
    columns["is_deleted"] = pa.repeat(pa.scalar(int(deleted), pa.uint8()), rows.num_rows)
    columns["group_id"] = pa.repeat(pa.scalar(group_id), rows.num_rows)
    return pa.table(columns).combine_chunks()


def told(change: Change, *, group_id: str, opened: int) -> list[Adjustment]:
    """What burn is told of the change."""
    sides = [(-1, change.before)]
    if not isinstance(change.request, UndoRequest):
        sides.append((1, change.after))
    found: dict[int, list[pa.RecordBatch]] = {}
    for sign, table in sides:
        for rows in table.select(RATED_SCHEMA.names).combine_chunks().to_batches():
            for partition, some in by_partition(rows):
                found.setdefault(partition, []).append(signed(some, sign=sign, reason=kind_of(change.request)))
    return messages_of(found, group_id=group_id, opened=opened)


def audit_rows(change: Change, *, now: datetime) -> pa.Table:
    """A row of `corrections` for each event that changes."""
    before, after, count = change.before, change.after, change.rows
    deleted = isinstance(change.request, UndoRequest)
    nothing = pa.nulls(count, MONEY)
    columns: dict[str, Any] = {
        "correction_id": pa.repeat(pa.scalar(change.request.request_id), count),
        "kind": pa.repeat(pa.scalar(kind_of(change.request)), count),
        "at": pa.repeat(pa.scalar(now, _TIME), count),
        "asked_by": pa.repeat(pa.scalar(change.request.asked_by), count),
        **{name: filled(before[name].combine_chunks()) for name in _SAME},
        "correction": after["correction"],
    }
    for name in ("cost", "list_cost", "ceiling_cost"):
        columns[f"{name}_before_usd"] = before[f"{name}_usd"]
        columns[f"{name}_after_usd"] = nothing if deleted else after[f"{name}_usd"]
    for name in ("pricing_status", "price_book_version"):
        columns[f"{name}_before"] = filled(before[name].combine_chunks())
        columns[f"{name}_after"] = filled(after[name].combine_chunks())
    if deleted:
        columns["pricing_status_after"] = pa.repeat(pa.scalar(UNDONE), count)
    if isinstance(change.request, ReattributeRequest):
        columns["who_before"], columns["who_after"] = _who(before), _who(after)
    return pa.table(columns).combine_chunks()


def kind_of(request: Correction) -> str:
    """What the request does, as the log, the audit and the runs name it."""
    return str(request.__struct_config__.tag)


def _who(rows: pa.Table) -> pa.Array:
    said = [{name: word for name, word in row.items() if word} for row in rows.select(ATTRIBUTED).to_pylist()]
    return pa.array([list(one.items()) for one in said], pa.map_(pa.string(), pa.string()))
