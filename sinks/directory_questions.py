"""What is asked about the directory. Pure; laws as in `queries.py`."""

from typing import Any

from schemas.directory import DIRECTORY_KINDS, UNATTRIBUTED
from sinks.queries import Query


def entities_of(*, entity_type: str | None, entity_id: str | None, org: str | None, unknown: bool, limit: int) -> Query:
    """Entities and what the directory says of them, the dearest first, a row for each time of validity.

    `unknown`: only those of which it says nothing and could.
    """
    given = {"entity_type": entity_type, "entity_id": entity_id, "org": org}
    parameters: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    conditions = [f"v.{name} = {{{name}:String}}" for name in parameters]
    if unknown:
        conditions.append(
            "v.in_directory = 0 AND v.entity_type IN {kinds:Array(String)} AND v.entity_id != {nobody:String}"
        )
        parameters |= {"kinds": list(DIRECTORY_KINDS), "nobody": UNATTRIBUTED}
    sql = (
        "SELECT v.org AS org, v.entity_type AS entity_type, v.entity_id AS entity_id, v.in_directory AS in_directory,"  # noqa: S608  names of this file
        " v.name AS name, v.owner AS owner, v.user AS user, v.agent AS agent, v.team AS team,"
        " v.business_unit AS business_unit, v.cost_center AS cost_center, v.valid_from AS valid_from,"
        " v.valid_to AS valid_to, v.first_seen AS first_seen, v.last_seen AS last_seen, v.requests AS requests,"
        " v.cost_usd AS cost_usd"
        f" FROM entities AS v WHERE {' AND '.join(conditions) or '1'}"
        " ORDER BY cost_usd DESC, org, entity_type, entity_id, valid_from NULLS FIRST LIMIT {limit:UInt32}"
    )
    return Query(sql, parameters | {"limit": limit})
