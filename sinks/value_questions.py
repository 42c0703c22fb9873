"""The questions about what usage bought. Pure; laws as in `queries.py`: values are parameters, names are listed."""
# ruff: noqa: S608  names come from the lists of this file, values travel as server-side parameters

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.errors import InputError
from sinks.queries import Query

BY = ("org", "team", "use_case", "project", "language", "agent", "month", "model")
"""By what unit costs can be told apart, beside the type of outcome; people are not ranked (requirement R13)."""
FILTERS = ("org", "team", "use_case", "project", "outcome_type")
WASTE_BY = ("org", "team", "use_case", "agent", "provider", "model")
WASTE_FILTERS = ("org", "team", "use_case", "agent", "kind", "evidence")
_OF_SPEND = ("org", "team", "use_case")


def unit_costs(
    by: Sequence[str], *, since: datetime | None, until: datetime | None, filters: Mapping[str, str]
) -> Query:
    """Outcomes that happened in [since, until), by type and `by`, with all spend that led to them, whenever it was.

    By model, an outcome counts for each model that had a part in it, with what that model cost. Raises: InputError.
    """
    for name in by:
        if name not in BY:
            raise InputError(f"--by {name}: unit costs are by {', '.join(BY)}")
    where, parameters = _where(filters, FILTERS, since=since, until=until)
    keys = {name: "formatDateTime(c.ts, '%Y-%m')" if name == "month" else f"c.{name}" for name in by}
    cost, source = "c.cost_usd", "outcome_costs AS c"
    if "model" in by:
        cost = "p.cost_usd"
        keys["model"] = "toString(p.model)"
        source += (
            " INNER JOIN (SELECT s.outcome_id AS outcome_id, s.model AS model, if(max(s.cost_known),"
            " toNullable(sum(s.cost_usd)), NULL) AS cost_usd FROM outcome_spend AS s"
            " GROUP BY outcome_id, model) AS p ON p.outcome_id = c.outcome_id"
        )
    sql = (
        f"SELECT c.outcome_type AS outcome_type, {''.join(f'{text} AS {name}, ' for name, text in keys.items())}"
        " toInt64(count()) AS outcomes, toInt64(countIf(c.failed)) AS failed, toInt64(countIf(c.reverted)) AS reverted,"
        f" toInt64(countIf({cost} IS NOT NULL)) AS with_cost,"
        f" toInt64(countIf({cost} IS NOT NULL AND NOT c.failed)) AS succeeded_with_cost,"
        f" sum({cost}) AS cost_usd, sumIf({cost}, c.failed) AS failed_cost_usd,"
        f" ifNull(sum(pow(toFloat64({cost}), 2)), 0) AS squares_usd2,"
        f" ifNull(sumIf(toFloat64({cost}), NOT c.failed), 0) AS succeeded_usd,"
        " toInt64(countIf(c.unpriced_requests > 0)) AS with_unpriced, sum(c.value_usd) AS value_usd,"
        " sum(c.minutes_claimed) AS minutes_claimed, sum(c.minutes_captured) AS minutes_captured"
        f" FROM {source} WHERE {where} GROUP BY {', '.join(('outcome_type', *keys))}"
        f" ORDER BY {', '.join(('outcome_type', *keys))}"
    )
    return Query(sql, parameters)


def coverage(*, since: datetime | None, until: datetime | None, filters: Mapping[str, str]) -> Query:
    """One row: what was spent on the days of UTC that [since, until) touches, and how much of it led to an outcome."""
    chosen = {name: value for name, value in filters.items() if name in _OF_SPEND}
    where, parameters = _where(chosen, _OF_SPEND, since=since, until=until, is_day=True)
    sums = ("requests", "unpriced_requests", "cost_usd", "with_outcome_usd", "without_outcome_usd", "unattributed_usd")
    columns = ", ".join(f"sum(c.{name}) AS {name}" for name in sums)
    return Query(f"SELECT {columns} FROM outcome_coverage AS c WHERE {where}", parameters)


def spent(*, since: datetime, until: datetime, filters: Mapping[str, str]) -> Query:
    """One row: `cost_usd` of the calls in [since, until)."""
    chosen = {name: value for name, value in filters.items() if name in WASTE_BY}
    where, parameters = _where(chosen, WASTE_BY, since=since, until=until)
    return Query(
        f"SELECT sum(toDecimal128(c.cost_usd, 12)) AS cost_usd FROM usage_events AS c WHERE {where}", parameters
    )


def waste(by: Sequence[str], *, since: datetime | None, until: datetime | None, filters: Mapping[str, str]) -> Query:
    """Findings of waste in [since, until), by kind, evidence and `by`, the dearest first. Raises: InputError."""
    for name in by:
        if name not in WASTE_BY:
            raise InputError(f"--by {name}: waste is by {', '.join(WASTE_BY)}")
    where, parameters = _where(filters, WASTE_FILTERS, since=since, until=until)
    keys = ("kind", "evidence", *by)
    sql = (
        f"SELECT {', '.join(f'c.{name} AS {name}' for name in keys)}, toInt64(count()) AS events,"
        " sum(toDecimal128(c.cost_usd, 12)) AS cost_usd, sum(toDecimal128(c.recoverable_usd, 12)) AS recoverable_usd,"
        " min(c.ts) AS first_at, max(c.ts) AS last_at"
        f" FROM waste_findings AS c WHERE {where} GROUP BY {', '.join(keys)}"
        f" ORDER BY recoverable_usd DESC NULLS LAST, cost_usd DESC NULLS LAST, {', '.join(keys)}"
    )
    return Query(sql, parameters)


def _where(
    filters: Mapping[str, str],
    allowed: Sequence[str],
    *,
    since: datetime | None,
    until: datetime | None,
    is_day: bool = False,
) -> tuple[str, dict[str, Any]]:
    for name in filters:
        if name not in allowed:
            raise InputError(f"{name!r}: outcomes are chosen by {', '.join(allowed)}")
    conditions = [f"c.{name} = {{f_{name}:String}}" for name in filters]
    parameters: dict[str, Any] = {f"f_{name}": value for name, value in filters.items()}
    time = "c.t" if is_day else "c.ts"
    for name, operator, bound in (("since", ">=", since), ("until", "<", until)):
        if bound is not None:
            value = f"{{{name}:DateTime64(6, 'UTC')}}"
            conditions.append(f"{time} {operator} {f'toDate({value})' if is_day and name == 'since' else value}")
            parameters[name] = bound
    return " AND ".join(conditions) or "1", parameters
