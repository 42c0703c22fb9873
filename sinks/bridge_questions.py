"""What the bridge of a change of spend is made of: questions to the views. Pure; laws as in `queries.py`."""
# ruff: noqa: S608  names come from the lists of this file, values travel as server-side parameters

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.errors import InputError
from schemas.policies import SCOPE_KEYS
from schemas.usage import LEAVES
from sinks.queries import Query

FILTERS = (*SCOPE_KEYS, "run", "session", "import_id")
"""The columns by which the calls of a bridge may be chosen."""
DRIVEN_BY = ("team", "user", "agent", "model", "run")
"""Who may have driven a change."""
MOST_DRIVERS = 5
_PRICED_BY = ("org", "provider", "model", "service_tier", "inference_region", "region", "price_book_version")


@dataclass(frozen=True)
class Span:
    """[since, until) of event time."""

    since: datetime
    until: datetime


def sums_between(span: Span, filters: Mapping[str, str], *, steps: tuple[int, ...]) -> Query:
    """Calls with a known cost, summed where their price is one: per product, quarter of an hour and step passed."""
    where, parameters = _where(filters, FILTERS)
    keys = {
        "slot": "toStartOfFifteenMinutes(v.ts)",
        "is_retry": "ifNull(v.attempt, 1) > 1",
        "from_gateway_cache": "ifNull(v.gateway_cache_hit, false)",
        "above": "arrayCount(step -> ifNull(v.input_tokens, 0) > step, {steps:Array(Int64)})",
    }
    columns = [f"v.{name} AS {name}" for name in _PRICED_BY]
    columns += [f"{text} AS {name}" for name, text in keys.items()]
    columns += ["count() AS calls", "sumMap(v.units) AS units", "sum(toDecimal128(v.cost_usd, 12)) AS cost_usd"]
    columns += [f"toInt64(ifNull(sum(v.{leaf}), 0)) AS {leaf}" for leaf in LEAVES]
    sql = (
        f"SELECT {', '.join(columns)} FROM usage_events AS v"
        f" WHERE {where} AND {_within('')} AND v.cost_usd IS NOT NULL GROUP BY {', '.join((*_PRICED_BY, *keys))}"
    )
    return Query(sql, parameters | {"steps": list(steps), "since": span.since, "until": span.until})


def unknown_between(span: Span, filters: Mapping[str, str]) -> Query:
    """One row: the calls whose cost nobody knows, and what they cost at most: `calls`, `ceiling_usd`."""
    where, parameters = _where(filters, FILTERS)
    sql = (
        "SELECT count() AS calls, sum(toDecimal128(ifNull(v.ceiling_cost_usd, 0), 12)) AS ceiling_usd"
        f" FROM usage_events AS v WHERE {where} AND {_within('')} AND v.cost_usd IS NULL"
    )
    return Query(sql, parameters | {"since": span.since, "until": span.until})


def calls_between(span: Span, filters: Mapping[str, str]) -> Query:
    """One row: how many calls there were: `calls`."""
    where, parameters = _where(filters, FILTERS)
    sql = f"SELECT count() AS calls FROM usage_events AS v WHERE {where} AND {_within('')}"
    return Query(sql, parameters | {"since": span.since, "until": span.until})


def drivers_of(name: str, *, before: Span, after: Span, filters: Mapping[str, str], falls: bool) -> Query:
    """Whose spend changed most, in the direction of the whole.

    Columns: `entity_id` ('' where none is named), `before_usd`, `after_usd`, `calls_before`, `calls_after`.
    Raises: InputError: nobody is told apart by that name.
    """
    if name not in DRIVEN_BY:
        raise InputError(f"{name!r}: changes are by {', '.join(DRIVEN_BY)}")
    where, parameters = _where(filters, FILTERS)
    cost = "toDecimal128(ifNull(v.cost_usd, 0), 12)"
    sql = (
        f"SELECT v.{name} AS entity_id, sumIf({cost}, {_within('old_')}) AS before_usd,"
        f" sumIf({cost}, {_within('')}) AS after_usd,"
        f" countIf({_within('old_')}) AS calls_before, countIf({_within('')}) AS calls_after"
        f" FROM usage_events AS v WHERE {where} AND ({_within('old_')} OR {_within('')})"
        " GROUP BY entity_id"
        f" ORDER BY after_usd - before_usd {'ASC' if falls else 'DESC'}, entity_id LIMIT {MOST_DRIVERS}"
    )
    times = {"since": after.since, "until": after.until, "old_since": before.since, "old_until": before.until}
    return Query(sql, parameters | times)


def charges_between(span: Span, filters: Mapping[str, str]) -> Query:
    """What was charged beside usage on each local day that may begin in the span: `day`, `timezone`, `amount_usd`."""
    where, parameters = _where(filters, SCOPE_KEYS)
    sql = (
        "SELECT v.day AS day, v.timezone AS timezone, sum(v.amount_usd) AS amount_usd FROM charges_daily AS v"
        f" WHERE {where} AND v.day >= toDate32({{since:DateTime64(6, 'UTC')}}) - 1"
        " AND v.day <= toDate32({until:DateTime64(6, 'UTC')}) + 1 GROUP BY day, timezone"
    )
    return Query(sql, parameters | {"since": span.since, "until": span.until})


def _within(prefix: str) -> str:
    return f"(v.ts >= {{{prefix}since:DateTime64(6, 'UTC')}} AND v.ts < {{{prefix}until:DateTime64(6, 'UTC')}})"


def _where(filters: Mapping[str, str], allowed: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    for name in filters:
        if name not in allowed:
            raise InputError(f"{name!r}: calls are chosen by {', '.join(allowed)}")
    conditions = [f"v.{name} = {{f_{name}:String}}" for name in filters]
    return " AND ".join(conditions) or "1", {f"f_{name}": value for name, value in filters.items()}
