"""The bench of burn: its load is what rating sends, its figures are of a lane that knows all, its table names goals."""

import json
from pathlib import Path

import numpy as np

from deploy.bench.burn import measured, new_lane
from deploy.bench.burn_load import NOBODY, Load
from deploy.bench.burn_memory import Case, Memory, taken
from deploy.bench.burn_told import HEAD, lines
from deploy.bench.record import as_table, kept, result_of, this_machine
from streams.burn.deltas import deltas_of


def test_a_load_is_one_row_per_key_in_order() -> None:
    """Each entity, each user's budget, the organisation and its budget have one row; keys ascend, as rating sends."""
    batch = Load().say(1_795_338_000_000_000, np.arange(40))
    deltas = deltas_of(batch.records[0])
    assert deltas is not None
    assert len(deltas) == len(deltas.keys) == 40 + 10 + 2
    assert deltas.keys == sorted(deltas.keys)
    assert deltas_of(Load().say(1_795_338_000_000_000, NOBODY).records[0]) is None


def test_what_was_used_within_a_day_stands_in_windows() -> None:
    """Entities and users' budgets have a row each, beside the organisation and its own; a fresh lane has none."""
    assert taken("used within a day", 240).window_rows == 240 + 1 + 60 + 1
    assert len(new_lane().state.entities) == 0


def test_figures_are_of_a_lane_that_knows_all_and_are_kept_with_their_machine(tmp_path: Path) -> None:
    """All are active, rates are said; the folder has the figures as JSON and as a table that names the goals."""
    found = measured(200, seconds=6, replayed_sec=5)
    assert (found.entities, found.budget_members, found.replayed_messages) == (200, 50 + 1, 20)
    assert found.rates_entities_per_min > 0
    memory: dict[Case, Memory] = {"active": taken("active", 200)}
    assert memory["active"].window_rows == 200 + 1 + 50 + 1
    table = lines(found, memory)
    assert [line[-1] for line in table if line[-1]] == ["<= 50 ms", "<= 10 s", "<= 4 KiB each"]
    kept(tmp_path, "burn", result_of("burnline bench burn", this_machine(), {"a": 1}), as_table(HEAD, table))
    result = json.loads((tmp_path / "burn.json").read_text())
    assert result["figures"] == {"a": 1}
    assert result["machine"]["cores"] > 0
    assert (tmp_path / "burn.md").read_text().startswith("`burnline bench burn`")
