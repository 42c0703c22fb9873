"""`burnline bench sink` and `burnline bench query`: into the ledger, and out of it."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.bench_burn import Save
from deploy.cli.output import AsJson, examples, put, put_json, put_table, say

if TYPE_CHECKING:
    from deploy.bench import query as bench_query
    from deploy.bench import sink as bench_sink

SINK_HEAD = ("rows looked up", "rows", "rows/s", "CPU us/row: sink", "storage", "bytes in Kafka", "goal")
QUERY_HEAD = ("question", "rows", "first", "median", "least", "most", "may take", "why longer")
MOST_BYTES = 100
_COLUMNS_TOLD = 12


def register(bench: typer.Typer) -> None:
    """The commands are part of `burnline bench`."""
    lines = ("burnline bench sink", "burnline bench sink --stored 10000000 --save bench", "burnline bench sink --json")
    bench.command("sink", epilog=examples(*lines))(sink)
    lines = ("burnline bench query", "burnline bench query --rows 1000000 --json", "burnline bench query --save bench")
    bench.command("query", epilog=examples(*lines))(query)


def sink(
    stored: Annotated[
        int, typer.Option(min=0, max=100_000_000, help="How many calls the ledger holds already.")
    ] = 1_000_000,
    rows: Annotated[int, typer.Option(min=5_000, max=10_000_000, help="How many rows each load has.")] = 500_000,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Measure rows into the ledger and both rollups: by the real sink, from a Kafka of its own into a store of its own.

    Three loads: nothing is looked up, a tenth, everything. At the end ledger and rollups must hold every row.
    """
    from deploy.bench.ledger import fresh_store
    from deploy.bench.record import as_table, kept, result_of, this_machine
    from deploy.bench.sink import measured
    from deploy.bench.workers import fresh_broker

    machine = this_machine()
    with fresh_store() as own, fresh_broker() as kafka:
        found = measured(own, kafka, stored, rows=rows, say=say)
    result = result_of(f"burnline bench sink --stored {stored} --rows {rows}", machine, asdict(found))
    table = sink_lines(found)
    if save is not None:
        kept(save, "sink", result, as_table(SINK_HEAD, table))
    if as_json:
        put_json(result)
        return
    put_table(SINK_HEAD, table, right=SINK_HEAD[1:6])


def sink_lines(found: "bench_sink.Figures") -> list[tuple[str, ...]]:
    """A line per load."""
    told: list[tuple[str, ...]] = []
    for load in found.loads:
        figures = (f"{load.rows:,}", f"{load.rows_per_sec:,}", f"{load.sink_cpu_us:.1f}", f"{load.store_cpu_us:.1f}")
        goal = ">= 50,000 rows/s" if load.looked_up == 0 else ""
        told.append((f"{load.looked_up:.0%} among {found.stored_rows:,}", *figures, f"{load.kafka_bytes:.0f}", goal))
    return told


def query(
    rows: Annotated[int, typer.Option(min=1_000, max=100_000_000, help="How many calls are stored.")] = 2_000_000,
    runs: Annotated[int, typer.Option(min=1, max=100, help="How often each question is asked again, warm.")] = 5,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Measure an analyst's questions over a month of calls, and the bytes that a call takes on disk.

    In a storage process of its own, filled before: 10 million calls take some minutes. Answers are timed at the client.
    """
    from deploy.bench.ledger import fresh_store
    from deploy.bench.query import measured
    from deploy.bench.record import as_table, kept, result_of, this_machine

    machine = this_machine()
    with fresh_store() as own:
        found = measured(own, rows, runs=runs, say=say)
    result = result_of(f"burnline bench query --rows {rows} --runs {runs}", machine, asdict(found))
    table, sizes = query_lines(found), size_lines(found)
    if save is not None:
        kept(save, "query", result, as_table(QUERY_HEAD, table) + "\n" + as_table(("on disk", "bytes per call"), sizes))
    if as_json:
        put_json(result)
        return
    put_table(QUERY_HEAD[:-1], [row[:-1] for row in table], right=QUERY_HEAD[1:-1])
    for row in table:
        if row[-1]:
            put(f"{row[0]}: {row[-1]}")
    put_table(("on disk", "bytes per call"), sizes, right=("bytes per call",))


def query_lines(found: "bench_query.Figures") -> list[tuple[str, ...]]:
    """A line per question; the last cell says why, where an answer took longer than it may."""
    told: list[tuple[str, ...]] = []
    for one in found.answers:
        took = (f"{ms:.0f} ms" for ms in (one.first_ms, one.median_ms, one.least_ms, one.most_ms, one.may_take_ms))
        told.append((one.name, f"{one.rows:,}", *took, (one.why or "?") if one.median_ms > one.may_take_ms else ""))
    return told


def size_lines(found: "bench_query.Figures") -> list[tuple[str, str]]:
    """Bytes per call of each table, and of the columns of the ledger that take most."""
    goal = {"usage_events_store": f" (at most {MOST_BYTES}, goal 60)"}
    told = [(f"{name}{goal.get(name, '')}", f"{size:.1f}") for name, size in found.bytes_per_row.items()]
    return told + [(f"... {one.name}", f"{one.per_row:.2f}") for one in found.columns[:_COLUMNS_TOLD]]
