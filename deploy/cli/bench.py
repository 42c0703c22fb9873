"""`burnline bench`: measurements that anyone can repeat."""

import signal
import sys
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from deploy.cli import (
    bench_anomalies,
    bench_burn,
    bench_end_to_end,
    bench_latency,
    bench_ledger,
    bench_overspend,
    bench_peers,
    bench_rating,
    bench_rebalance,
    bench_waste,
)
from deploy.cli.output import AsJson, examples, put, put_json, put_table, say

if TYPE_CHECKING:
    from deploy.bench.forecast import Line

bench = typer.Typer(help="Measure Burnline; every figure of the documents can be repeated.", no_args_is_help=True)


@bench.callback()
def ends_as_by_hand(context: typer.Context) -> None:
    """SIGTERM and SIGHUP end a benchmark as Ctrl-C does: what it started is stopped, and nothing of it is left."""

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        for one in taken:
            signal.signal(one, signal.SIG_IGN)  # a second one would cut the clean-up short
        raise SystemExit(128 + number)

    taken = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
        context.call_on_close(partial(signal.signal, number, signal.SIG_DFL))


def register(app: typer.Typer) -> None:
    """The commands are part of the app."""
    bench.command(
        "forecast",
        epilog=examples(
            "burnline bench forecast",
            "burnline bench forecast --series data/servegen --json",
            "burnline bench forecast --series data/servegen/language/m-small --clients 1,5,38",
        ),
    )(forecast)
    bench_anomalies.register(bench)
    bench_burn.register(bench)
    bench_end_to_end.register(bench)
    bench_latency.register(bench)
    bench_ledger.register(bench)
    bench_overspend.register(bench)
    bench_peers.register(bench)
    bench_rating.register(bench)
    bench_rebalance.register(bench)
    bench_waste.register(bench)
    app.add_typer(bench, name="bench")


def forecast(
    series: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of chunk-N-trace.csv files, at any depth; else made up.")
    ] = None,
    clients: Annotated[str | None, typer.Option(metavar="1,5,38", help="Only these clients of the folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Forecast the end of each day and week from 5 % to 95 % of it, and compare with what came and a straight line.

    Coverage: how often the truth lies within P10 to P90 (80 % is meant). Loss: pinball loss by that of spent so far /
    elapsed share, LiteLLM's rule; below 1 is better.
    """
    from deploy.bench.forecast import as_json as plain
    from deploy.bench.forecast import measured, series_made_up, series_of_folder
    from schemas.errors import InputError

    if clients is not None and series is None:
        raise InputError("--clients chooses from a folder; give --series DIR too")
    only = [name.strip() for name in (clients or "").split(",") if name.strip()]
    given = series_of_folder(series, only=only) if series is not None else series_made_up()

    def told(done: int, of: int) -> None:
        if done % 25 == 0 and sys.stderr.isatty():
            say(f"{done} of {of} series")

    lines = list(measured(given, on_progress=told))
    if as_json:
        put_json({"series": str(series) if series is not None else "made up", "lines": plain(lines)})
        return
    show(lines)


def show(lines: "list[Line]") -> None:
    """The lines as a table, with a sentence on what its columns mean."""
    cells = [
        [
            line.group, line.period, f"{line.series:,}", f"{line.score.cases:,}", f"{line.score.coverage_ratio:.1%}",
            f"{line.score.below_ratio:.1%}", f"{line.score.above_ratio:.1%}",
            _ratio(line.score.pinball_to_linear_ratio),
            _ratio(line.score.middle_pinball_to_linear_ratio), _ratio(line.score.in_units_pinball_to_linear_ratio),
        ]
        for line in lines
    ]  # fmt: skip
    head = ["series", "period", "clients", "forecasts", "covered", "below", "above", "loss", "P50 alone", "by size"]
    put_table(head, cells, right=head[2:])
    put("covered: truth within P10 to P90. loss: pinball loss of P10, P50, P90 by that of spent / elapsed share, each")
    put("client alike; P50 alone: of the middle only; by size: where large clients count for more. Below 1 is better.")


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
