"""The questions about what could not be counted. Pure; laws as in `queries.py`: values travel as parameters."""

from datetime import datetime
from typing import Any

from schemas.errors import InputError, Reason
from sinks.queries import Query

_ID = "concat(v.topic, '/', toString(v.partition), '/', toString(v.offset))"
_SHORT = f"{_ID} AS dead_letter_id, v.append_time, v.reason, v.dialect, v.path, v.message, v.value_bytes"
_WHOLE = (
    f"{_ID} AS dead_letter_id, v.topic, v.partition, v.offset, v.append_time, v.reason, v.path, v.message,"
    " v.key_base64, v.value_base64, v.value_bytes, v.headers, v.dialect, v.redacted_values, v.cut"
)


def listed(*, reason: str | None = None, since: datetime | None = None, limit: int = 100) -> Query:
    """Dead letters without their bytes, the newest first. Raises: InputError: no such reason."""
    where, parameters = _where(reason, since)
    sql = f"SELECT {_SHORT} FROM dead_letters AS v{where}"  # noqa: S608  texts of this file
    order = " ORDER BY v.append_time DESC, v.topic, v.partition, v.offset DESC LIMIT {limit:UInt64}"
    return Query(sql + order, parameters | {"limit": limit})


def whole(*, reason: str | None = None, since: datetime | None = None, limit: int = 10_000) -> Query:
    """Dead letters with their bytes, the oldest first. Raises: InputError: no such reason."""
    where, parameters = _where(reason, since)
    sql = f"SELECT {_WHOLE} FROM dead_letters AS v{where}"  # noqa: S608  texts of this file
    order = " ORDER BY v.append_time, v.topic, v.partition, v.offset LIMIT {limit:UInt64}"
    return Query(sql + order, parameters | {"limit": limit})


def one(dead_letter_id: str) -> Query:
    """The dead letter of that id, with its bytes. Raises: InputError: it is no id."""
    topic, partition, offset = (*dead_letter_id.rsplit("/", 2), "", "")[:3]
    if not topic or not partition.isdecimal() or not offset.isdecimal():
        raise InputError(f"{dead_letter_id} is no id of a dead letter; they look like usage.events/2/1841")
    sql = (
        f"SELECT {_WHOLE} FROM dead_letters AS v WHERE v.topic = {{topic:String}}"  # noqa: S608  texts of this file
        " AND v.partition = {partition:Int32} AND v.offset = {offset:Int64}"
    )
    return Query(sql, {"topic": topic, "partition": int(partition), "offset": int(offset)})


def _where(reason: str | None, since: datetime | None) -> tuple[str, dict[str, Any]]:
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    if reason is not None:
        if reason not in set(Reason):
            raise InputError(f"reason {reason!r} is not known; known are {', '.join(Reason)}")
        conditions.append("v.reason = {reason:String}")
        parameters["reason"] = reason
    if since is not None:
        conditions.append("v.append_time >= {since:DateTime64(6, 'UTC')}")
        parameters["since"] = since
    return f" WHERE {' AND '.join(conditions)}" if conditions else "", parameters
