"""`burnline bench end-to-end` and `burnline bench memory`: what a stack bears on this machine, and what it takes."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.bench_burn import Save
from deploy.cli.output import AsJson, examples, put, put_json, put_table, say

if TYPE_CHECKING:
    from deploy.bench.end_to_end import Figures

RATES_HEAD = ("events/s", "borne", "lag: rating", "burn", "patterns", "sink", "grows per second", "limits")
PROCESSES_HEAD = ("process", "CPU us/event", "MiB idle", "at most", "afterwards")


def register(bench: typer.Typer) -> None:
    """The commands are part of `burnline bench`."""
    lines = (
        "burnline bench end-to-end",
        "burnline bench end-to-end --burst 50000 --seconds 20 --json",
        "burnline bench end-to-end --save bench",
    )
    bench.command("end-to-end", epilog=examples(*lines))(end_to_end)
    lines = (
        "burnline bench memory",
        "burnline bench memory --events 500000 --save bench",
        "burnline bench memory --json",
    )
    bench.command("memory", epilog=examples(*lines))(memory)


def end_to_end(
    burst: Annotated[int, typer.Option(min=1000, help="How many events say where the search begins.")] = 100_000,
    seconds: Annotated[float, typer.Option(min=5, max=3600, help="How long each rate lasts.")] = 60,
    tries: Annotated[int, typer.Option(min=1, max=20, help="How many rates are tried at most.")] = 8,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Find the highest rate at which no stage's lag grows, with the whole stack on this machine; and who limits it.

    On a stack of its own in a temporary directory, gone afterwards. Its processes' CPU seconds are those of the
    highest rate, the wait until all is stored included.
    """
    from deploy.bench.record import as_table

    result, found = _measured("end-to-end", burst=burst, seconds=seconds, tries=tries)
    rates, processes = rate_lines(found), process_lines(found)
    table = as_table(RATES_HEAD, rates) + "\n" + as_table(PROCESSES_HEAD, processes)
    _told("end-to-end", result, table, save, as_json=as_json)
    if not as_json:
        put_table(RATES_HEAD, rates, right=RATES_HEAD[:1])
        put_table(PROCESSES_HEAD, processes, right=PROCESSES_HEAD[1:])
        highest = found.highest_per_sec
        put(f"highest load: {highest:,.0f} events/s" if highest else "no rate was borne: more --tries")


def memory(
    events: Annotated[int, typer.Option(min=1000, help="How many events come at once.")] = 200_000,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Measure the resident memory of each process of a stack: idle, at most while events come at once, and afterwards.

    What many entities take in burn is measured by `burnline bench burn`.
    """
    from deploy.bench.record import as_table

    result, found = _measured("memory", burst=events, seconds=0, tries=0)
    table = [(row[0], *row[2:]) for row in process_lines(found)]
    head = (PROCESSES_HEAD[0], *PROCESSES_HEAD[2:])
    _told("memory", result, as_table(head, table), save, as_json=as_json)
    if not as_json:
        put_table(head, table, right=head[1:])


def _measured(name: str, *, burst: int, seconds: float, tries: int) -> "tuple[dict[str, object], Figures]":
    from deploy.bench.end_to_end import measured
    from deploy.bench.own_stack import own_stack
    from deploy.bench.record import result_of, this_machine

    machine = this_machine()
    with own_stack(say) as stack:
        found = measured(stack, burst=burst, seconds=seconds, tries=tries, say=say)
    words = f" --events {burst}" if name == "memory" else f" --burst {burst} --seconds {seconds:g} --tries {tries}"
    return result_of(f"burnline bench {name}{words}", machine, asdict(found)), found


def _told(name: str, result: "dict[str, object]", table: str, save: Save, *, as_json: bool) -> None:
    from deploy.bench.record import kept

    if save is not None:
        kept(save, name, result, table)
    if as_json:
        put_json(result)


def rate_lines(found: "Figures") -> list[tuple[str, ...]]:
    """A line per rate that was tried."""
    told: list[tuple[str, ...]] = []
    for one in found.tries:
        grows = ", ".join(f"{stage} {more:+.2f} s" for stage, more in one.growth.items())
        lags = (f"{sec:.1f} s" for sec in one.lag_sec.values())
        told.append((f"{one.sent_per_sec:,.0f}", "yes" if one.is_borne else "no", *lags, grows, one.limits))
    return told


def process_lines(found: "Figures") -> list[tuple[str, ...]]:
    """A line per process."""
    return [
        (one.name, f"{one.cpu_us:.1f}", *(f"{mib:,.0f}" for mib in (one.idle_mib, one.most_mib, one.after_mib)))
        for one in found.processes
    ]
