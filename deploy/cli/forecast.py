"""`burnline forecast`: what every budget will have spent at the end of its period, and when it is used up."""

import os
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json, put_table, say

if TYPE_CHECKING:
    from decimal import Decimal

    from deploy.forecasting import Told

_LEGEND = (
    "P10, P50, P90: one chance in ten that it ends below the first, or above the last. used up: when the limit is"
    " reached,\nearliest (one chance in ten), likely, and latest (nine in ten); - is not in this period."
)


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    app.command(
        "forecast",
        epilog=examples("burnline forecast --org acme", "burnline forecast --budget code-monthly --json"),
    )(forecast)


def forecast(
    org: Annotated[str | None, typer.Option(help="Only budgets of this org.")] = None,
    budget: Annotated[str | None, typer.Option(metavar="ID", help="Only this budget, all of its members.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many lines, the fullest budgets first.")] = 100,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Forecast what each budget will have spent at the end of its period, and when it is used up.

    From what was used per quarter of an hour in the last 13 weeks: how much of late, and at which hours of the week.
    """
    from deploy.forecasting import forecasts
    from deploy.policy_log import in_force, read_log
    from deploy.stack.find import connections

    found = connections(state_dir, os.environ)
    policies = in_force(read_log(found.kafka))
    told = forecasts(found.clickhouse, policies, now=datetime.now(UTC), org=org, budget=budget)
    lines = list(islice(told, limit + 1))
    if len(lines) > limit:
        say(f"only the {limit} fullest are shown; --limit shows more")
    if as_json:
        put_json([plain(line) for line in lines[:limit]])
        return
    if not lines:
        put("no budget is in force, or none has counted anything in its running period")
        return
    show(lines[:limit])


def plain(line: "Told") -> dict[str, Any]:
    """A line for scripts; `forecast` is null while nothing is known."""
    known = line.forecast
    return {
        "org": line.budget.org,
        "budget_id": line.budget.id,
        "member": line.member,
        "unit": line.budget.unit,
        "owner": line.budget.owner,
        "status": line.status,
        "period_start": line.period_start,
        "forecast": None
        if known is None
        else {name: getattr(known, name) for name in type(known).__dataclass_fields__},
    }


def show(lines: "list[Told]") -> None:
    """The lines as a person reads them, times in the zone of the budget."""
    head = ["org", "budget", "member", "ends", "limit", "unit", "spent", "P10", "P50", "P90", "over", "used up"]
    put_table(head, [_cells(line) for line in lines], right=("limit", "spent", "P10", "P50", "P90", "over"))
    put(_LEGEND)


def _cells(line: "Told") -> list[str]:
    known, unit = line.forecast, line.budget.unit
    who = [line.budget.org, line.budget.id, line.member or "-"]
    if known is None:
        return [*who, "-", _amount(line.budget.limit, unit), unit, "-", "-", "-", "-", "-", "nothing is known yet"]
    amounts = [_amount(amount, unit) for amount in (known.spent, known.p10, known.p50, known.p90)]
    limit = "-" if known.limit is None else _amount(known.limit, unit)
    over = "-" if known.reaches_limit_ratio is None else f"{known.reaches_limit_ratio:.0%}"
    return [*who, _when(line, known.period_end), limit, unit, *amounts, over, used_up(line)]


def used_up(line: "Told") -> str:
    """When the limit is reached, as one phrase."""
    known = line.forecast
    if known is None:
        return "-"
    if known.limit is not None and known.spent >= known.limit:
        return "already"
    dates = [_when(line, at) if at is not None else "-" for at in (known.earliest, known.median, known.latest)]
    return "not in this period" if set(dates) == {"-"} else " / ".join(dates)


def _when(line: "Told", at: datetime) -> str:
    return f"{at.astimezone(line.budget.zone()):%d %b %H:%M}"


def _amount(amount: "Decimal", unit: str) -> str:
    return f"{amount:,.2f}" if unit == "usd" else f"{amount:,.0f}"
