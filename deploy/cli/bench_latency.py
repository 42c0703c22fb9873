"""`burnline bench latency`: how long after an event its alert and its row are there, at three loads."""

import os
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.bench_burn import Save
from deploy.cli.output import AsJson, StateDir, examples, put_json, put_table, say

if TYPE_CHECKING:
    from deploy.bench.latency import Figures, Latency

HEAD = ("load", "events/s", "what", "probes", "p50", "p90", "p99", "most", "missing", "goal")


def register(bench: typer.Typer) -> None:
    """The command is part of `burnline bench`."""
    lines = (
        "burnline bench latency",
        "burnline bench latency --rate 5000 --seconds 120 --save bench",
        "burnline bench latency --state-dir .burnline --rate 200 --json",
        "burnline bench latency --seconds 10 --burst 100000 --backlog 1000000",
    )
    bench.command("latency", epilog=examples(*lines))(latency)


def latency(
    rate: Annotated[
        float | None, typer.Option(min=1, help="Events a second that are 100 %; else the highest is looked for.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=5, max=3600, help="How long each load lasts.")] = 60,
    burst: Annotated[int, typer.Option(min=1000, help="How many events begin the search for it.")] = 200_000,
    backlog: Annotated[
        int, typer.Option(min=0, max=10_000_000, help="Measure behind so many events too, while it catches up.")
    ] = 0,
    state_dir: StateDir = None,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Measure event to alert and event to row at 1 %, 50 % and 90 % of the highest rate.

    On a stack of its own in a temporary directory, which is gone afterwards, or on the running one of --state-dir:
    there the made-up events of an organisation `bench-...` stay in the ledger, its budgets go.

    The time begins when an event is handed to the producer, and ends when a consumer of alerts.budgets has its alert
    (read_committed), or a question finds its row (asked each 0.1 s). The load is made on the same machine.
    """
    from deploy.bench.latency import measured
    from deploy.bench.own_stack import fresh_stack
    from deploy.bench.record import as_table, kept, result_of, this_machine
    from deploy.stack.find import connections

    machine = this_machine()
    own = fresh_stack(say) if state_dir is None else nullcontext(connections(state_dir, os.environ))
    with own as where:
        found = measured(where, rate_per_sec=rate, seconds=seconds, burst=burst, backlog=backlog, say=say)
    stated = f" --rate {rate:g}" if rate is not None else f" --burst {burst}"
    stated += f" --backlog {backlog}" if backlog else ""
    result = result_of(f"burnline bench latency --seconds {seconds:g}{stated}", machine, asdict(found))
    table = lines(found)
    if save is not None:
        kept(save, "latency", result, as_table(HEAD, table))
    if as_json:
        put_json(result)
        return
    put_table(HEAD, table, right=HEAD[3:9])


def lines(found: "Figures") -> list[tuple[str, ...]]:
    """Three lines per load."""
    told = []
    for stage in found.stages:
        load = f"{stage.share:.0%} of {found.rate_per_sec:,.0f}/s" if stage.share else "catching up"
        goal = "p99 <= 2 s" if stage.share == 0.5 else ""
        told.append((load, f"{stage.sent_per_sec:,.0f}", "event to alert", *_cells(stage.alert), goal))
        told.append(("", "", "... of it: event to its log", *_cells(stage.log), ""))
        told.append(("", "", "event to row", *_cells(stage.row), ""))
    return told


def _cells(one: "Latency") -> list[str]:
    spread = (one.p50_sec, one.p90_sec, one.p99_sec, one.most_sec)
    return [str(one.probes), *("-" if sec is None else f"{sec:.2f} s" for sec in spread), str(one.missing)]
