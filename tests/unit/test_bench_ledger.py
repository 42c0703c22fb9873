"""The benches of the ledger: their rows are rating's, each a call of its own; their tables say what misses its goal."""

from datetime import UTC, datetime, timedelta

import pytest

from deploy.bench.ledger import DAYS, Column, fresh_rows, rated_day
from deploy.bench.query import QUESTIONS, Answer
from deploy.bench.query import Figures as QueryFigures
from deploy.bench.sink import Figures as SinkFigures
from deploy.bench.sink import Load
from deploy.cli.bench_ledger import QUERY_HEAD, SINK_HEAD, query_lines, sink_lines, size_lines
from schemas.internal import RATED_SCHEMA

NOW = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)


def test_the_load_of_the_sink_is_rated_and_each_row_a_call_of_its_own() -> None:
    """Rows have rating's schema and prices, other ids than all before, and as many are looked up as were asked for."""
    day = rated_day("acme")
    assert day.schema.equals(RATED_SCHEMA)
    assert len(day) > 1000
    assert not any(day["maybe_duplicate"].to_pylist() + day["astray"].to_pylist())
    assert day["cost_usd"].null_count < len(day) / 10
    first, second = (
        fresh_rows(day, first=at, count=2000, end=NOW, looked_up=share) for at, share in ((0, 0), (2000, 1))
    )
    assert len({*first["id"].to_pylist(), *second["id"].to_pylist()}) == 4000
    assert (sum(first["maybe_duplicate"].to_pylist()), sum(second["maybe_duplicate"].to_pylist())) == (0, 2000)
    assert NOW - timedelta(days=DAYS) < min(second["ts"].to_pylist()) < max(second["ts"].to_pylist()) <= NOW
    assert max(first["ts"].to_pylist()) == NOW


@pytest.mark.parametrize("took_ms", [100.0, 100.1])
def test_an_answer_that_takes_longer_than_it_may_says_why(took_ms: float) -> None:
    """At its limit nothing is to be explained; above it, the reason stands beside the figure."""
    answer = Answer(
        name="all",
        rows=1,
        first_ms=1,
        median_ms=took_ms,
        least_ms=1,
        most_ms=900,
        may_take_ms=100,
        why="reads each event",
    )
    columns = [Column(table="usage_events_store", name="id", bytes_on_disk=190, per_row=19.0)]
    found = QueryFigures(
        rows=10, fill_rows_per_sec=1, fill_cpu_us_per_row=1, bytes_per_row={"usage_events_store": 99.0},
        columns=columns, answers=[answer],
    )  # fmt: skip
    (line,) = query_lines(found)
    assert line[-1] == ("reads each event" if took_ms > 100 else "")
    assert len(line) == len(QUERY_HEAD)
    assert size_lines(found) == [("usage_events_store (at most 100, goal 60)", "99.0"), ("... id", "19.00")]


def test_every_question_that_may_be_slow_has_its_reason() -> None:
    """A whole view, or whatever reads events, says why; team by day may take 20 ms."""
    assert QUESTIONS[0].most_ms == 20
    for question in QUESTIONS:
        assert question.why or "usage_events AS v" not in question.sql or "event_id =" in question.sql
        assert question.why or "all of it" not in question.name


def test_the_table_of_the_sink_has_a_line_per_load() -> None:
    """Only the load without look-ups has a goal."""
    loads = [
        Load(looked_up=share, rows=10, rows_per_sec=5, sink_cpu_us=1.0, store_cpu_us=2.0, kafka_bytes=90.0)
        for share in (0.0, 1.0)
    ]
    table = sink_lines(SinkFigures(stored_rows=1000, loads=loads))
    assert [row[0] for row in table] == ["0% among 1,000", "100% among 1,000"]
    assert [row[-1] for row in table] == [">= 50,000 rows/s", ""]
    assert {len(row) for row in table} == {len(SINK_HEAD)}
