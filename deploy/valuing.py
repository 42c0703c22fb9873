"""What usage bought, as the views and the law of unit costs say it; ready for JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from deploy.store_client import rows
from schemas.connection import ClickHouseSettings
from schemas.value import UnitSums, per_success
from sinks.value_questions import coverage, spent, unit_costs, waste

Json = dict[str, Any]
_ONLY_SUMS = ("squares_usd2", "succeeded_usd")


def valued(
    settings: ClickHouseSettings,
    by: Sequence[str],
    *,
    since: datetime | None,
    until: datetime | None,
    filters: Mapping[str, str],
) -> Json:
    """Unit costs by type of outcome and `by`, and how much of the spend of these days led to an outcome.

    Raises: InputError: a name is not known. StoreUnavailableError, QueryError.
    """
    asked = unit_costs(by, since=since, until=until, filters=filters)
    units = [unit(row) for row in rows(settings, asked.sql, asked.parameters)]
    asked = coverage(since=since, until=until, filters=filters)
    [covered] = rows(settings, asked.sql, asked.parameters)
    return {"by": list(by), "since": since, "until": until, "units": units, "coverage": covered}


def wasted(
    settings: ClickHouseSettings,
    by: Sequence[str],
    *,
    since: datetime,
    until: datetime,
    filters: Mapping[str, str],
) -> Json:
    """Findings of waste by kind, evidence and `by`, with what each would be in a year, and the spend of these days.

    Raises: InputError: a name is not known. StoreUnavailableError, QueryError.
    """
    asked = waste(by, since=since, until=until, filters=filters)
    found = [
        {**row, "recoverable_usd_per_year": per_year(row["recoverable_usd"], until - since)}
        for row in rows(settings, asked.sql, asked.parameters)
    ]
    asked = spent(since=since, until=until, filters=filters)
    [whole] = rows(settings, asked.sql, asked.parameters)
    return {"by": list(by), "since": since, "until": until, "findings": found, "spent_usd": whole["cost_usd"]}


def per_year(amount_usd: Decimal | None, span: timedelta) -> Decimal | None:
    """What an amount is in 365 days if every span is like this one, to the cent; None without an amount or a span."""
    span_us = span // timedelta(microseconds=1)
    if amount_usd is None or span_us <= 0:
        return None
    return (amount_usd * 365 * 86_400 * 1_000_000 / span_us).quantize(Decimal("0.01"))


def unit(row: Mapping[str, Any]) -> Json:
    """A row of `unit_costs` with what one success costs."""
    cost = None if row["cost_usd"] is None else Decimal(row["cost_usd"])
    found = per_success(
        UnitSums(
            with_cost=row["with_cost"],
            succeeded_with_cost=row["succeeded_with_cost"],
            cost_usd=cost,
            squares_usd2=row["squares_usd2"],
            succeeded_usd=row["succeeded_usd"],
        )
    )
    return {name: value for name, value in row.items() if name not in _ONLY_SUMS} | {
        "cost_per_success_usd": found.mean_usd,
        "cost_per_success_low_usd": found.low_usd,
        "cost_per_success_high_usd": found.high_usd,
    }
