"""Every budget's forecast: its state from the store, its policy from the log, its history from the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from deploy.moments import in_utc
from deploy.store_client import rows
from schemas.connection import ClickHouseSettings
from schemas.policies import Budget, Policies
from sinks.budget_history import BUCKET_SEC, budget_history
from sinks.queries import budgets_left
from streams.forecast import Forecast, History, forecast

HISTORY_DAYS = 91
"""Thirteen weeks: a quarter, and enough Mondays; what is older tells little of what comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A budget's state and its forecast; None while nothing was spent in a whole quarter of an hour."""

    budget: Budget
    member: str
    period_start: datetime
    status: str
    forecast: Forecast | None


def forecasts(
    clickhouse: ClickHouseSettings,
    policies: Policies,
    *,
    now: datetime,
    org: str | None = None,
    budget: str | None = None,
) -> Iterator[Told]:
    """The budgets in force in their running periods, the fullest first; those of one org, or of one id.

    Raises: StoreUnavailableError, QueryError: as the store says.
    """
    asked = budgets_left(now=now, org=org)
    states = [state for state in rows(clickhouse, asked.sql, asked.parameters) if budget in {None, state["budget_id"]}]
    histories: dict[tuple[str, str], Mapping[str, History]] = {}
    for state in states:
        key = state["org"], state["budget_id"]
        entry = policies.get(("budget", *key))
        if entry is None or not isinstance(entry.policy, Budget):
            continue
        if key not in histories:
            histories[key] = _histories(clickhouse, entry.policy, now=now)
        yield told(state, entry.policy, histories[key].get(state["member"]), now=now)


def told(state: Mapping[str, Any], budget: Budget, history: History | None, *, now: datetime) -> Told:
    """The forecast of one row of the question for budgets that are left."""
    found = None
    if history is not None:
        limit, spent, end = state["limit"], state["spent"], in_utc(state["period_end"])
        found = forecast(history, now=now, period_end=end, spent=spent, limit=limit)
    start, status = in_utc(state["period_start"]), state["status"]
    return Told(budget=budget, member=state["member"], period_start=start, status=status, forecast=found)


def _histories(clickhouse: ClickHouseSettings, budget: Budget, *, now: datetime) -> Mapping[str, History]:
    until = quarter(now)
    asked = budget_history(budget, since=until - timedelta(days=HISTORY_DAYS), until=until)
    return histories_of(rows(clickhouse, asked.sql, asked.parameters), until=until)


def quarter(at: datetime) -> datetime:
    """The start of the quarter of an hour that holds this time."""
    return at - timedelta(seconds=at.timestamp() % BUCKET_SEC)


def histories_of(found: Sequence[Mapping[str, Any]], *, until: datetime) -> Mapping[str, History]:
    """The history of each member, from the first use of any of them up to `until`; quarters without use are zero."""
    if not found:
        return {}
    start = min(in_utc(row["t"]) for row in found)
    buckets = round((until - start).total_seconds()) // BUCKET_SEC
    amounts = {member: np.zeros(buckets) for member in {row["member"] for row in found}}
    for row in found:
        amounts[row["member"]][round((in_utc(row["t"]) - start).total_seconds()) // BUCKET_SEC] += float(row["amount"])
    return {member: History(start=start, bucket_sec=BUCKET_SEC, amounts=values) for member, values in amounts.items()}
