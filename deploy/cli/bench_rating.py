"""`burnline bench rating`: CPU per event of rating workers on a real Kafka, or of each of their steps without one."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deploy.cli.bench_burn import Save
from deploy.cli.output import AsJson, examples, put, put_json, put_table, say

if TYPE_CHECKING:
    from deploy.bench.rating_pieces import Pieces
    from deploy.bench.rating_worker import Worked

GOAL_PER_CPU_SEC = 150_000


def register(bench: typer.Typer) -> None:
    """The command is part of `burnline bench`."""
    lines = (
        "burnline bench rating",
        "burnline bench rating --workers 1,2,4 --events 400000 --save bench",
        "burnline bench rating --pieces --batch 4000 --save bench",
        "burnline bench rating --pieces --entities 1000000 --warm-events 1000000 --json",
    )
    bench.command("rating", epilog=examples(*lines))(rating)


def rating(
    pieces: Annotated[
        bool, typer.Option("--pieces", help="No Kafka: what each step of one lane costs, in one process.")
    ] = False,
    fields: Annotated[
        Literal["common", "all"], typer.Option(help="Events of about 690 bytes, or all fields of the simulator: 1,000.")
    ] = "common",
    workers: Annotated[
        str, typer.Option(metavar="1,2,4", help="How many workers share the four partitions; one after the other.")
    ] = "1",
    events: Annotated[int, typer.Option(min=1000, max=10_000_000, help="How many events each round has.")] = 200_000,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How many rounds, or batches with --pieces, x 5.")] = 5,
    warm_events: Annotated[
        int, typer.Option(min=0, max=20_000_000, help="How many events come first and are not measured.")
    ] = 100_000,
    batch: Annotated[int, typer.Option(min=1, max=100_000, help="With --pieces: events of a batch.")] = 4000,
    entities: Annotated[
        int, typer.Option(min=0, max=10_000_000, help="With --pieces: so many users, agents and keys; 0: some hundred.")
    ] = 0,
    models: Annotated[
        int, typer.Option(min=0, max=10_000_000, help="With --pieces: so many models by typo; 0: none.")
    ] = 0,
    bad: Annotated[float, typer.Option(min=0, max=99, help="With --pieces: so many of a hundred are no events.")] = 0,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Measure rating: full events of the simulator's company, copies among them, its budgets and directory in force.

    CPU time of the worker processes, user and system, from the first event of a full topic to the last commit: fetching
    and transactions are in it. With --pieces one lane without Kafka: where the time goes.
    """
    from deploy.bench import rating_pieces, rating_worker
    from deploy.bench.rating_load import world
    from deploy.bench.record import as_table, kept, result_of, this_machine
    from deploy.bench.workers import fresh_broker

    counts, machine, company = numbers(workers), this_machine(), world(fields)
    head: tuple[str, ...]
    table: list[tuple[str, ...]]
    if pieces:
        say(f"{warm_events:,} events first, then {5 * rounds} batches of {batch:,}")
        found = rating_pieces.measured(
            company,
            batch=batch,
            batches=5 * rounds,
            entities=entities,
            models=models,
            warm_events=warm_events,
            bad_share=bad / 100,
        )
        more = f" --batch {batch} --entities {entities} --models {models}" + (f" --bad {bad:g}" if bad else "")
        command, name = (
            f"--pieces --fields {fields} --rounds {rounds} --warm-events {warm_events}{more}",
            "rating-pieces",
        )
        figures, head, table = asdict(found), PIECES_HEAD, lines_of_pieces(found)
    else:
        every = []
        for count in counts:
            with fresh_broker() as kafka:
                one = rating_worker.measured(
                    kafka, company, workers=count, events=events, rounds=rounds, warm_events=warm_events, say=say
                )
            every.append(one)
        command = (
            f"--fields {fields} --workers {workers} --events {events} --rounds {rounds} --warm-events {warm_events}"
        )
        name, figures = "rating", {"runs": [asdict(one) for one in every]}
        head, table = WORKED_HEAD, [line_of(one) for one in every]
    result = result_of(f"burnline bench rating {command}", machine, figures)
    if save is not None:
        kept(save, name, result, as_table(head, table))
    if as_json:
        put_json(result)
        return
    put_table(head, table, right=head[1:])
    put(f"goal: {GOAL_PER_CPU_SEC:,} events per CPU second, {1e6 / GOAL_PER_CPU_SEC:.1f} us each; docs/speed.md")


def numbers(text: str) -> list[int]:
    """`1,2,4` as numbers. Raises: InputError: something else stands there."""
    from schemas.errors import InputError

    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and 1 <= int(word) <= 4 for word in words):
        raise InputError(f"--workers {text}: give numbers from 1 to 4 (there are four partitions), like 1,2,4")
    return [int(word) for word in words]


WORKED_HEAD = ("workers", "CPU us/event", "least to most", "user", "system", "events per CPU s", "events/s", "busiest")
PIECES_HEAD = ("step", "CPU us/event", "least", "most", "of the whole")


def line_of(found: "Worked") -> tuple[str, ...]:
    """A line of the table of workers."""
    every = found.us_per_event
    return (
        str(found.workers),
        f"{every.median:.2f}",
        f"{every.least:.2f} to {every.most:.2f}",
        f"{found.user_us.median:.2f}",
        f"{found.system_us.median:.2f}",
        f"{found.per_cpu_sec:,}",
        f"{found.per_wall_sec:,}",
        f"{found.busiest_worker_share:.0%}",
    )


def lines_of_pieces(found: "Pieces") -> list[tuple[str, ...]]:
    """The table of steps."""
    from deploy.bench.rating_pieces import WHOLE

    whole = found.us_per_event[WHOLE].median
    return [
        (step, f"{one.median:.2f}", f"{one.least:.2f}", f"{one.most:.2f}", f"{one.median / whole:.0%}")
        for step, one in found.us_per_event.items()
    ]
