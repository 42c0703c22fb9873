"""`burnline bench rebalance`: how long partitions wait while a rating worker joins and while one leaves."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.bench_burn import Save
from deploy.cli.output import AsJson, examples, put, put_json, put_table, say

if TYPE_CHECKING:
    from deploy.bench.rebalance import Phase

GOAL_SEC = 3.0
HEAD = ("phase", "seconds", "longest gap", "partition 0", "1", "2", "3")


def register(bench: typer.Typer) -> None:
    """The command is part of `burnline bench`."""
    lines = ("burnline bench rebalance", "burnline bench rebalance --rate 5000 --seconds 30 --save bench")
    bench.command("rebalance", epilog=examples(*lines))(rebalance)


def rebalance(
    rate: Annotated[float, typer.Option(min=40, max=50_000, help="Events a second on the four partitions.")] = 2000.0,
    seconds: Annotated[float, typer.Option(min=5, max=600, help="How long each phase is watched.")] = 20.0,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Measure how long a partition stands still while a second rating worker joins, and while it leaves for good.

    A gap is the longest time between two looks (each 0.02 s) at which others could read more of a partition's results.
    """
    from deploy.bench.rating_load import world
    from deploy.bench.rebalance import measured
    from deploy.bench.record import as_table, kept, result_of, this_machine
    from deploy.bench.workers import fresh_broker

    machine = this_machine()
    with fresh_broker() as kafka:
        found = measured(kafka, world(), rate_per_sec=rate, seconds=seconds, say=say)
    phases = [{**asdict(one), "most_sec": one.most_sec()} for one in found]
    result = result_of(f"burnline bench rebalance --rate {rate:g} --seconds {seconds:g}", machine, {"phases": phases})
    table = [line_of(one) for one in found]
    if save is not None:
        kept(save, "rebalance", result, as_table(HEAD, table))
    if as_json:
        put_json(result)
        return
    put_table(HEAD, table, right=HEAD[1:])
    put(f"goal: {GOAL_SEC:g} s at most; docs/speed.md")


def line_of(found: "Phase") -> tuple[str, ...]:
    """A line of the table."""
    each = (f"{found.gap_sec[place]:.2f} s" for place in sorted(found.gap_sec))
    return (found.name, f"{found.seconds:g}", f"{found.most_sec():.2f} s", *each)
