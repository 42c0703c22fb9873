"""`burnline bench waste`: how much of planted waste is found, and what is claimed that was none."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.bench_burn import Save
from deploy.cli.output import AsJson, examples, put, put_json, put_table

if TYPE_CHECKING:
    from deploy.bench.waste import Figures

HEAD = ("kind", "planted", "USD", "found", "claimed USD", "share", "not planted", "heavy user")


def register(bench: typer.Typer) -> None:
    """The command is part of `burnline bench`."""
    lines = ("burnline bench waste", "burnline bench waste --seed 7 --json", "burnline bench waste --save bench")
    bench.command("waste", epilog=examples(*lines))(waste)


def waste(
    seed: Annotated[int, typer.Option(min=0, help="Of the quarter.")] = 1,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Plant waste in a simulated quarter of a small company and look for it: by kind, in dollars.

    One day of twenty the waste is of a client that says too little of it: planted, and not to be found. Beside it stand
    what only looks like waste, and an honest user who uses three times as much as anybody.
    """
    from deploy.bench.ledger import fresh_store
    from deploy.bench.record import as_table, kept, result_of, this_machine
    from deploy.bench.waste import measured
    from deploy.bench.waste_quarter import quarter

    machine = this_machine()
    with fresh_store() as own:
        found = measured(own, quarter(seed))
    result = result_of(f"burnline bench waste --seed {seed}", machine, asdict(found))
    table = lines_of(found)
    if save is not None:
        kept(save, "waste", result, as_table(HEAD, table))
    if as_json:
        put_json(result)
        return
    put_table(HEAD, table, right=HEAD[1:])
    took = f"{found.question_ms:,} ms, {found.question_cpu_sec:.2f} s of processor time"
    put(f"{found.calls:,} calls in a quarter; one question for all findings took {took}")


def lines_of(found: "Figures") -> list[tuple[str, ...]]:
    """A line per kind."""
    return [
        (
            line.kind,
            f"{line.planted_calls:,}",
            f"{line.planted_usd:.2f}",
            f"{line.found_calls:,}",
            f"{line.claimed_usd:.2f}",
            f"{line.claimed_usd / line.planted_usd:.1%}" if line.planted_usd else "-",
            f"{line.not_planted_calls:,}",
            f"{line.of_the_heavy_user:,}",
        )
        for line in found.lines
    ]
