"""Rows of `directory_store`: what each change of policies says of the directory. Pure.

Laws
1. An entry has one row by its key (organisation, kind, id with source and day); of several the one of the highest
   policy offset counts, and one that was taken out of force is deleted. So storing a change twice changes nothing.
"""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from schemas.directory import DIRECTORY_KINDS, DirectoryEntry
from schemas.policies import Key, PolicyChange, key_of

DIRECTORY_TABLE = "directory_store"
_SAID = ("source", "name", "owner", "user", "agent", "team", "business_unit", "cost_center", "cohort")
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("org", "entity_type", "policy_id", "entity_id", *_SAID)),
        ("since", pa.timestamp("s", tz="UTC")),
        ("policy_offset", pa.uint64()),
        ("is_deleted", pa.uint8()),
    ]
)


def directory_rows(changes: Iterable[tuple[int, PolicyChange]]) -> pa.Table:
    """The rows of some changes, each with its policy offset; none where they say nothing of the directory."""
    rows: list[dict[str, Any]] = []
    for offset, change in changes:
        rows += [_row(key, offset, None) for key in change.removes if key[0] in DIRECTORY_KINDS]
        rows += [_row(key_of(one), offset, one) for one in change.sets if isinstance(one, DirectoryEntry)]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _row(key: Key, offset: int, entry: DirectoryEntry | None) -> dict[str, Any]:
    """The row of an entry; None: it was taken out of force."""
    kind, org, policy_id = key
    return {
        "org": org,
        "entity_type": kind,
        "policy_id": policy_id,
        "entity_id": "" if entry is None else entry.id,
        **{name: getattr(entry, name, None) or "" for name in _SAID},
        "since": 0 if entry is None else entry.since_us() // 1_000_000,
        "policy_offset": offset,
        "is_deleted": int(entry is None),
    }
