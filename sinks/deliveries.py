"""The questions about deliveries of alerts. Pure; laws as in `queries.py`: values travel as parameters."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from schemas.errors import InputError
from sinks.queries import Query

STATUSES = ("waiting", "delivered", "parked")
_COLUMNS = (
    "v.delivery_id, v.org, v.route, v.destination, v.alert_id, v.seq, v.topic, v.partition, v.offset, v.status,"
    " v.attempts, v.reason, v.at, v.request_id"
)


def listed(
    *, status: str | None = None, route: str | None = None, since: datetime | None = None, limit: int = 100
) -> Query:
    """Deliveries, the last word on each, the newest first. Raises: InputError: no such status."""
    if status is not None and status not in STATUSES:
        raise InputError(f"status {status!r} is not known; known are {', '.join(STATUSES)}")
    conditions: list[str] = []
    parameters: dict[str, Any] = {"limit": limit}
    if status is not None:
        conditions.append("v.status = {status:String}")
        parameters["status"] = status
    if route is not None:
        conditions.append("v.route = {route:String}")
        parameters["route"] = route
    if since is not None:
        conditions.append("v.at >= {since:DateTime64(6, 'UTC')}")
        parameters["since"] = since
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    sql = f"SELECT {_COLUMNS} FROM deliveries AS v{where}"  # noqa: S608  texts of this file
    return Query(sql + " ORDER BY v.at DESC, v.delivery_id LIMIT {limit:UInt64}", parameters)


def named(delivery_ids: Sequence[str]) -> Query:
    """The deliveries of these ids, in their order of names."""
    sql = f"SELECT {_COLUMNS} FROM deliveries AS v"  # noqa: S608  texts of this file
    return Query(
        sql + " WHERE v.delivery_id IN {ids:Array(String)} ORDER BY v.delivery_id", {"ids": list(delivery_ids)}
    )
