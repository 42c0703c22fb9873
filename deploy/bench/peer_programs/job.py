"""The job of all peers: rolling spend per team, user and model over 5 minutes and 1 hour, from an event's JSON.

Written to be cheap, since it stands in for what a good programmer would write in an agent or operator: integers of
pico-USD, sums that are kept and not added up anew, and the widths of cells that Burnline's windows have.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

CELL_SEC = (10, 150)
CELLS = (31, 25)
"""Cells that overlap the last 5 minutes and the last hour: 300 / 10 + 1 and 3600 / 150 + 1."""
KINDS = ("team", "user", "model")
LEAVES = (
    "input_cache_read_tokens", "input_cache_write_5m_tokens", "input_cache_write_30m_tokens",
    "input_cache_write_1h_tokens", "output_reasoning_tokens",
)  # fmt: skip
"""Parts of the inclusive counts, in the order of a model's rates; before them uncached input and plain output."""
Spend = tuple[str, int, int]
State = list[list[int]]


@dataclass(slots=True)
class Run:
    """What a program was asked to do, and what it measures: CPU from the first event to the last result."""

    topic: str
    bootstrap_servers: str
    folder: str
    events: int
    outputs: int
    rates: dict[str, list[int]]
    seen: int = 0
    last: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    began: tuple[float, float] = (0.0, 0.0)

    def begin(self) -> None:
        """The first event is at hand: from here on everything counts."""
        self.began = (time.process_time(), time.perf_counter())

    def said(self, key: str, at_us: int, five_min: int, hour: int) -> None:
        """A result; after the last one it is all written down and the process ends at once."""
        self.last[key] = (at_us, five_min, hour)
        self.seen += 1
        if self.seen == self.outputs:
            cpu_sec, wall_sec = time.process_time() - self.began[0], time.perf_counter() - self.began[1]
            told = {"cpu_sec": cpu_sec, "wall_sec": wall_sec, "last": self.last}
            Path(self.folder, "result.json").write_text(json.dumps(told))
            os._exit(0)


def asked() -> Run:
    """What the environment asks for: a path in `PEER_JOB`."""
    return Run(**json.loads(Path(os.environ["PEER_JOB"]).read_text()))


def spends_of(event: Mapping[str, Any], rates: Mapping[str, list[int]]) -> list[Spend]:
    """Who spent, when (microseconds since 1970) and how many pico-USD; a model without a rate costs nothing."""
    data = event["data"]
    at_us = round(datetime.fromisoformat(event["time"]).timestamp() * 1_000_000)
    pico = price(data, rates.get(data["model"]))
    return [(f"{kind}/{data[kind]}", at_us, pico) for kind in KINDS if kind in data]


def price(data: Mapping[str, Any], rate: list[int] | None) -> int:
    """Pico-USD of a call: each leaf of its tokens times its own rate."""
    if rate is None:
        return 0
    read, write_5m, write_30m, write_1h, reasoning = (int(data.get(leaf, 0)) for leaf in LEAVES)
    uncached = int(data["input_tokens"]) - read - write_5m - write_30m - write_1h
    text = int(data["output_tokens"]) - reasoning
    return (
        uncached * rate[0]
        + text * rate[1]
        + read * rate[2]
        + write_5m * rate[3]
        + write_30m * rate[4]
        + write_1h * rate[5]
        + reasoning * rate[6]
    )


def new_state() -> State:
    """Both windows of a key that has spent nothing: newest cell, sum, and the cells in turn."""
    return [[0, 0, *([0] * cells)] for cells in CELLS]


def rolled(state: State, at_us: int, pico: int) -> tuple[int, int]:
    """The spend of the last 5 minutes and of the last hour, with this one in it."""
    for ring, cell_sec, cells in zip(state, CELL_SEC, CELLS, strict=True):
        cell = at_us // (cell_sec * 1_000_000)
        newest = ring[0]
        if cell > newest:
            for passed in range(max(newest + 1, cell - cells + 1), cell + 1):
                place = 2 + passed % cells
                ring[1] -= ring[place]
                ring[place] = 0
            ring[0] = cell
        if cell > ring[0] - cells:
            ring[2 + cell % cells] += pico
            ring[1] += pico
    return state[0][1], state[1][1]
