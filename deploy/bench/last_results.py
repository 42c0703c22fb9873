"""The last result of each benchmark in a line, for the README: `make bench-table` writes it there.

A result is what `--save bench` kept; its line says the command, the load of the machine before, and the main figures.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deploy.bench.record import as_table
from deploy.stack.programs import REPOSITORY

Figures = Mapping[str, Any]
BEGINS, ENDS = "<!-- last results: make bench-table -->\n", "<!-- end of last results -->\n"
HEAD = ("command", "when, load before", "result")


def _rating(found: Figures) -> str:
    runs = [(run, run["us_per_event"]["median"]) for run in found["runs"]]
    each = [f"{run['workers']} worker{'s' * (run['workers'] > 1)}: {us:.1f} us" for run, us in runs]
    return f"{', '.join(each)} CPU an event; {runs[0][0]['per_cpu_sec']:,} events per CPU s"


def _rebalance(found: Figures) -> str:
    return "a partition waits at most: " + ", ".join(
        f"{one['most_sec']:.1f} s ({one['name']})" for one in found["phases"]
    )


def _pieces(found: Figures) -> str:
    us = {name: one["median"] for name, one in found["us_per_event"].items()}
    return (
        f"{us['the whole']:.1f} us CPU an event in one lane without Kafka; msgspec alone {us['msgspec alone']:.1f} us"
    )


def _peers(found: Figures) -> str:
    each = ", ".join(f"{one['name']} {one['per_cpu_sec']:,}" for one in found["lines"])
    return f"events per CPU s: {each}; the others do the sums alone"


def _burn(found: Figures) -> str:
    tick = found["tick_busy_ms"]
    return f"a tick with {found['entities']:,} entities: {tick['median']:.1f} ms, 95 of 100 within {tick['p95']:.1f} ms"


def _sink(found: Figures) -> str:
    return "rows/s: " + ", ".join(
        f"{one['rows_per_sec']:,} with {one['looked_up']:.0%} looked up" for one in found["loads"]
    )


def _query(found: Figures) -> str:
    slowest = max(found["answers"], key=lambda one: one["median_ms"])
    stored = found["bytes_per_row"]["usage_events_store"]
    return (
        f"{len(found['answers'])} questions over {found['rows']:,} calls, the slowest {slowest['median_ms']:.0f} ms"
        f" ({slowest['name']}); {stored:.0f} bytes a call"
    )


def _end_to_end(found: Figures) -> str:
    highest = found["highest_per_sec"]
    borne = f"{highest:,.0f} events/s are borne" if highest else "no rate that was tried is borne"
    return f"{borne}; {found['limits']} limits"


def _memory(found: Figures) -> str:
    own = [one for one in found["processes"] if one["name"] != "sending"]
    idle, most = (sum(one[name] for one in own) for name in ("idle_mib", "most_mib"))
    return f"{len(own)} processes: {idle:,.0f} MiB idle, {most:,.0f} MiB at most"


def _latency(found: Figures) -> str:
    (half,) = [one for one in found["stages"] if one["share"] == 0.5]
    p50, p99 = half["alert"]["p50_sec"], half["alert"]["p99_sec"]
    row = half["row"]["p99_sec"]
    return f"at {half['sent_per_sec']:,.0f} events/s to the alert: p50 {p50} s, p99 {p99} s; to the row: p99 {row} s"


def _anomalies(found: Figures) -> str:
    told = [] if found["series"] is None else [f"NAB {found['series']['at_half']['nab_score']:.1f}"]
    for one in found["measured"]:
        if one["measure"] == "recall" and one["kind"] in {"spike", "loop", "leak"}:
            told.append(f"{one['name']} {one['kind']} {one['in_time_ratio']:.0%}")
        if one["measure"] == "cost":
            told.append(f"{one['keys']:,} keys: {one['mean_ms']:.1f} ms a minute")
    last = next((one for one in reversed(found["measured"]) if one["measure"] == "quiet"), None)
    return ", ".join([*told, *([] if last is None else [f"{last['per_day']:.1f} false alerts a day ({last['name']})"])])


LINES: Mapping[str, Callable[[Figures], str]] = {
    "rating": _rating,
    "rating-pieces": _pieces,
    "rebalance": _rebalance,
    "peers": _peers,
    "end-to-end": _end_to_end,
    "latency": _latency,
    "memory": _memory,
    "burn": _burn,
    "sink": _sink,
    "query": _query,
    "anomalies": _anomalies,
}


TOLD_ELSEWHERE = frozenset(("anomalies", "waste"))
"""Benchmarks of how well something is found, not of how fast; pages of their own tell them."""


def table_of(folder: Path) -> str:
    """The last results in a folder as a table; of a benchmark without one nothing."""
    lines = []
    for name, line in LINES.items():
        file = folder / f"{name}.json"
        if file.exists():
            result = json.loads(file.read_text())
            when = f"{result['at'][:10]}, {result['machine']['load_1m']}"
            command = result["command"].removeprefix("burnline ")
            lines.append((f"`{command}`", when, line(result["figures"])))
    return as_table(HEAD, lines)


def with_table(text: str, table: str) -> str:
    """The document with this table between its two marks. Raises: ValueError: it has not both."""
    before, begins, rest = text.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not (begins and ends):
        raise ValueError(f"no table goes there: the lines {BEGINS.strip()} and {ENDS.strip()} are missing")
    return f"{before}{BEGINS}{table}{ENDS}{after}"


def main() -> int:
    """The README has the table of the last results."""
    readme = REPOSITORY / "README.md"
    readme.write_text(with_table(readme.read_text(), table_of(REPOSITORY / "bench")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
