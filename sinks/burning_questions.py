"""What burns now, as questions to the views: rates that burn has said, and sums of the last hour. Pure.

Laws
1. A value from outside is always a parameter; a name from outside must stand in one of the lists below.
2. People are asked for within a named team only: no question ranks the users of a company, and none by tokens.
3. Rates are asked of `burn_now`, a row for each entity. Events are asked of one hour, the beginning of their sort key.
"""
# ruff: noqa: S608  names come from the lists of this file, values travel as server-side parameters

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from schemas.errors import InputError
from schemas.policies import ENTITY_TYPES
from sinks.queries import Query
from sinks.rollups import DIMENSIONS

Sort = Literal["usd", "requests", "name"]
SHORT_SEC, LONG_SEC = 300, 3600
SLOTS = LONG_SEC // SHORT_SEC
"""The last hour is shown as so many pieces, each as long as the short window."""
RATED_TYPES = tuple(name for name in ENTITY_TYPES if name not in ("org", "user"))
"""The kinds of entity whose rates burn says, but people."""
EVENT_TYPES = (*RATED_TYPES, "run")
"""The kinds of entity that the events of an hour can be summed by; `user` too, within a team."""
_TIME = "DateTime64(6, 'UTC')"
_ORDERS = {
    "usd": "usd_per_hour DESC, cost_usd DESC, requests DESC",
    "requests": "requests DESC, usd_per_hour DESC, cost_usd DESC",
    "name": "entity_id",
}


def _known(name: str, allowed: Sequence[str], what: str) -> None:
    if name not in allowed:
        raise InputError(f"{what} {name!r} is not known; allowed are {', '.join(allowed)}")


def rates(entity_type: str, *, org: str | None, sort: Sort, limit: int) -> Query:
    """The entities of one type that burnt in their last hour: `usd_per_hour` and `tokens_per_min` of the short window.

    `requests`, `tokens` and `cost_usd` are those of the hour; `window_end` says of when they are.
    Raises: InputError: burn says no rates of such entities, or of people.
    """
    _known(entity_type, ("org", *RATED_TYPES), "entity type")
    _known(sort, tuple(_ORDERS), "order")
    conditions = ["v.entity_type = {entity_type:String}", f"v.window_sec IN ({SHORT_SEC}, {LONG_SEC})"]
    parameters: dict[str, Any] = {"entity_type": entity_type, "limit": limit}
    if org is not None:
        conditions.append("v.org = {org:String}")
        parameters["org"] = org
    short, hour = (f"v.window_sec = {window_sec}" for window_sec in (SHORT_SEC, LONG_SEC))
    sql = (
        "SELECT v.org AS org, v.entity_id AS entity_id, max(v.window_end) AS window_end,"
        f" sumIf(v.requests, {short}) AS requests_short,"
        f" sumIf(v.usd_per_hour, {short}) AS usd_per_hour, sumIf(v.tokens_per_min, {short}) AS tokens_per_min,"
        f" sumIf(v.requests, {hour}) AS requests, sumIf(v.tokens, {hour}) AS tokens,"
        f" sumIf(v.cost_usd, {hour}) AS cost_usd"
        f" FROM burn_now AS v WHERE {' AND '.join(conditions)} GROUP BY org, entity_id"
        f"{'' if entity_type == 'org' else ' HAVING requests != 0 OR tokens != 0 OR cost_usd != 0'}"
        f" ORDER BY {_ORDERS[sort]}, org, entity_id LIMIT {{limit:UInt64}}"
    )
    return Query(sql, parameters)


def past_rates(entity_type: str, names: Sequence[tuple[str, str]], *, end: datetime) -> Query:
    """For each (org, entity): what the short windows burnt that end in each slot of the hour before `end`.

    Columns: org, entity_id, `slot` (0 is the oldest), usd_per_hour, tokens_per_min of the last window said in it. A
    slot in which nothing was said has no row. Raises: InputError: as `rates`.
    """
    _known(entity_type, ("org", *RATED_TYPES), "entity type")
    sql = (
        f"SELECT v.org AS org, v.entity_id AS entity_id, {_slot('v.window_end')} AS slot,"
        " argMax(v.usd_per_hour, v.window_end) AS usd_per_hour,"
        " argMax(v.tokens_per_min, v.window_end) AS tokens_per_min"
        " FROM burn_rates AS v WHERE v.org IN {orgs:Array(String)} AND v.entity_type = {entity_type:String}"
        f" AND v.entity_id IN {{names:Array(String)}} AND v.window_sec = {SHORT_SEC}"
        f" AND v.window_end > {{since:{_TIME}}} AND v.window_end <= {{until:{_TIME}}}"
        " GROUP BY org, entity_id, slot ORDER BY org, entity_id, slot"
    )
    orgs, entities = sorted({org for org, _ in names}), sorted({name for _, name in names})
    return Query(sql, {"entity_type": entity_type, "orgs": orgs, "names": entities, **_hour(end)})


def past_events(entity_type: str, names: Sequence[tuple[str, str]], *, end: datetime) -> Query:
    """As `past_rates`, from the events of the hour: for the time before burn said anything, as after an import.

    Columns: org, entity_id, `slot`, cost_usd, tokens. Raises: InputError: as `rates`.
    """
    _known(entity_type, ("org", *RATED_TYPES), "entity type")
    sql = (
        f"SELECT v.org AS org, v.{entity_type} AS entity_id, {_slot('v.ts')} AS slot,"
        " ifNull(sum(toDecimal128(v.cost_usd, 12)), 0) AS cost_usd,"
        " toInt64(sum(ifNull(v.input_tokens, 0) + ifNull(v.output_tokens, 0))) AS tokens"
        f" FROM usage_events AS v WHERE v.ts > {{since:{_TIME}}} AND v.ts <= {{until:{_TIME}}}"
        f" AND v.org IN {{orgs:Array(String)}} AND v.{entity_type} IN {{names:Array(String)}}"
        " GROUP BY org, entity_id, slot ORDER BY org, entity_id, slot"
    )
    orgs, entities = sorted({org for org, _ in names}), sorted({name for _, name in names})
    return Query(sql, {"orgs": orgs, "names": entities, **_hour(end)})


def _hour(end: datetime) -> dict[str, datetime]:
    return {"since": end - timedelta(seconds=LONG_SEC), "until": end}


def _slot(time: str) -> str:
    """Which twelfth of the hour before `until`; its newer end belongs to it."""
    return f"toUInt8({SLOTS - 1} - intDiv(dateDiff('microsecond', {time}, {{until:{_TIME}}}), {SHORT_SEC * 1_000_000}))"


def events(  # noqa: PLR0913  one question with many sides; all by name
    entity_type: str, *, org: str | None, team: str | None, sort: Sort, limit: int, end: datetime
) -> Query:
    """As `rates`, from the events of the hour before `end`, and of one team only if it is named.

    `unpriced_requests` and `ceiling_cost_usd` are of the hour; `past` lists (slot, cost in USD, tokens) where there
    were events. Raises: InputError: no such type, or people without a team.
    """
    if entity_type == "user" and team is None:
        raise InputError("users are shown within a team only: name it with --team")
    _known(entity_type, (*EVENT_TYPES, "user"), "entity type")
    _known(sort, tuple(_ORDERS), "order")
    conditions = [f"v.ts > {{since:{_TIME}}}", f"v.ts <= {{until:{_TIME}}}", f"v.{entity_type} != ''"]
    parameters: dict[str, Any] = {"limit": limit, **_hour(end)}
    for name, value in (("org", org), ("team", team)):
        if value is not None:
            conditions.append(f"v.{name} = {{{name}:String}}")
            parameters[name] = value
    per_hour, newest = LONG_SEC // SHORT_SEC, f"s.slot = {SLOTS - 1}"
    sql = (
        "SELECT s.org AS org, s.entity_id AS entity_id, max(s.last_ts) AS window_end,"
        f" sumIf(s.requests, {newest}) AS requests_short,"
        f" sumIf(s.cost_usd, {newest}) * {per_hour} AS usd_per_hour,"
        f" toDecimal128(sumIf(s.tokens, {newest}), 3) / {SHORT_SEC // 60} AS tokens_per_min,"
        " sum(s.requests) AS requests, sum(s.tokens) AS tokens, sum(s.cost_usd) AS cost_usd,"
        " sum(s.unpriced_requests) AS unpriced_requests, sum(s.ceiling_cost_usd) AS ceiling_cost_usd,"
        " arraySort(groupArray((s.slot, s.cost_usd, s.tokens))) AS past"
        f" FROM (SELECT v.org AS org, v.{entity_type} AS entity_id, {_slot('v.ts')} AS slot, max(v.ts) AS last_ts,"
        " toInt64(count()) AS requests,"
        " toInt64(sum(ifNull(v.input_tokens, 0) + ifNull(v.output_tokens, 0))) AS tokens,"
        " ifNull(sum(toDecimal128(v.cost_usd, 12)), 0) AS cost_usd,"
        " toInt64(countIf(v.pricing_status LIKE 'unpriced%')) AS unpriced_requests,"
        " ifNull(sum(toDecimal128(v.ceiling_cost_usd, 12)), 0) AS ceiling_cost_usd"
        f" FROM usage_events AS v WHERE {' AND '.join(conditions)} GROUP BY org, entity_id, slot) AS s"
        f" GROUP BY org, entity_id ORDER BY {_ORDERS[sort]}, org, entity_id LIMIT {{limit:UInt64}}"
    )
    return Query(sql, parameters)


def unpriced(entity_type: str, names: Sequence[tuple[str, str]], *, since: datetime) -> Query:
    """For each (org, entity) with calls without a known price since `since`: how many, and what they cost at most.

    `since` is the beginning of an hour: anything later would leave out a part of it. Raises: InputError: as `rates`.
    """
    _known(entity_type, ("org", *RATED_TYPES), "entity type")
    orgs, entities = sorted({org for org, _ in names}), sorted({name for _, name in names})
    rollup = entity_type in DIMENSIONS
    view, name = ("usage_15m", f"v.{entity_type}") if rollup else ("usage_entities_1h", "v.entity_id")
    sql = (
        f"SELECT v.org AS org, {name} AS entity_id, sum(v.unpriced_requests) AS unpriced_requests,"
        f" sum(v.ceiling_cost_usd) AS ceiling_cost_usd FROM {view} AS v"
        f" WHERE v.org IN {{orgs:Array(String)}} AND {name} IN {{names:Array(String)}} AND v.t >= {{since:{_TIME}}}"
        f"{'' if rollup else ' AND v.entity_type = {entity_type:String}'}"
        " GROUP BY org, entity_id HAVING unpriced_requests > 0 ORDER BY org, entity_id"
    )
    return Query(sql, {"entity_type": entity_type, "orgs": orgs, "names": entities, "since": since})


def unpriced_models(*, since: datetime, org: str | None) -> Query:
    """The models with calls without a known price since `since`, most calls first: how many, what they cost at most."""
    parameters: dict[str, Any] = {"since": since}
    condition = ""
    if org is not None:
        condition = " AND v.org = {org:String}"
        parameters["org"] = org
    sql = (
        "SELECT v.model AS model, sum(v.unpriced_requests) AS unpriced_requests,"
        f" sum(v.ceiling_cost_usd) AS ceiling_cost_usd FROM usage_15m AS v WHERE v.t >= {{since:{_TIME}}}{condition}"
        " GROUP BY model HAVING unpriced_requests > 0 ORDER BY unpriced_requests DESC, model"
    )
    return Query(sql, parameters)


def last_used(*, org: str | None) -> Query:
    """One row: the beginning of the newest quarter of an hour with usage, NULL where there never was any."""
    where, parameters = ("", {}) if org is None else (" WHERE v.org = {org:String}", {"org": org})
    return Query(f"SELECT maxOrNull(v.t) AS t FROM usage_15m AS v{where}", parameters)


def open_alerts(*, org: str | None, limit: int) -> Query:
    """Live episodes that are not over, the worst first, then the newest change."""
    parameters: dict[str, Any] = {"limit": limit}
    condition = ""
    if org is not None:
        condition = " AND v.org = {org:String}"
        parameters["org"] = org
    sql = (
        "SELECT v.alert_id, v.severity, v.status, v.org, v.entity_type, v.entity_id, v.rule, v.level, v.opened_at,"
        " v.last_change, v.owner, v.message, count() OVER () AS of FROM alerts AS v"
        f" WHERE v.mode = 'live' AND v.status != 'resolved' AND v.resolved_at IS NULL{condition}"
        " ORDER BY indexOf(['critical', 'warning', 'info'], v.severity), v.last_change DESC, v.alert_id"
        " LIMIT {limit:UInt64}"
    )
    return Query(sql, parameters)
