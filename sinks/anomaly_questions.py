"""What entities spent, around an anomaly or minute by minute, as questions to the views. Pure; laws of queries.py."""
# ruff: noqa: S608  names come from ENTITY_TYPES, values travel as server-side parameters

from collections.abc import Sequence
from datetime import datetime

from schemas.errors import InputError
from schemas.policies import ENTITY_TYPES
from sinks.queries import Query

_TIME = "DateTime64(6, 'UTC')"
DRAWN = (*ENTITY_TYPES, "provider", "run")
"""Columns of events whose spending can be drawn."""
NOT_STORED = ("shared_credential", "unpriced_model", "heartbeat_missing")
"""Rules that need what is not stored, so that no look at the past finds again what they told."""


def spent_by_step(  # noqa: PLR0913  one question; all by name
    *, org: str, entity_type: str, entity_id: str, since: datetime, until: datetime, step_sec: int
) -> Query:
    """Steps in which anything was spent in [since, until): `t` in seconds from 1970, `usd`; in order of time.

    Raises: InputError: no such kind of entity has events.
    """
    if entity_type not in DRAWN:
        raise InputError(f"entity type {entity_type!r} is not known; allowed are {', '.join(DRAWN)}")
    sql = (
        "SELECT intDiv(toUnixTimestamp(v.ts), {step:UInt32}) * {step:UInt32} AS t, toFloat64(sum(v.cost_usd)) AS usd"
        f" FROM usage_events AS v WHERE v.org = {{org:String}} AND v.{entity_type} = {{entity_id:String}}"
        f" AND v.ts >= {{since:{_TIME}}} AND v.ts < {{until:{_TIME}}} GROUP BY t ORDER BY t"
    )
    parameters = {"step": step_sec, "org": org, "entity_id": entity_id, "since": since, "until": until}
    return Query(sql, parameters)


def spent_by_minute(kinds: Sequence[str], *, since: datetime, until: datetime) -> Query:
    """What each entity of these kinds spent in each minute of [since, until): `t`, names, `requests`, `micro_usd`.

    In order of organisation, kind and name. Raises: InputError: no such kind of entity has events.
    """
    for kind in kinds:
        if kind not in ENTITY_TYPES:
            raise InputError(f"entity type {kind!r} is not known; allowed are {', '.join(ENTITY_TYPES)}")
    named = ", ".join(f"('{kind}', toString(v.{kind}))" for kind in kinds)
    sql = (
        "SELECT intDiv(toUnixTimestamp(v.ts), 60) * 60 AS t, v.org AS org, one.1 AS entity_type, one.2 AS entity_id,"
        " count() AS requests, toInt64(ifNull(sum(v.cost_usd), 0) * 1000000) AS micro_usd"
        f" FROM usage_events AS v ARRAY JOIN [{named}] AS one"
        f" WHERE one.2 != '' AND v.ts >= {{since:{_TIME}}} AND v.ts < {{until:{_TIME}}}"
        " GROUP BY t, org, entity_type, entity_id ORDER BY org, entity_type, entity_id, t"
    )
    return Query(sql, {"since": since, "until": until})


def labelled_alerts(*, since: datetime, until: datetime) -> Query:
    """The flags that opened in [since, until) of which somebody said what they were, but for those of `NOT_STORED`."""
    without = ", ".join(f"'{rule}'" for rule in NOT_STORED)
    sql = (
        "SELECT v.org AS org, v.rule AS rule, v.entity_type AS entity_type, v.entity_id AS entity_id,"
        " v.opened_at AS opened_at, v.resolved_at AS resolved_at, l.label AS label"
        " FROM alerts AS v INNER JOIN alert_labels AS l ON l.org = v.org AND l.alert_id = v.alert_id"
        f" WHERE v.topic IN ('alerts.anomalies', 'alerts.governance') AND v.rule NOT IN ({without})"
        f" AND v.opened_at >= {{since:{_TIME}}} AND v.opened_at < {{until:{_TIME}}} ORDER BY v.opened_at, v.alert_id"
    )
    return Query(sql, {"since": since, "until": until})
