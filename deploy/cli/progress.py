"""How far a replay is, as a person sees it: a bar on a terminal, elsewhere a line for each outage of Kafka."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deploy.cli.output import say
from producers.outcome import Progress


def outages() -> Callable[[Progress], None]:
    """Says when a replay begins to wait for Kafka and when it goes on, a line each: for where there is no terminal."""
    waiting = False

    def show(found: Progress) -> None:
        nonlocal waiting
        if bool(found.waiting_for) == waiting:
            return
        waiting = not waiting
        sent = f"{found.sent:,} of {found.rows:,} rows sent"
        say(f"waiting for Kafka, {sent} ({found.waiting_for})" if waiting else f"Kafka answers again, {sent}")

    return show


@contextmanager
def shown_progress(rows: int) -> Iterator[Callable[[Progress], None]]:
    """Shows how far a replay is, on a terminal; elsewhere only what it waits for."""
    if not sys.stderr.isatty():
        yield outages()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("replay"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=rows)

        def show(found: Progress) -> None:
            waits = f"waiting: {found.waiting_for}" if found.waiting_for else f"{found.skipped:,} skipped"
            bar.update(task, completed=found.sent + found.skipped, description=waits)

        yield show
