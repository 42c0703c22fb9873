"""The bench of the detectors: its scorers agree with published facts, and its short form runs on any machine."""

import json
from pathlib import Path

import numpy as np
import pytest

from deploy.bench.anomalies import Quiet, Recall, on_company, on_servegen
from deploy.bench.anomalies_nab import Labelled, best_nab_score, nab_score, probation_rows, row_values, sigma
from deploy.bench.anomalies_series import measured
from deploy.bench.anomalies_servegen import Folder, folders, plants
from deploy.bench.anomalies_strangers import thefts
from deploy.bench.anomalies_vus import vus_pr
from deploy.bench.last_results import LINES
from deploy.cli import main
from schemas.errors import InputError

SHARED = Path(__file__).parents[3] / "shared" / "data"
WINDOW = (500, 599)


def flagged_at(*rows: int) -> Labelled:
    """A series of 1,000 rows with one window, flagged at these."""
    scores = np.zeros(1000)
    scores[list(rows)] = 1.0
    return Labelled(scores, [WINDOW])


def nab(*rows: int) -> float:
    """The score of flags at these rows."""
    return nab_score([flagged_at(*rows)], threshold=0.5).nab_score


def test_silence_scores_0_and_perfection_100() -> None:
    """The null detector and the perfect one, as published."""
    assert nab() == 0
    assert nab(500) == pytest.approx(100)
    assert best_nab_score([flagged_at(500)]).threshold == 1


def test_the_scaled_sigmoid_is_the_published_one() -> None:
    """At 0 nothing, one window before nearly 1, three windows after and beyond nearly -1."""
    assert sigma(0) == 0
    assert sigma(-1) == pytest.approx(0.98661, abs=1e-5)
    assert sigma(3) == pytest.approx(-1, abs=1e-6)
    assert sigma(3.1) == -1


def test_a_flag_is_worth_less_the_later_and_costs_more_the_further_away() -> None:
    """In a window from 1 to nearly 0; behind it from nothing to -0.11; before the first -0.11 at once."""
    values = row_values(1000, [WINDOW])
    assert values[500] == pytest.approx(1)
    assert values[599] == pytest.approx(sigma(-0.01) / sigma(-1))
    assert (np.diff(values[500:600]) < 0).all()
    assert values[600] == pytest.approx(0.11 * sigma(1 / 99))
    assert (np.diff(values[600:]) <= 0).all()
    assert values[0] == values[499] == -0.11


def test_only_the_earliest_flag_of_a_window_counts_and_every_one_outside() -> None:
    """A second flag inside changes nothing; each outside costs, but for those of the probation."""
    assert nab(500, 520) == nab(500)
    assert nab(520) < nab(500)
    assert nab(500, 400, 401) == pytest.approx(nab(500) - 2 * 0.11 * 50)
    assert probation_rows(1000) == 150
    assert probation_rows(10_000) == 750
    assert nab(500, 149) == nab(500)
    assert nab(500, 150) < nab(500)


def test_the_best_threshold_is_at_least_as_good_as_any() -> None:
    """Of random scores the best threshold's score is that of trying all of them."""
    scores = np.random.default_rng(1).random(1000).round(2)
    series = [Labelled(scores, [(300, 330), WINDOW]), Labelled(scores[::-1], [(200, 260)])]
    tried = [nab_score(series, threshold=threshold).nab_score for threshold in np.unique(scores)]
    assert best_nab_score(series).nab_score == pytest.approx(max([0.0, *tried]))
    with pytest.raises(ValueError, match="no series has"):
        best_nab_score([Labelled(scores, [])])


def test_vus_is_1_for_perfection_and_the_share_of_anomalies_for_a_constant() -> None:
    """Scores that are the labels have the whole volume, scores that say nothing about the share of the window."""
    labels = np.zeros(1000)
    labels[500:600] = 1
    assert vus_pr(labels, [WINDOW], most_width=0) == pytest.approx(1)
    assert vus_pr(np.zeros(1000), [WINDOW], most_width=0) == pytest.approx(0.1)
    assert vus_pr(labels, [WINDOW], most_width=40) > vus_pr(1 - labels, [WINDOW], most_width=40)
    with pytest.raises(ValueError, match="without a window"):
        vus_pr(labels, [], most_width=10)


def test_labelled_series_are_measured_by_category(tmp_path: Path) -> None:
    """A spike in its window is found; the folder without labels is refused."""
    (tmp_path / "data" / "made").mkdir(parents=True)
    values = [str(10 + place % 7) for place in range(600)]
    values[450] = "90"
    lines = [f"2026-01-{1 + row // 24:02} {row % 24:02}:00:00,{value}" for row, value in enumerate(values)]
    (tmp_path / "data" / "made" / "a.csv").write_text("timestamp,value\n" + "\n".join(lines) + "\n")
    with pytest.raises(InputError, match="cannot read the labels"):
        measured(tmp_path)
    window = [lines[row].partition(",")[0] for row in (448, 470)]
    (tmp_path / "windows.json").write_text(json.dumps({"made/a.csv": [window]}))
    made, together = measured(tmp_path).lines
    assert (made.category, made.detected, made.recall) == ("made", 1, 1.0)
    assert together.nab_score == made.nab_score


@pytest.mark.skipif(not SHARED.exists(), reason="the development data is not on this machine")
def test_the_development_series_score_what_is_required() -> None:
    """Two categories (the short form of the bench): at 0.5 more than the 56 that are asked of the whole."""
    result = measured(SHARED / "nab", only=["artificialWithAnomaly", "realAdExchange"])
    assert [line.series for line in result.lines] == [3, 3, 6]
    assert result.at_half.nab_score >= 56


def test_the_command_prints_tables_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each measure has its table for a person, and the same numbers for a script."""
    (tmp_path / "chunk-0-trace.csv").write_text("".join(f"{at * 600},0.5,1,,0,0\n" for at in range(40)))
    for arguments in (["--keys", "50", "--days", "1"], ["--keys", "0", "--json"]):
        kept = tmp_path / "kept"
        words = ["--servegen", str(tmp_path), *arguments, "--save", str(kept)]
        monkeypatch.setattr("sys.argv", ["burnline", "bench", "anomalies", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        out = capsys.readouterr().out
        table, result = (kept / "anomalies.md").read_text(), json.loads((kept / "anomalies.json").read_text())
        assert "| 95 % in 3 min |" in table
        assert str(tmp_path) not in result["command"]
        assert "spike" in LINES["anomalies"](result["figures"])
        if "--json" in arguments:
            told = json.loads(out)["measured"]
            assert [one["measure"] for one in told if one["measure"] != "recall"] == ["quiet", "quiet"]
            assert {one["kind"] for one in told if one["measure"] == "recall"} == {"spike", "loop", "stranger"}
        else:
            assert "nothing planted" in out
            assert "50 keys:" in out


def steady(clients: int, days: int) -> Folder:
    """Clients of half a dollar a minute, as even as a service."""
    noise = np.random.default_rng(1).normal(0, 0.2, (clients, days * 1440))
    return Folder("steady", [str(place) for place in range(clients)], (0.5 * np.exp(noise)).astype(np.float32))


@pytest.mark.parametrize(("days", "kinds"), [(3, {"spike", "loop", "silence"}), (7, {"leak"})])
def test_what_is_planted_in_even_spending_is_found_in_time(days: int, kinds: set[str]) -> None:
    """The short form of the bench: each kind is told in its time; of what is as it always is nothing is told."""
    quiet, *told = on_servegen(steady(2, days), kinds=kinds)
    assert isinstance(quiet, Quiet)
    assert quiet.flags == {}
    assert {one.kind: one.in_time_ratio for one in told if isinstance(one, Recall)} == dict.fromkeys(kinds, 1)


def test_newcomers_that_run_away_are_told_and_as_they_are_not() -> None:
    """Six clients of one size, each forgotten in turn."""
    _, quiet, told = on_servegen(steady(6, 2), kinds={"newcomer"})
    assert isinstance(quiet, Quiet)
    assert isinstance(told, Recall)
    assert (quiet.flags, told.planted, told.in_time_ratio) == ({"spike": 0}, 6, 1)


def test_thefts_are_told_and_migrations_are_not() -> None:
    """Of clients that change models and regions on their own nothing is told but the thefts."""
    found = thefts(steady(2, 2), each=3)
    assert found.false_flags == 0
    assert len(found.told_after_min) == found.thefts == 6


def test_a_company_in_order_is_left_alone() -> None:
    """A day of 1,000 keys: no more false alerts than are asked for, at a cost that is known."""
    quiet, cost = on_company(1000, days=1)
    assert quiet.per_day <= 10
    assert (cost.keys, cost.ticks) == (1000, 1440)
    assert cost.bytes_per_key <= 512


@pytest.mark.skipif(not SHARED.exists(), reason="the development data is not on this machine")
def test_minutes_and_plants_of_a_folder_are_the_same_each_time() -> None:
    """One seed: the same minutes, the same plants; requests of a client are kept on average."""
    (first, *_), (again, *_) = folders(SHARED / "servegen" / "reason"), folders(SHARED / "servegen" / "reason")
    assert (first.usd == again.usd).all()
    assert [one.start_min for one in plants(first, "spike", each=2)] == [
        one.start_min for one in plants(again, "spike", each=2)
    ]
