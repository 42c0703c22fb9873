"""`burnline bench burn`: ticks, rows, memory and recovery of burn with many active entities."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.output import AsJson, examples, put_json, put_table, say

Save = Annotated[
    Path | None, typer.Option("--save", metavar="DIR", help="Keep the result there, as NAME.json and NAME.md: bench")
]


def register(bench: typer.Typer) -> None:
    """The command is part of `burnline bench`."""
    lines = (
        "burnline bench burn",
        "burnline bench burn --entities 10000 --known 0 --json",
        "burnline bench burn --save bench",
    )
    bench.command("burn", epilog=examples(*lines))(burn)


def burn(
    entities: Annotated[int, typer.Option(min=100, max=2_000_000, help="How many are active.")] = 100_000,
    known: Annotated[
        int, typer.Option(min=0, max=5_000_000, help="How many are known, most of them idle; 0: not measured.")
    ] = 1_000_000,
    seconds: Annotated[int, typer.Option(min=6, max=3600, help="Seconds of log to measure, of each kind.")] = 60,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Measure burn's own code with many active entities: one lane, no Kafka, CPU time; memory in fresh processes.

    A tick is all that a second of log leads to once its rows are counted: budgets, burn rates, spikes, episodes, what
    is said, and the share of a checkpoint.

    Of a million known entities each has been used once in three weeks; a tenth is active. "used within a day" is the
    most that so many can take.
    """
    from deploy.bench.burn import measured
    from deploy.bench.burn_memory import Case, memory
    from deploy.bench.burn_told import HEAD, lines
    from deploy.bench.record import as_table, kept, result_of, this_machine

    machine = this_machine()
    found = measured(entities, seconds=seconds, told=say)
    cases: dict[Case, int] = {"active": entities, "active, a checkpoint being written": entities}
    if known:
        cases |= {"known for weeks": known, "used within a day": known}
    sizes = {}
    for case, count in cases.items():
        say(f"memory of {count:,} entities, {case}")
        sizes[case] = memory(case, count)
    figures = {**asdict(found), "memory": {case: asdict(one) for case, one in sizes.items()}}
    command = f"burnline bench burn --entities {entities} --known {known} --seconds {seconds}"
    result = result_of(command, machine, figures)
    table = lines(found, sizes)
    if save is not None:
        kept(save, "burn", result, as_table(HEAD, table))
    if as_json:
        put_json(result)
        return
    put_table(HEAD, table, right=HEAD[1:])
