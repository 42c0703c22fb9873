"""What budgets were debited, by quarter of an hour, and by which events: the questions behind a look back. Pure.

Laws
1. What is summed is what the budget counts: its org and scope, a member where it has members, pools by multipliers.
   Money is exact; what has no price is summed apart, at its ceiling.
2. No sum reaches across a quarter of an hour of UTC, nor across one of the `cuts`.
3. Budgets that look at the same fields are one question. Names come from SCOPE_KEYS, values travel as parameters.
"""
# ruff: noqa: S608  names come from the lists of schemas, values travel as server-side parameters

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from schemas.errors import InputError
from schemas.policies import SCOPE_KEYS, Budget
from sinks.queries import Query

_US = "toUnixTimestamp64Micro(v.ts)"
_QUARTER_US = 900_000_000
_TOKENS = "ifNull(v.input_tokens, 0) + ifNull(v.output_tokens, 0)"
_COST = "toDecimal128(ifNull(v.cost_usd, 0), 12)"
_CEILING = "toDecimal128(ifNull(v.ceiling_cost_usd, 0), 12)"


class Looks(NamedTuple):
    """What budgets look at: fields of the scope, sorted; `each`, '' for none; multipliers by pool."""

    fields: tuple[str, ...]
    each: str
    factors: tuple[tuple[str, int], ...]


def looks_of(budget: Budget) -> Looks:
    """What a budget looks at. Raises: InputError: its scope names what is no column."""
    if unknown := {*budget.scope, *([budget.each] if budget.each else [])} - set(SCOPE_KEYS):
        raise InputError(f"a budget's scope names {', '.join(sorted(unknown))}, which is no column of the ledger")
    return Looks(tuple(sorted(budget.scope)), budget.each or "", tuple(sorted(budget.multipliers.items())))


def values_of(budget: Budget) -> tuple[str, ...]:
    """Its org, and the values of the fields, in their order."""
    return (budget.org, *(budget.scope[name] for name in sorted(budget.scope)))


class Span(NamedTuple):
    """[since, until), without the events of one import, if one is named."""

    since: datetime
    until: datetime
    without_import: str = ""


def debited(looks: Looks, values: Sequence[tuple[str, ...]], span: Span, *, cuts_us: Sequence[int]) -> Query:
    """By `k0`..., `member`, `weight`, `at_us`: `requests`, `tokens`, `cost_usd`, `ceiling_usd`, each once.

    An answer may be of values that are nobody's.
    """
    keys, names, parameters = _keys(looks, values)
    parameters |= {"cuts": [0, *cuts_us]}
    at = f"greatest(intDiv({_US}, {_QUARTER_US}) * {_QUARTER_US}, roundDown({_US}, {{cuts:Array(Int64)}})) AS at_us"
    sums = f"count() AS requests, sum({_TOKENS}) AS tokens, sum({_COST}) AS cost_usd, sum({_CEILING}) AS ceiling_usd"
    where, bounds = _within(span)
    wanted = " AND ".join([*_wanted(looks), *where])
    sql = f"SELECT {keys}, {at}, {sums} FROM usage_events AS v WHERE {wanted} GROUP BY {names}, at_us"
    return Query(sql, parameters | bounds)


def days_of_charges(looks: Looks, values: Sequence[tuple[str, ...]], span: Span) -> Query:
    """By `k0`..., `member`, `weight`, `day`, `timezone`: `cost_usd`. Days a little beyond the span are among them."""
    keys, names, parameters = _keys(looks, values)
    wanted = " AND ".join(
        [*_wanted(looks), "v.day >= toDate({since:DateTime}) - 2", "v.day <= toDate({until:DateTime}) + 2"]
    )
    sql = (
        f"SELECT {keys}, v.day AS day, toString(v.timezone) AS timezone, sum(v.amount_usd) AS cost_usd"
        f" FROM charges_daily AS v WHERE {wanted} GROUP BY {names}, day, timezone"
    )
    return Query(sql, parameters | {"since": span.since, "until": span.until})


def events_of(budget: Budget, member: str, span: Span) -> Query:
    """The events that debit a member of a budget, in order: `ts`, `source`, `id`, `weight`, what each adds once."""
    looks, values = looks_of(budget), [values_of(budget)]
    _, _, parameters = _keys(looks, values)
    where, bounds = _within(span)
    wanted = [*_wanted(looks), *where]
    if looks.each:
        wanted.append(f"v.{looks.each} = {{member:String}}")
        parameters["member"] = member
    sql = (
        f"SELECT v.ts AS ts, toString(v.source) AS source, v.id AS id, {_weight(looks)}, toInt64(1) AS requests,"
        f" {_TOKENS} AS tokens, {_COST} AS cost_usd, {_CEILING} AS ceiling_usd"
        f" FROM usage_events AS v WHERE {' AND '.join(wanted)} ORDER BY ts, source, id"
    )
    return Query(sql, parameters | bounds)


def import_span(import_id: str) -> Query:
    """When the events of an import happened, and of whom: `org`, `first`, `last`, `events`."""
    sql = (
        "SELECT toString(v.org) AS org, min(v.ts) AS first, max(v.ts) AS last, count() AS events FROM usage_events AS v"
        " WHERE v.import_id = {import:String} AND v.import_id != '' GROUP BY org ORDER BY org"
    )
    return Query(sql, {"import": import_id})


def said_of_budgets(budgets: Sequence[tuple[str, str]]) -> Query:
    """The first transitions of all alerts of these budgets (org, id), in the order in which they were said."""
    sql = (
        "SELECT v.alert_id, v.org, v.rule, v.budget_id, v.member, v.period_start, v.level, v.basis, v.opened_at"
        " FROM alert_events AS v WHERE v.seq = 1 AND v.org IN {orgs:Array(String)}"
        " AND v.budget_id IN {budgets:Array(String)} ORDER BY v.opened_at, v.alert_id"
    )
    return Query(sql, {"orgs": sorted({org for org, _ in budgets}), "budgets": sorted({name for _, name in budgets})})


def _keys(looks: Looks, values: Sequence[tuple[str, ...]]) -> tuple[str, str, dict[str, Any]]:
    """The columns that tell answers apart, their names, and the parameters of the values."""
    columns = [f"toString(v.{name}) AS k{number}" for number, name in enumerate(("org", *looks.fields))]
    columns.append(f"toString(v.{looks.each}) AS member" if looks.each else "'' AS member")
    columns.append(_weight(looks))
    names = ", ".join([*(f"k{number}" for number in range(len(looks.fields) + 1)), "member", "weight"])
    numbers = range(len(looks.fields) + 1)
    parameters: dict[str, Any] = {f"v{number}": sorted({value[number] for value in values}) for number in numbers}
    if looks.factors:
        parameters |= {"pools": [pool for pool, _ in looks.factors], "factors": [times for _, times in looks.factors]}
    return ", ".join(columns), names, parameters


def _weight(looks: Looks) -> str:
    if not looks.factors:
        return "toInt64(1) AS weight"
    return "transform(toString(v.pool), {pools:Array(String)}, {factors:Array(Int64)}, toInt64(1)) AS weight"


def _wanted(looks: Looks) -> list[str]:
    wanted = [f"v.{name} IN {{v{number}:Array(String)}}" for number, name in enumerate(("org", *looks.fields))]
    return [*wanted, f"v.{looks.each} != ''"] if looks.each else wanted


def _within(span: Span) -> tuple[list[str], dict[str, Any]]:
    wanted = ["v.ts >= {since:DateTime64(6, 'UTC')}", "v.ts < {until:DateTime64(6, 'UTC')}"]
    parameters: dict[str, Any] = {"since": span.since, "until": span.until}
    if span.without_import:
        wanted.append("v.import_id != {without:String}")
        parameters["without"] = span.without_import
    return wanted, parameters
