"""`burnline bench anomalies`: how well the detectors find what is planted, and how often they cry wolf."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.bench_burn import Save
from deploy.cli.output import AsJson, examples, put, put_json, put_table, say

if TYPE_CHECKING:
    from deploy.bench.anomalies import Cost, Quiet, Recall
    from deploy.bench.anomalies_series import SeriesResult


def register(bench: typer.Typer) -> None:
    """The command is part of `burnline bench`."""
    bench.command(
        "anomalies",
        epilog=examples(
            "burnline bench anomalies --keys 10000 --days 3",
            "burnline bench anomalies --series data/nab --servegen data/servegen --json",
            "burnline bench anomalies --series data/nab --servegen data/servegen --save bench",
        ),
    )(anomalies)


def anomalies(
    series: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Labelled series: windows.json and data/CATEGORY/NAME.csv.")
    ] = None,
    servegen: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of chunk-N-trace.csv files, at any depth.")
    ] = None,
    keys: Annotated[int, typer.Option(min=0, help="Keys of a made-up company in which nothing is wrong; 0: none.")] = (
        100_000
    ),
    days: Annotated[int, typer.Option(min=1, help="How long the company is watched.")] = 7,
    false_alerts_per_day: Annotated[
        float, typer.Option(min=0.001, help="What the tail of what is usual is fitted to, for each folder and company.")
    ] = 5.0,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Score labelled series, plant anomalies in ServeGen's clients, and count false alerts of a made-up company.

    All else at the default settings. 100,000 keys for 7 days take some minutes.
    """
    from deploy.bench import anomalies as measures
    from deploy.bench.anomalies_series import measured
    from deploy.bench.anomalies_servegen import folders
    from deploy.bench.anomalies_told import HEAD, lines
    from deploy.bench.record import as_table, kept, result_of, this_machine
    from streams.anomalies.rules import Rules

    machine = this_machine()
    rules = Rules(false_alerts_per_day=false_alerts_per_day)
    scored = measured(series) if series is not None else None
    found: list[Quiet | Recall | Cost] = []
    for folder in folders(servegen) if servegen is not None else []:
        say(f"{folder.name}: {len(folder.clients)} clients, {folder.usd.shape[1] / 1440:g} days")
        found.extend(measures.on_servegen(folder, rules))
    if keys:
        say(f"a company of {keys:,} keys, {days} days")
        found.extend(measures.on_company(keys, rules, days=days))
    figures = {"series": None if scored is None else asdict(scored), "measured": [_plain(one) for one in found]}
    if save is not None:
        folders_named = f"{' --series DIR' * (series is not None)}{' --servegen DIR' * (servegen is not None)}"
        wanted = f"--keys {keys} --days {days} --false-alerts-per-day {false_alerts_per_day:g}"
        result = result_of(f"burnline bench anomalies{folders_named} {wanted}", machine, figures)
        kept(save, "anomalies", result, as_table(HEAD, lines(scored, found)))
    if as_json:
        put_json(figures)
        return
    if scored is not None:
        show_series(scored)
    show(found)


def _plain(one: "Quiet | Recall | Cost") -> dict[str, Any]:
    return {"measure": type(one).__name__.lower(), **asdict(one)}


def show_series(result: "SeriesResult") -> None:
    """The categories as a table, with NAB's score at 0.5, at the best threshold, and at thresholds chosen elsewhere."""
    cells = [
        [
            line.category, line.series, line.windows, line.detected, line.false_rows, _number(line.nab_score),
            _share(line.precision), _share(line.recall), _number(line.vus_pr, digits=2),
        ]
        for line in result.lines
    ]  # fmt: skip
    head = ["category", "series", "windows", "found", "false rows", "NAB", "precision", "recall", "VUS-PR"]
    put_table(head, cells, right=head[1:])
    put(
        f"NAB's standard profile at 0.5: {result.at_half.nab_score:.1f}; at {result.best.threshold:.3f}, the best:"
        f" {result.best.nab_score:.1f}; each category at what is best for the others: {result.left_out_score:.1f}"
    )


def show(found: "Sequence[Quiet | Recall | Cost]") -> None:
    """What was measured, a table of each kind."""
    from deploy.bench.anomalies import Cost, Quiet, Recall

    quiet = [
        [
            one.name,
            f"{one.keys:,}",
            f"{one.days:.3g}",
            _kinds(one.flags),
            f"{one.per_key_week:.4g}",
            f"{one.per_day:.1f}",
        ]
        for one in found
        if isinstance(one, Quiet)
    ]
    if quiet:
        head = ["nothing planted", "keys", "days", "flags", "per key and week", "per day in all"]
        put_table(head, quiet, right=[head[1], head[2], *head[4:]])
    recall = [
        [
            one.name, one.kind, one.clients, one.planted, one.left_out, f"{one.within_min:,} min",
            _share(one.in_time_ratio), _share(one.in_an_hour_ratio),
            "-" if one.median_min is None else f"{one.median_min:,.0f} min",
        ]
        for one in found
        if isinstance(one, Recall)
    ]  # fmt: skip
    if recall:
        head = [
            "planted",
            "kind",
            "keys",
            "anomalies",
            "left out",
            "in time is",
            "told in time",
            "in an hour",
            "median",
        ]
        put_table(head, recall, right=head[2:])
    for one in found:
        if isinstance(one, Cost):
            put(f"{one.keys:,} keys: {one.mean_ms:.1f} ms a minute (p99 {one.p99_ms:.1f}), {one.bytes_per_key} B a key")


def _kinds(flags: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(flags.items())) or "none"


def _number(value: float | None, *, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
