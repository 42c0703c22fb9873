"""The job for Bytewax: a Kafka source, a flat map, a stateful map by key; recovery off, as it is unless configured.

Source: https://docs.bytewax.io/ (stateful_map, KafkaSource; 2026-11).
"""

from typing import Any

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from deploy.bench.peer_programs.job import State, asked, new_state, rolled, spends_of

RUN = asked()
Result = tuple[str, tuple[int, int, int]]


class _Partition(StatelessSinkPartition[Result]):  # type: ignore[misc]  # the package is in an environment of its own
    def write_batch(self, items: list[Result]) -> None:
        for key, (at_us, five_min, hour) in items:
            RUN.said(key, at_us, five_min, hour)


class _Results(DynamicSink[Result]):  # type: ignore[misc]  # the package is in an environment of its own
    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> _Partition:
        return _Partition()


_taken = 0


def _spends(message: Any) -> list[tuple[str, tuple[int, int]]]:  # noqa: ANN401  the package is in an environment of its own
    global _taken  # noqa: PLW0603  a count of this process
    if _taken == 0:
        RUN.begin()
    if _taken >= RUN.events:
        return []
    _taken += 1
    return [(key, (at_us, pico)) for key, at_us, pico in spends_of(orjson.loads(message.value), RUN.rates)]


def _rolled(state: State | None, spend: tuple[int, int]) -> tuple[State, tuple[int, int, int]]:
    kept = new_state() if state is None else state
    return kept, (spend[0], *rolled(kept, *spend))


def main() -> None:
    """Runs until all results are there."""
    flow = Dataflow("peers")
    source = KafkaSource([RUN.bootstrap_servers], [RUN.topic], batch_size=1000)
    spends = op.flat_map("spends", op.input("events", flow, source), _spends)
    op.output("results", op.stateful_map("rolling", spends, _rolled), _Results())
    run_main(flow)


if __name__ == "__main__":
    main()
