"""The bench against peers: their job is the true one, a wrong result is noticed, and their programs stand alone."""

import ast
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.bench import peer_programs
from deploy.bench.latency_load import company
from deploy.bench.peer_programs.job import new_state, rolled
from deploy.bench.peers import Line
from deploy.bench.peers_job import SPREAD_US, Truth, events, rates_of
from deploy.cli.bench_peers import HEAD, lines
from deploy.price_explained import explained
from schemas.periods import micros
from streams.rating.price_rules import Prices
from streams.rating.prices import PriceBook

NOW = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
MINUTE = 60_000_000


@given(st.lists(st.tuples(st.integers(0, 40 * MINUTE), st.integers(0, 10**9)), min_size=1, max_size=30))
def test_windows_of_the_peers_job_are_sums_over_their_cells(spends: list[tuple[int, int]]) -> None:
    """After each spend both windows hold what a sum over all spends in their cells says."""
    truth, state, at_us = Truth({}, {"team/a": []}), new_state(), micros(NOW)
    for step_us, pico in spends:
        at_us += step_us
        truth.spent["team/a"].append((at_us, pico))
        assert truth.at("team/a", at_us) == rolled(state, at_us, pico)


def test_the_peers_are_handed_the_price_that_rating_finds() -> None:
    """What a call costs at the rates handed over is what `burnline price` says, to the pico-USD."""
    book, templates = PriceBook(), company("acme").templates
    some = list(events(templates, 40, end=NOW, run="t"))
    assert (some[0].at_us, some[-1].at_us) == (micros(NOW) - SPREAD_US, micros(NOW))
    truth = Truth(rates_of(templates, now=NOW, book=book))
    truth.add(some)
    teams = [key for key in truth.spent if key.startswith("team/")]
    found = sum(pico for key in teams for _at, pico in truth.spent[key])
    told = list(explained([json.loads(one.value) for one in some], Prices(book), now=NOW))
    assert sum(Decimal(one["cost_usd"] or 0) for one in told) == Decimal(found) / 10**12


def test_a_wrong_a_missing_and_an_invented_result_are_noticed() -> None:
    """One pico-USD too many, a key of which nothing was said, and one that never spent are told, each by its name."""
    at_us = micros(NOW)
    truth = Truth({}, {"team/a": [(at_us, 5)], "team/b": [(at_us, 7)]})
    assert truth.differences({"team/a": (at_us, 5, 5), "team/b": (at_us, 7, 7)}) == []
    wrong = truth.differences({"team/a": (at_us, 5, 6), "team/c": (at_us, 0, 0)})
    assert [line.split(" ")[0].rstrip(":") for line in wrong] == ["team/b", "team/c", "team/a"]


@pytest.mark.parametrize("program", sorted(Path(peer_programs.__file__).parent.glob("*.py")), ids=lambda one: one.name)
def test_a_peers_program_needs_nothing_of_ours(program: Path) -> None:
    """It imports no room beside its own folder: its environment has none of our packages."""
    rooms = ("schemas", "producers", "streams", "sinks", "deploy")
    nodes = list(ast.walk(ast.parse(program.read_text())))
    imports = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    imports += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    ours = [name for name in imports if name.split(".")[0] in rooms]
    assert {*ours} <= {"deploy.bench.peer_programs.job"}


def test_the_table_names_each_system_and_its_processes() -> None:
    """A row per system and per process of ours, each as wide as the head."""
    line = Line(
        name="Burnline", version="", events=10, cpu_us=[3.0, 1.0], cpu_us_median=2.0, per_cpu_sec=500_000,
        per_sec_median=10, by_process={"rating": 1.5, "burn": 0.5}, keys_compared=4, note="all",
    )  # fmt: skip
    table = lines([line])
    assert [row[0] for row in table] == ["Burnline", "... rating", "... burn"]
    assert {len(row) for row in table} == {len(HEAD)}
    assert table[0][2] == "1.0 to 3.0"
