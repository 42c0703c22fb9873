"""The questions that a correction begins with: what it is about. Pure; laws as in `queries.py`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.errors import InputError
from sinks.queries import Query

FILTERS = ("org", "team", "project", "provider", "model", "import_id")
"""The columns by which the events of a correction may be chosen."""


def import_summary(import_id: str, *, org: str | None) -> Query:
    """What an import has that counts, by day and model: `day, model, events, tokens, cost_usd`."""
    where, parameters = _where({"import_id": import_id, **({"org": org} if org else {})})
    sql = (
        "SELECT toDate(v.ts) AS day, v.model AS model, count() AS events,"  # noqa: S608  names of this file
        " sum(ifNull(v.input_tokens, 0) + ifNull(v.output_tokens, 0)) AS tokens,"
        " sum(toDecimal128(ifNull(v.cost_usd, 0), 12)) AS cost_usd"
        f" FROM usage_events AS v WHERE {where} GROUP BY day, model ORDER BY day, model"
    )
    return Query(sql, parameters)


def import_budget_sums(import_id: str, *, org: str | None, fields: tuple[str, ...]) -> Query:
    """The same by what budgets look at, in quarters of an hour: `fields`, `t`, `requests`, `tokens`, `cost_usd`."""
    where, parameters = _where({"import_id": import_id, **({"org": org} if org else {})})
    names = ", ".join(f"v.{name} AS {name}" for name in fields)
    keys = ", ".join(fields)
    sql = (
        f"SELECT {names}, toStartOfFifteenMinutes(v.ts) AS t, count() AS requests,"  # noqa: S608  names of this file
        " sum(ifNull(v.input_tokens, 0) + ifNull(v.output_tokens, 0)) AS tokens,"
        " sum(toDecimal128(ifNull(v.cost_usd, 0), 12)) AS cost_usd"
        f" FROM usage_events AS v WHERE {where} GROUP BY {keys}, t"
    )
    return Query(sql, parameters)


def hours_of(filters: Mapping[str, str], *, since: datetime, until: datetime) -> Query:
    """The hours of [since, until) in which there is anything to rate, in order: `t`, `events`."""
    where, parameters = _where(filters)
    sql = (
        "SELECT toStartOfHour(v.ts) AS t, count() AS events FROM usage_events AS v"  # noqa: S608  names of this file
        f" WHERE {where} AND v.ts >= {{since:DateTime64(6, 'UTC')}} AND v.ts < {{until:DateTime64(6, 'UTC')}}"
        " GROUP BY t ORDER BY t"
    )
    return Query(sql, parameters | {"since": since, "until": until})


def rows_between(columns: tuple[str, ...], filters: Mapping[str, str], *, since: datetime, until: datetime) -> Query:
    """These columns of the events of [since, until), in the order of source and id."""
    where, parameters = _where(filters)
    names = ", ".join(f"v.{name} AS {name}" for name in columns)
    sql = (
        f"SELECT {names} FROM usage_events AS v"  # noqa: S608  names of this file
        f" WHERE {where} AND v.ts >= {{since:DateTime64(6, 'UTC')}} AND v.ts < {{until:DateTime64(6, 'UTC')}}"
        " ORDER BY source, id"
    )
    return Query(sql, parameters | {"since": since, "until": until})


def run_of(correction_id: str) -> Query:
    """How far a correction is."""
    sql = (
        "SELECT v.correction_id, v.kind, v.state, v.what, v.events, v.events_seen, v.events_changed,"
        " v.events_left_alone, v.days, v.cost_before_usd, v.cost_after_usd, v.message"
        " FROM correction_runs AS v WHERE v.correction_id = {id:String}"
    )
    return Query(sql, {"id": correction_id})


def _where(filters: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    for name in filters:
        if name not in FILTERS:
            raise InputError(f"{name!r}: corrections choose events by {', '.join(FILTERS)}")
    conditions = [f"v.{name} = {{{name}:String}}" for name in filters]
    return " AND ".join(conditions) or "1", dict(filters)
