"""`burnline backtest`: what the detectors would have said of the past."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.output import examples, say


def register(app: typer.Typer) -> None:
    """The command is part of the app."""
    app.command(
        "backtest",
        epilog=examples("burnline backtest --series requests.csv --scores scored.csv"),
    )(backtest)


def backtest(
    series: Annotated[Path, typer.Option(metavar="FILE.csv", help="Columns timestamp and value; any interval, gaps.")],
    scores: Annotated[
        Path | None, typer.Option(metavar="OUT.csv", help="Where the scores go; standard output unless given.")
    ] = None,
) -> None:
    """Score each row of a series by what came before it: 0 to 1, an anomaly from 0.5 on.

    Writes timestamp,value,anomaly_score in the same rows. Times without a zone are UTC. A missing value scores 0.
    """
    from deploy.backtest_series import write_scores

    written = write_scores(series, scores)
    missing = f", {written.missing:,} without a value" if written.missing else ""
    say(f"{written.rows:,} rows{missing}; {written.flagged:,} score 0.5 or more")
