"""Rows of `alert_labels_store`: what each change of policies says of alerts. Pure; laws as in directory_rows.py."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from schemas.policies import AlertLabel, PolicyChange

LABEL_TABLE = "alert_labels_store"
_KIND = "alert_label"
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("org", "alert_id", "label", "said_by", "note")),
        ("policy_offset", pa.uint64()),
        ("is_deleted", pa.uint8()),
    ]
)


def label_rows(changes: Iterable[tuple[int, PolicyChange]]) -> pa.Table:
    """The rows of some changes, each with its policy offset; none where they say nothing of an alert."""
    rows: list[dict[str, Any]] = []
    for offset, change in changes:
        rows += [_row(key[1], key[2], offset, None) for key in change.removes if key[0] == _KIND]
        rows += [_row(one.org, one.id, offset, one) for one in change.sets if isinstance(one, AlertLabel)]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _row(org: str, alert_id: str, offset: int, said: AlertLabel | None) -> dict[str, Any]:
    return {
        "org": org,
        "alert_id": alert_id,
        "label": "" if said is None else said.label,
        "said_by": "" if said is None else said.by,
        "note": "" if said is None else said.note or "",
        "policy_offset": offset,
        "is_deleted": int(said is None),
    }
