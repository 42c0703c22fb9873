"""`burnline value`: what usage bought, and what each success cost."""

import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json, put_table

_LEGEND = (
    "each: cost of all with known spend, failed ones included, per one that succeeded; low, high: where the true mean\n"
    "lies with a chance of 95 %. Types look at the same spend from different ends: do not add them up."
)


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    app.command(
        "value",
        epilog=examples(
            "burnline value --since 30d",
            "burnline value --by team,use_case --type merged",
            "burnline value --by model --where use_case=refunds --json",
        ),
    )(value)


def value(
    by: Annotated[str, typer.Option(metavar="team,use_case", help="Beside the type of outcome.")] = "",
    outcome_type: Annotated[str | None, typer.Option("--type", help="Only this type: merged, ...")] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="NAME=VALUE", help="Only this org, team, use_case, project.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Outcomes from then on: 24h, 7d, a date or a time.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to then, exclusive.")] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what an outcome costs, by type, with all spend that led to it, whenever that was.

    Outcomes come by `burnline replay outcomes|github|gitlab|sarif|litellm-feedback`, or live. Missing spend is not
    zero: how many outcomes have known spend is said, and how much spend led to none.
    """
    from deploy.field_filters import field_filters
    from deploy.moments import moment
    from deploy.stack.find import connections
    from deploy.valuing import valued
    from sinks.value_questions import FILTERS

    now = datetime.now(UTC)
    filters = field_filters(where or [], FILTERS)
    if outcome_type is not None:
        filters["outcome_type"] = outcome_type
    found = valued(
        connections(state_dir, os.environ).clickhouse,
        [name.strip() for name in by.split(",") if name.strip()],
        since=moment(since, now=now) if since else None,
        until=moment(until, now=now, flag="--until") if until else None,
        filters=filters,
    )
    if as_json:
        put_json(found)
        return
    show(found)


def show(found: dict[str, Any]) -> None:
    """The lines as a person reads them, and how much spend led to an outcome."""
    lines, by = found["units"], found["by"]
    if not lines:
        put("no outcome is known; burnline replay --help lists the formats that bring them")
    else:
        head = [
            "outcome",
            *by,
            "outcomes",
            "failed",
            "reverted",
            "with cost",
            "cost USD",
            "each",
            "low",
            "high",
            "value",
        ]
        rows = [
            [
                line["outcome_type"],
                *(line[name] or "-" for name in by),
                *(f"{line[name]:,}" for name in ("outcomes", "failed", "reverted", "with_cost")),
                *(_usd(line[name]) for name in _MONEY),
            ]
            for line in lines
        ]
        put_table(head, rows, right=head[1 + len(by) :])
        put(_LEGEND)
    if (spent := found["coverage"])["cost_usd"]:
        put(_covered(spent))


_MONEY = ("cost_usd", "cost_per_success_usd", "cost_per_success_low_usd", "cost_per_success_high_usd", "value_usd")


def _usd(amount: Decimal | float | None) -> str | None:
    if amount is None:
        return None
    return f"{amount:,.4f}" if -1 < amount < 1 else f"{amount:,.2f}"


def _covered(spent: dict[str, Any]) -> str:
    def share(name: str) -> str:
        return f"{spent[name]:,.2f} USD ({100 * spent[name] / spent['cost_usd']:.0f} %)"

    return (
        f"of {spent['cost_usd']:,.2f} USD used: {share('with_outcome_usd')} led to an outcome,"
        f" {share('without_outcome_usd')} names a task, run or session without one,"
        f" {share('unattributed_usd')} names none"
    )
