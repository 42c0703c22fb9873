"""The questions that Burnline itself asks the views: each a text and its server-side parameters. Pure.

Laws
1. A value from outside is always a parameter; a name from outside must stand in one of the lists below.
2. Bounds are half-open [since, until). Where they, the grouping and the filters allow it, a rollup answers; else the
   events. Both give the same sums.
Long because all questions stand in one place: most lines are SQL.
"""
# ruff: noqa: S608  names come from the lists of this file, values travel as server-side parameters

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from schemas.errors import InputError
from schemas.internal import WHAT, WHERE, WHO
from sinks.rollups import DIMENSIONS, ENTITIES, MONEY_MEASURES, TOKEN_MEASURES

Period = Literal["daily", "weekly", "monthly", "session", "run", "total"]
EVENT_DIMENSIONS = (*WHO, *WHAT, *WHERE, "import_id", "source", "status", "pricing_status")
VIEWS_OF_SUMS = ("usage_events", "usage_15m", "usage_1h", "usage_1d_utc")
_MAPS = ("asserted",)
_BUCKET_SEC = 900
_DAY = "toDate(v.{time}, {{tz:String}})"
_PERIODS: Mapping[str, str] = {
    "daily": _DAY,
    "weekly": f"toMonday({_DAY})",
    "monthly": f"toStartOfMonth({_DAY})",
}
_NO_OF_EVENTS = {
    "requests": "count()",
    "errors": "countIf(v.status = 'error')",
    "unpriced_requests": "countIf(v.pricing_status LIKE 'unpriced%')",
}


class Query(NamedTuple):
    """A SELECT over the views and its parameters, for `client.query(sql, parameters=parameters)`."""

    sql: str
    parameters: dict[str, Any]


def _chosen(names: Sequence[str], allowed: Sequence[str], what: str) -> None:
    for name in names:
        if name not in allowed or name in _MAPS:
            raise InputError(
                f"{what} {name!r} is not known; allowed are {', '.join(sorted(set(allowed) - set(_MAPS)))}"
            )


def _bounds(time: str, since: datetime | None, until: datetime | None) -> tuple[list[str], dict[str, Any]]:
    """Conditions and parameters of [since, until)."""
    conditions, parameters = [], {}
    for name, operator, bound in (("since", ">=", since), ("until", "<", until)):
        if bound is not None:
            conditions.append(f"v.{time} {operator} {{{name}:DateTime64(6, 'UTC')}}")
            parameters[name] = bound
    return conditions, parameters


def _filters(filters: Mapping[str, Sequence[str]], allowed: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Conditions and parameters of `column in values`; '' stands for what was not given."""
    _chosen(list(filters), allowed, "filter")
    conditions = [f"v.{name} IN {{f_{name}:Array(String)}}" for name in filters]
    return conditions, {f"f_{name}": list(values) for name, values in filters.items()}


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _aligned(bound: datetime | None, *, to_sec: int) -> bool:
    return bound is None or (bound.microsecond == 0 and int(bound.timestamp()) % to_sec == 0)


def _measures(*, events: bool) -> str:
    """Counts, each token column, money and coverage: the share of requests that have a price, null without requests."""
    counts = [f"{text if events else f'sum(v.{name})'} AS {name}" for name, text in _NO_OF_EVENTS.items()]
    tokens = [f"toInt64(ifNull(sum(v.{name}), 0)) AS {name}" for name in TOKEN_MEASURES]
    money = [f"ifNull(sum(toDecimal128(v.{name}, 12)), 0) AS {name}" for name in MONEY_MEASURES]
    coverage = "if(requests = 0, NULL, 1 - unpriced_requests / requests) AS priced_to_all_requests_ratio"
    return ", ".join([*counts, *tokens, *money, coverage])


def report(  # noqa: PLR0913  one question with many optional sides; all by name
    period: Period = "daily",
    *,
    by: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    tz: str = "UTC",
    filters: Mapping[str, Sequence[str]] | None = None,
    limit: int | None = None,
) -> Query:
    """Requests, tokens by leaf, cost and coverage per period and by dimensions, oldest first.

    Columns: `period` (first day of the day, week or month in `tz`; weeks begin on Monday), or `session` / `run` with
    `first_ts` and `last_ts`; the dimensions of `by`; the measures. "total" has no period.
    Raises: InputError: a dimension or filter that does not exist.
    """
    filters = filters or {}
    _chosen(by, EVENT_DIMENSIONS, "dimension")
    named = {*by, *filters}
    aligned = _aligned(since, to_sec=_BUCKET_SEC) and _aligned(until, to_sec=_BUCKET_SEC)
    events = period in ("session", "run") or not named <= set(DIMENSIONS) or not aligned
    view, time = ("usage_events", "ts") if events else ("usage_15m", "t")
    conditions, parameters = _bounds(time, since, until)
    more, filtered = _filters(filters, EVENT_DIMENSIONS)
    conditions += more
    columns, keys = [], []
    if period in _PERIODS:
        columns, keys = [f"{_PERIODS[period].format(time=time)} AS period"], ["period"]
        parameters["tz"] = tz
    elif period in ("session", "run"):
        columns = [f"v.{period} AS {period}", "min(v.ts) AS first_ts", "max(v.ts) AS last_ts"]
        keys = [period]
        conditions.append(f"v.{period} != ''")
    elif period != "total":
        raise InputError(f"period {period!r} is not known; allowed are daily, weekly, monthly, session, run, total")
    by = [name for name in by if name not in keys]
    columns += [f"v.{name} AS {name}" for name in by]
    keys += by
    order = ["first_ts", *keys] if period in ("session", "run") else keys
    sql = f"SELECT {', '.join([*columns, _measures(events=events)])} FROM {view} AS v{_where(conditions)}"
    if keys:
        sql += f" GROUP BY {', '.join(keys)} ORDER BY {', '.join(order)}"
    parameters |= filtered
    return Query(_limited(sql, parameters, limit), parameters)


def _limited(sql: str, parameters: dict[str, Any], limit: int | None) -> str:
    if limit is None:
        return sql
    parameters["limit"] = limit
    return f"{sql} LIMIT {{limit:UInt64}}"


def totals(
    view: str = "usage_events",
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    filters: Mapping[str, Sequence[str]] | None = None,
) -> Query:
    """One row: requests, errors, each token column, exact cost, coverage; `view` is one of VIEWS_OF_SUMS.

    Bounds are compared with the time of the event, or with the start of its bucket where a rollup is asked.
    Raises: InputError: no such view or filter.
    """
    _chosen([view], VIEWS_OF_SUMS, "view")
    events = view == "usage_events"
    conditions, parameters = _bounds("ts" if events else "t", since, until)
    more, filtered = _filters(filters or {}, EVENT_DIMENSIONS if events else DIMENSIONS)
    sql = f"SELECT {_measures(events=events)} FROM {view} AS v{_where([*conditions, *more])}"
    return Query(sql, parameters | filtered)


def top(
    entity_type: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    org: str | None = None,
    limit: int = 10,
) -> Query:
    """The entities of one type that cost most: `entity_id`, measures; the dearest first.

    Raises: InputError: no such type of entity.
    """
    _chosen([entity_type], ENTITIES, "entity type")
    hours = _aligned(since, to_sec=3600) and _aligned(until, to_sec=3600)
    conditions, parameters = _bounds("t" if hours else "ts", since, until)
    if org is not None:
        conditions.append("v.org = {org:String}")
        parameters["org"] = org
    if hours:
        conditions.append("v.entity_type = {entity_type:String}")
        parameters["entity_type"] = entity_type
        entity, view = "v.entity_id", "usage_entities_1h"
    else:
        conditions.append(f"v.{entity_type} != ''")
        entity, view = f"v.{entity_type}", "usage_events"
    sql = (
        f"SELECT v.org AS org, {entity} AS entity_id, {_measures(events=not hours)} FROM {view} AS v"
        f"{_where(conditions)}"
        " GROUP BY org, entity_id ORDER BY cost_usd DESC, requests DESC, org, entity_id"
    )
    return Query(_limited(sql, parameters, limit), parameters)


def budgets_left(*, now: datetime, org: str | None = None) -> Query:
    """How every budget stands in the period that holds `now`: limit, spent, left (in `unit`), status; fullest first.

    `left` is what cost has left; `estimated_usd` says what calls without a price may take of it.
    """
    conditions = ["v.period_start <= {now:DateTime64(6, 'UTC')}", "v.period_end > {now:DateTime64(6, 'UTC')}"]
    parameters: dict[str, Any] = {"now": now}
    if org is not None:
        conditions.append("v.org = {org:String}")
        parameters["org"] = org
    sql = (
        "SELECT v.org, v.budget_id, v.member, v.period_start, v.period_end, v.unit, v.limit, v.spent,"
        " v.estimated_usd, v.limit - v.spent AS left, v.spent_to_limit_ratio, v.requests, v.unpriced_requests,"
        f" v.highest_threshold, v.status, v.owner, v.at FROM budget_states AS v{_where(conditions)}"
        " ORDER BY ifNull(v.spent_to_limit_ratio, inf) DESC, v.org, v.budget_id, v.member"
    )
    return Query(sql, parameters)


def alerts(  # noqa: PLR0913  one question with many optional sides; all by name
    *,
    status: str | None = None,
    topic: str | None = None,
    org: str | None = None,
    mode: str | None = None,
    since: datetime | None = None,
    limit: int = 100,
) -> Query:
    """Alert episodes as their newest transition says, the latest change first; `since` bounds that change."""
    conditions, parameters = _bounds("last_change", since, None)
    for name, value in (("status", status), ("topic", topic), ("org", org), ("mode", mode)):
        if value is not None:
            conditions.append(f"v.{name} = {{{name}:String}}")
            parameters[name] = value
    sql = (
        "SELECT v.alert_id, v.topic, v.mode, v.basis, v.notify, v.rule, v.kind, v.level, v.severity, v.status,"
        " v.reason, v.org, v.entity_type, v.entity_id, v.budget_id, v.member, v.period_start, v.opened_at,"
        " v.last_change, v.resolved_at, v.unit, v.value, v.threshold, v.estimated_usd, v.owner, v.message"
        f" FROM alerts AS v{_where(conditions)}"
        " ORDER BY v.last_change DESC, v.alert_id"
    )
    return Query(_limited(sql, parameters, limit), parameters)


def alert_history(alert_id: str) -> Query:
    """Every transition of one alert episode with its evidence, in order; an unambiguous beginning of the id will do."""
    sql = "SELECT * FROM alert_events AS v WHERE startsWith(v.alert_id, {alert_id:String}) ORDER BY v.alert_id, v.seq"
    return Query(sql, {"alert_id": alert_id})


def burning_now(*, window_sec: int = 3600, entity_type: str | None = None, limit: int = 20) -> Query:
    """The entities that burn fastest in their newest window of this length: usd_per_hour, tokens_per_min."""
    conditions = ["v.window_sec = {window_sec:UInt32}", "v.requests > 0"]
    parameters: dict[str, Any] = {"window_sec": window_sec}
    if entity_type is not None:
        conditions.append("v.entity_type = {entity_type:String}")
        parameters["entity_type"] = entity_type
    sql = (
        "SELECT v.org, v.entity_type, v.entity_id, v.window_end, v.requests, v.tokens, v.cost_usd, v.usd_per_hour,"
        f" v.tokens_per_min FROM burn_now AS v{_where(conditions)}"
        " ORDER BY v.usd_per_hour DESC, v.requests DESC, v.org, v.entity_type, v.entity_id"
    )
    return Query(_limited(sql, parameters, limit), parameters)


def dead_letters_by_reason(*, since: datetime | None = None) -> Query:
    """How many records could not be counted, why, and when the last one came."""
    conditions, parameters = _bounds("append_time", since, None)
    sql = (
        "SELECT v.reason AS reason, count() AS records, max(v.append_time) AS last_append_time,"
        f" any(v.message) AS example FROM dead_letters AS v{_where(conditions)}"
        " GROUP BY reason ORDER BY records DESC, reason"
    )
    return Query(sql, parameters)
