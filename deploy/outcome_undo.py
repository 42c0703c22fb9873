"""Outcomes of an import, taken back: each gets a revision that is void. Pure.

Laws
1. Taken back is what stands with this import's id: an outcome that a later import revised is that import's.
2. The same rows give the same bytes, so that doing it twice changes nothing more.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from deploy.charge_undo import of_import
from deploy.moments import in_utc
from producers.outcome_stamp import TOPIC
from schemas.outcomes import OUTCOME_TYPE, outcome_key
from schemas.signals import rfc3339
from sinks.queries import Query

__all__ = ["TOPIC", "outcomes_of_import", "taken_back"]
_FIELDS = ("org", "outcome_type", "import_id", "artifact")


def outcomes_of_import(import_id: str, *, org: str | None) -> Query:
    """The outcomes that stand with this import's id.

    Raises: InputError: a name is empty: '' stands for all that came without an import, and for every organisation.
    """
    where, parameters = of_import(import_id, org=org)
    sql = f"SELECT v.source, v.id, v.ts, v.revision, {', '.join(f'v.{name}' for name in _FIELDS)}"
    return Query(f"{sql} FROM outcomes AS v WHERE {where} ORDER BY v.org, v.outcome_id", parameters)


def taken_back(rows: Iterable[Mapping[str, Any]]) -> list[tuple[bytes, bytes]]:
    """Key and value of a record for each row of `outcomes_of_import`."""
    return [(outcome_key(row["org"]), msgspec.json.encode(_event(row))) for row in rows]


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: row[name] for name in _FIELDS if row[name]}
    return {
        "specversion": "1.0",
        "type": OUTCOME_TYPE,
        "source": row["source"],
        "id": row["id"],
        "time": rfc3339(in_utc(row["ts"])),
        "datacontenttype": "application/json",
        "data": {**said, "revision": row["revision"] + 1, "void": True},
    }
