"""What an entity spent around an anomaly, as a question to the views. Pure; values travel as parameters."""
# ruff: noqa: S608  names come from ENTITY_TYPES, values travel as server-side parameters

from datetime import datetime

from schemas.errors import InputError
from schemas.policies import ENTITY_TYPES
from sinks.queries import Query

_TIME = "DateTime64(6, 'UTC')"


def spent_by_step(  # noqa: PLR0913  one question; all by name
    *, org: str, entity_type: str, entity_id: str, since: datetime, until: datetime, step_sec: int
) -> Query:
    """Steps in which anything was spent in [since, until): `t` in seconds from 1970, `usd`; in order of time.

    Raises: InputError: no such kind of entity has events.
    """
    if entity_type not in ENTITY_TYPES:
        raise InputError(f"entity type {entity_type!r} is not known; allowed are {', '.join(ENTITY_TYPES)}")
    sql = (
        "SELECT intDiv(toUnixTimestamp(v.ts), {step:UInt32}) * {step:UInt32} AS t, toFloat64(sum(v.cost_usd)) AS usd"
        f" FROM usage_events AS v WHERE v.org = {{org:String}} AND v.{entity_type} = {{entity_id:String}}"
        f" AND v.ts >= {{since:{_TIME}}} AND v.ts < {{until:{_TIME}}} GROUP BY t ORDER BY t"
    )
    parameters = {"step": step_sec, "org": org, "entity_id": entity_id, "since": since, "until": until}
    return Query(sql, parameters)
