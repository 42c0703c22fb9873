"""The bench of the forecast: it reads folders of traces, measures days and weeks, and refuses what it cannot read."""

import json
from pathlib import Path

import pytest

from deploy.bench.forecast import measured, series_of_folder
from deploy.cli import main
from producers.servegen.trace import find_clients
from schemas.errors import InputError

SERVEGEN = Path(__file__).parents[3] / "shared/data/servegen"


def trace(folder: Path, name: str, rates: list[float], *, step_sec: int = 600) -> Path:
    """A trace of these rates."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-trace.csv"
    file.write_text("".join(f"{place * step_sec},{rate},0,,0,0\n" for place, rate in enumerate(rates)))
    return file


def test_each_group_has_its_days_and_weeks(tmp_path: Path) -> None:
    """Two weeks are measured by day and by week, a day by day; silent clients and half days make no line."""
    trace(tmp_path / "long", "chunk-0", [0.5] * 144 * 14)
    trace(tmp_path / "long", "chunk-1", [0.0] * 144 * 14)
    trace(tmp_path / "short", "chunk-0", [0.1, 0.2] * 72)
    trace(tmp_path / "half", "chunk-0", [0.1, 0.2] * 36)
    lines = list(measured(series_of_folder(tmp_path)))
    told = [(line.group, line.period, line.series, line.silent, line.score.cases) for line in lines]
    assert told == [
        ("long", "day", 1, 1, 19 * 14),
        ("long", "week", 1, 1, 19 * 2),
        ("short", "day", 1, 0, 19),
        ("all", "day and week", 2, 1, 19 * 17),
    ]


def test_clients_are_read_by_number_with_their_requests(tmp_path: Path) -> None:
    """Requests are the rate times the window, and clients come as 2, 10 and not as 10, 2."""
    trace(tmp_path, "chunk-10", [1.0])
    trace(tmp_path, "chunk-2", [0.5, 0.0], step_sec=300)
    (tmp_path / "chunk-2-dataset.json").write_text("{}")
    told = [(client.name, client.requests, client.has_dataset) for client in find_clients(tmp_path)]
    assert told == [("chunk-2", (150.0, 0.0), True), ("chunk-10", (600.0,), False)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("0,1\n", "row 1: the row has 2 of 6 columns"),
        ("a,b,0,,0,0\n", "does not begin with two numbers"),
        ("0,-1,0,,0,0\n", "the rate is '-1'"),
        ("0,nan,0,,0,0\n", "the rate is 'nan'"),
        ("0.5,1,0,,0,0\n", "not at a whole second"),
        ("0,1,0,,0,0\n600,1,0,,0,0\n1800,1,0,,0,0\n", "not of one length: 600, 1200 s"),
        ("0,1,0,,0,0\n0,1,0,,0,0\n", "not of one length"),
    ],
)
def test_what_is_no_trace_is_refused(tmp_path: Path, content: str, said: str) -> None:
    """A hole is not zero, and a row that cannot be read is not passed over: the sentence names file and row."""
    (tmp_path / "chunk-0-trace.csv").write_text(content)
    with pytest.raises(InputError, match=said):
        find_clients(tmp_path)


def test_a_folder_without_traces_is_refused(tmp_path: Path) -> None:
    """A folder that holds none says what names are looked for; so does a client that is not there."""
    with pytest.raises(InputError, match=r"holds no files named \*-trace\.csv"):
        series_of_folder(tmp_path)
    trace(tmp_path, "chunk-0", [1.0])
    with pytest.raises(InputError, match="has no client chunk-3"):
        series_of_folder(tmp_path, only=["0", "3"])
    with pytest.raises(InputError, match="nothing can be measured"):
        list(measured(series_of_folder(tmp_path)))


def test_the_command_prints_a_table_or_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line per group and period for a person, and the same as JSON."""
    trace(tmp_path / "one", "chunk-0", [0.1, 0.2] * 72)
    for arguments in ([], ["--json"]):
        monkeypatch.setattr("sys.argv", ["burnline", "bench", "forecast", "--series", str(tmp_path), *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    table, _, document = capsys.readouterr().out.partition("{")
    assert "covered" in table
    lines = json.loads("{" + document)["lines"]
    assert [(line["group"], line["score"]["cases"]) for line in lines] == [("one", 19), ("all", 19)]


@pytest.mark.skipif(not SERVEGEN.exists(), reason="the ServeGen series are not beside this checkout (shared/data)")
def test_the_real_series_are_covered_and_better_than_a_line() -> None:
    """On the day-long series of a reasoning model: 70 to 90 % within the band, a fifth better than the linear rule."""
    told = list(measured(series_of_folder(SERVEGEN / "reason")))[-1].score
    assert 0.7 <= told.coverage_ratio <= 0.9
    assert told.pinball_to_linear_ratio is not None
    assert told.pinball_to_linear_ratio <= 0.8
