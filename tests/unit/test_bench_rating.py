"""The bench of rating: its load is what its docstring says, its steps are rating's own, its table names the whole."""

import json
from dataclasses import asdict

import msgspec
import pytest

from deploy.bench.last_results import LINES
from deploy.bench.rating_load import Load, World, world
from deploy.bench.rating_pieces import DECODE, REST, WHOLE, measured, new_lane, spread_of
from deploy.bench.rating_worker import Worked
from deploy.cli.bench_rating import PIECES_HEAD, WORKED_HEAD, line_of, lines_of_pieces, numbers
from schemas.errors import InputError
from schemas.internal import from_arrow_bytes

EVENTS = 400


@pytest.fixture(scope="module")
def company() -> World:
    """The company, made once."""
    return world("common")


def test_a_load_is_full_events_with_copies_all_of_which_rating_takes(company: World) -> None:
    """No dead letter, two of a hundred are copies, all are priced, and both halves of the directory are at work."""
    assert 600 < company.mean_bytes() < 750
    lane, load = new_lane(company), Load(company)
    results = [lane.step(load.batch(EVENTS)) for _ in range(2)]
    outputs = [output for result in results for output in result.outputs]
    assert not [output for output in outputs if output.topic == "usage.dead_letters"]
    rows = [row for one in outputs if one.topic == "internal.rated" for row in from_arrow_bytes(one.value).to_pylist()]
    assert len(rows) + lane.copies_dropped == 2 * EVENTS
    assert 0.005 * EVENTS < lane.copies_dropped < 0.08 * EVENTS
    assert {row["pricing_status"] for row in rows} <= {"priced", "gateway_cache_hit", "no_usage", "unpriced_model"}
    assert {bool(row["cost_center"]) for row in rows} == {True}


def test_a_load_has_as_many_names_as_it_was_told(company: World) -> None:
    """Users, agents and keys end in numbers below `entities`, models in numbers below `models`."""
    values = [value for _, value in Load(company, entities=5, models=3).events(EVENTS)]
    told = [json.loads(value)["data"] for value in values]
    assert {data["credential"].rpartition("-")[2] for data in told} == set("01234")
    assert {data["model"].rpartition("-")[2] for data in told} == set("012")
    assert msgspec.json.decode(values[0])["id"] == "b-0000000000"


def test_steps_are_told_beside_the_whole(company: World) -> None:
    """Every step has its spread over the batches; the table has a row for each, and its share of the whole."""
    found = measured(company, batch=50, batches=2)
    assert {DECODE, WHOLE, REST, "decode", "sums"} <= found.us_per_event.keys()
    table = lines_of_pieces(found)
    assert {len(line) for line in table} == {len(PIECES_HEAD)}
    assert next(line for line in table if line[0] == WHOLE)[-1] == "100%"
    assert found.per_cpu_sec() == round(1e6 / found.us_per_event[WHOLE].median)


def test_workers_are_a_line_each() -> None:
    """As wide as the head; a spread is microseconds of one event."""
    spread = spread_of([1.0, 3.0, 2.0], 1_000_000)
    assert (spread.median, spread.least, spread.most) == (2.0, 1.0, 3.0)
    found = Worked(
        workers=2, events=10, rounds=3, event_bytes=690.0, us_per_event=spread, user_us=spread, system_us=spread,
        per_cpu_sec=500_000, per_wall_sec=10, busiest_worker_share=0.5,
    )  # fmt: skip
    assert len(line_of(found)) == len(WORKED_HEAD)
    assert LINES["rating"]({"runs": [asdict(found)]}).startswith("2 workers: 2.0 us")


@pytest.mark.parametrize("text", ["", "0", "5", "1,,2", "two", "1,²"])
def test_a_number_of_workers_that_cannot_be_is_refused(text: str) -> None:
    """There are four partitions; the sentence shows how to write it."""
    with pytest.raises(InputError, match="like 1,2,4"):
        numbers(text)
    assert numbers("1, 2,4") == [1, 2, 4]
