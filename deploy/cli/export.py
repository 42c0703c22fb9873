"""`burnline export focus`: the ledger as a FOCUS file for finance."""

import os
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.output import StateDir, examples, say


class Format(StrEnum):
    """How rows are written."""

    CSV = "csv"
    PARQUET = "parquet"
    JSONL = "jsonl"


def register(app: typer.Typer) -> None:
    """The commands are part of the app."""
    group = typer.Typer(help="The ledger as files for other tools.", no_args_is_help=True)
    group.command(
        "focus",
        epilog=examples(
            "burnline export focus --since 2026-11-01 --until 2026-12-01 -o november.csv",
            "burnline export focus --since 7d --format parquet -o week.parquet",
        ),
    )(focus)
    # One command alone would otherwise be the group itself.
    group.callback()(lambda: None)
    app.add_typer(group, name="export")


def focus(
    since: Annotated[str, typer.Option(help="From then on: 7d, a date or a time (UTC).")],
    until: Annotated[str | None, typer.Option(help="Up to then, exclusive; now unless given.")] = None,
    output_format: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.CSV,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Else standard output.")] = None,
    state_dir: StateDir = None,
) -> None:
    """Write usage and cost as FOCUS 1.2 rows: per hour, model, token class and who used it.

    The sums of BilledCost, EffectiveCost and ListCost are those of the ledger, exactly. The file appears whole, or not.
    Charges (seats, credits, ...) are not in it: view charges_daily has them.
    What has no price costs 0 here, because FOCUS allows no empty cost: x_PricingStatus tells it apart.
    """
    from deploy.focus_export import Exported, focus_rows
    from deploy.focus_files import write_focus
    from deploy.moments import moment
    from deploy.stack.find import connections
    from schemas.errors import InputError

    now = datetime.now(UTC)
    start, end = moment(since, now=now), moment(until, now=now, flag="--until") if until else now
    if start >= end:
        raise InputError("--until must be later than --since")
    exported = Exported()
    clickhouse = connections(state_dir, os.environ).clickhouse
    count = write_focus(focus_rows(clickhouse, exported, since=start, until=end), output_format.value, output)
    say(f"{count:,} rows of {exported.events:,} requests from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC")
    if exported.unpriced:
        say(f"{exported.unpriced:,} requests have no price: their cost is 0 in the file, see x_PricingStatus")
