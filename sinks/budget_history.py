"""The question for what a budget's members used per quarter of an hour, as its forecast needs it. Pure.

Laws
1. What is summed is what the budget counts: its org and scope, its unit, a member where it has members, pools by their
   multipliers. What has no price adds nothing, as in the budget.
2. Names come from lists, values travel as parameters; a rollup answers where it can.
"""
# ruff: noqa: S608  names come from the lists of schemas and rollups, values travel as server-side parameters

from datetime import datetime
from typing import Any

from schemas.errors import InputError
from schemas.policies import SCOPE_KEYS, Budget
from sinks.queries import Query
from sinks.rollups import DIMENSIONS

BUCKET_SEC = 900
_TOKENS = "ifNull(v.input_tokens, 0) + ifNull(v.output_tokens, 0)"
_OF_ROLLUP = {"usd": "v.cost_usd", "tokens": _TOKENS, "requests": "v.requests"}
_OF_EVENT = {"usd": "ifNull(v.cost_usd, 0)", "tokens": _TOKENS, "requests": "1"}
"""What a row of the rollup, and one of the events, adds in each unit."""


def budget_history(budget: Budget, *, since: datetime, until: datetime) -> Query:
    """`member` ('' where the budget has none), `t` (start of the quarter of an hour), `amount`; oldest first.

    Bounds are half-open and stand on quarters of an hour. Quarters without use have no row.
    Raises: InputError: a bound stands elsewhere, or the scope names what is no column.
    """
    for bound in (since, until):
        if bound.timestamp() % BUCKET_SEC:
            raise InputError(f"the history of a budget goes by quarters of an hour, not from or to {bound}")
    named = {"org", *budget.scope, *([budget.each] if budget.each else [])}
    if unknown := named - {"org", *SCOPE_KEYS}:
        raise InputError(f"a budget's scope names {', '.join(sorted(unknown))}, which is no column of the ledger")
    by_rollup = named <= set(DIMENSIONS) and not budget.multipliers
    view, time = ("usage_15m", "v.t") if by_rollup else ("usage_events", "v.ts")
    amount = (_OF_ROLLUP if by_rollup else _OF_EVENT)[budget.unit]
    parameters: dict[str, Any] = {"since": since, "until": until, "org": budget.org}
    wanted = [f"{time} >= {{since:DateTime64(6, 'UTC')}}", f"{time} < {{until:DateTime64(6, 'UTC')}}"]
    wanted.append("v.org = {org:String}")
    for number, (name, value) in enumerate(sorted(budget.scope.items())):
        wanted.append(f"v.{name} = {{s{number}:String}}")
        parameters[f"s{number}"] = value
    if budget.each:
        wanted.append(f"v.{budget.each} != ''")
    if budget.multipliers:
        amount = f"({amount}) * transform(toString(v.pool), {{pools:Array(String)}}, {{factors:Array(Int64)}}, 1)"
        parameters |= {"pools": list(budget.multipliers), "factors": list(budget.multipliers.values())}
    member = f"toString(v.{budget.each})" if budget.each else "''"
    sql = (
        f"SELECT {member} AS member, toStartOfFifteenMinutes({time}) AS t, toFloat64(sum({amount})) AS amount"
        f" FROM {view} AS v WHERE {' AND '.join(wanted)} GROUP BY member, t ORDER BY member, t"
    )
    return Query(sql, parameters)
