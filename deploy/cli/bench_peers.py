"""`burnline bench peers`: the same job by Burnline, Bytewax, Quix Streams and Faust as it comes, side by side."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.bench_burn import Save
from deploy.cli.output import AsJson, examples, put, put_json, put_table, say

if TYPE_CHECKING:
    from deploy.bench.peers import Line

HEAD = ("system", "CPU us/event", "least to most", "events per CPU s", "events/s", "events", "equal on", "what it does")


def register(bench: typer.Typer) -> None:
    """The command is part of `burnline bench`."""
    lines = (
        "burnline bench peers",
        "burnline bench peers --events 200000 --rounds 5 --save bench",
        "burnline bench peers --only bytewax --events 10000 --json",
    )
    bench.command("peers", epilog=examples(*lines))(peers)


def peers(
    events: Annotated[
        int, typer.Option(min=1000, max=500_000, help="How many events each round has; slow peers get a share.")
    ] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="How often each system is measured.")] = 3,
    only: Annotated[
        list[str] | None, typer.Option(metavar="PACKAGE", help="Only this peer (bytewax, quixstreams, ...); repeat it.")
    ] = None,
    environment: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the peers' packages are or shall be; default: .venv/peers")
    ] = None,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Measure rolling spend per team, user and model over 5 minutes and 1 hour: ours and three other systems.

    On a Kafka of its own, with the simulator's events. The peers' packages are installed once, into an environment of
    their own. All results are compared, to the pico-USD, before anything is timed.

    CPU seconds are those of the whole process, from the first event to the last result; of Burnline the rating and the
    burn worker together. The peers do this job only; Burnline does its own, whole.
    """
    from deploy.bench.peers import measured
    from deploy.bench.peers_run import PEERS, default_folder
    from deploy.bench.record import as_table, kept, result_of, this_machine
    from deploy.bench.workers import fresh_broker
    from schemas.errors import InputError

    unknown = set(only or ()) - {peer.package for peer in PEERS}
    if unknown:
        names = ", ".join(peer.package for peer in PEERS)
        raise InputError(f"--only {', '.join(sorted(unknown))}: there are {names}")
    chosen = [peer for peer in PEERS if not only or peer.package in only]
    machine = this_machine()
    folder = environment or default_folder()
    with fresh_broker() as kafka:
        found = measured(kafka, events, rounds=rounds, folder=folder, say=say, peers=chosen)
    command = f"burnline bench peers --events {events} --rounds {rounds}"
    result = result_of(command, machine, {"lines": [asdict(line) for line in found]})
    table = lines(found)
    if save is not None:
        kept(save, "peers", result, as_table(HEAD, table))
    if as_json:
        put_json(result)
        return
    put_table(HEAD[:-1], [row[:-1] for row in table], right=HEAD[1:-1])
    for line in found:
        put(f"{line.name}: {line.note}")


def lines(found: "list[Line]") -> list[tuple[str, ...]]:
    """A line per system, and one for each of its processes where it has several."""
    told: list[tuple[str, ...]] = []
    for line in found:
        spread = f"{min(line.cpu_us):.1f} to {max(line.cpu_us):.1f}"
        told.append(
            (
                f"{line.name} {line.version}".strip(), f"{line.cpu_us_median:.1f}", spread, f"{line.per_cpu_sec:,}",
                f"{line.per_sec_median:,}", f"{len(line.cpu_us)} x {line.events:,}", f"{line.keys_compared} keys",
                line.note,
            )
        )  # fmt: skip
        told += [(f"... {name}", f"{us:.1f}", "", "", "", "", "", "") for name, us in line.by_process.items()]
    return told
