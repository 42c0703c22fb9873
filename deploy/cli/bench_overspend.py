"""`burnline bench overspend`: whether burn alerts find what goes wrong, in time and without crying wolf."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.output import AsJson, examples, put, put_json, put_table, say

if TYPE_CHECKING:
    from deploy.bench.overspend import Line


def register(bench: typer.Typer) -> None:
    """The command is part of `burnline bench`."""
    bench.command(
        "overspend",
        epilog=examples(
            "burnline bench overspend",
            "burnline bench overspend --seed 1 --seed 2 --seed 3 --json",
            "burnline bench overspend --entities 60 --days 10 --planted 3",
        ),
    )(overspend)


def overspend(
    seed: Annotated[list[int] | None, typer.Option(help="The month that is simulated; may be repeated.")] = None,
    entities: Annotated[int, typer.Option(help="Teams, users, agents and keys, each with a budget.")] = 2_000,
    days: Annotated[int, typer.Option(help="How much of a month of 30 days.")] = 30,
    planted: Annotated[int, typer.Option(help="Overspends of different kinds.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Simulate a company's month with planted overspends, and judge burn rates, thresholds alone and LiteLLM's rules.

    Found: an alert about the overspend's own budget before it is used up. In time: while at least half of what was
    left at its start is left. False: about a budget that no overspend debits and that would not be used up anyway.
    """
    from deploy.bench.overspend import as_json as plain
    from deploy.bench.overspend import measured, simulated

    def told(done: int, of: int) -> None:
        if sys.stderr.isatty() and done % 288 == 0:
            say(f"day {done // 288} of {of // 288}")

    lines: list[Line] = []
    for one in seed or [1]:
        world = simulated(seed=one, entities=entities, days=days, overspends=planted)
        lines += measured(world, on_progress=told)
    if as_json:
        put_json({"entities": entities, "days": days, "lines": plain(lines)})
        return
    show(lines)


def show(lines: "Sequence[Line]") -> None:
    """A table with a line for each month and set of rules, and the overspends that burn found late or never."""
    head = [
        "seed", "rules", "found", "in time", "paged", "gone, median", "gone, worst", "false pages/week",
        "false alerts/week", "by chance", "alerts",
    ]  # fmt: skip
    cells = [
        [
            line.seed, line.rules, f"{line.found()} of {len(line.findings)}", line.in_time(), line.paged(),
            f"{line.gone(0.5):.0%}", f"{line.gone(1):.0%}", f"{line.false_pages * 7 / line.days:.1f}",
            f"{line.false_alerts * 7 / line.days:.0f}", line.by_chance, f"{line.alerts:,}",
        ]
        for line in lines
    ]  # fmt: skip
    put_table(head, cells, right=[head[0], *head[2:]])
    put(
        "gone: of what was left of the budget when the overspend began, at its first alert; 100 % where there was none."
    )
    put("paged: a critical alert before the budget was used up. by chance: alerts of budgets that are used up anyway.")
    for line in lines:
        for one in line.findings:
            late = one.gone_ratio is None or one.gone_ratio > 0.5
            if line.rules == lines[0].rules and late:
                gone = "never" if one.gone_ratio is None else f"at {one.gone_ratio:.0%}"
                put(f"seed {line.seed}: {one.kind} ({one.target}, {one.lasts_days:g} days) was found {gone}")
