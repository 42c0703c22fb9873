"""`burnline backtest --series`: which files it reads, what it writes, and what it refuses."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from deploy.backtest_series import Row, scored, series_rows, write_scores
from schemas.errors import InputError
from streams.anomalies.series import QUIET_ROWS

SHARED = Path(__file__).parents[3] / "shared" / "data" / "nab" / "data"
HEAD = "timestamp,value\n"


class Lines:
    """Lines in memory, as a file gives them."""

    def __init__(self, text: str) -> None:
        self.name = "a.csv"
        self._text = text

    def lines(self) -> Iterator[str]:
        """Every line with its end."""
        return iter(self._text.splitlines(keepends=True))


def read(text: str) -> list[Row]:
    """The rows of a file with this text."""
    return list(series_rows(Lines(text)))


def scores_of(values: Sequence[float], *, step_sec: float = 300) -> list[float]:
    """The scores of values that come one by one."""
    rows = [Row("", "", at * step_sec, value) for at, value in enumerate(values)]
    return [score for _, score in scored(rows)]


def wave(rows: int) -> list[float]:
    """Days of 288 values with a shape, and noise that anyone can repeat."""
    return [10 + 5 * math.sin(at / 288 * math.tau) + math.sin(at * 12.9898) for at in range(rows)]


def test_rows_come_out_as_they_went_in(tmp_path: Path) -> None:
    """Time and value are written as they stood, with a score from 0 to 1, one line per row."""
    lines = [f"2026-01-01 00:{minute:02},{minute}.50" for minute in range(60)]
    (tmp_path / "a.csv").write_text(HEAD + "\n".join(lines) + "\n")
    written = write_scores(tmp_path / "a.csv", tmp_path / "b.csv")
    out = (tmp_path / "b.csv").read_text().splitlines()
    assert (written.rows, out[0]) == (60, "timestamp,value,anomaly_score")
    assert [line.rpartition(",")[0] for line in out[1:]] == lines
    assert all(0 <= float(line.rpartition(",")[2]) <= 1 for line in out[1:])
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.csv", "b.csv"]


def test_times_are_read_in_every_usual_spelling() -> None:
    """ISO 8601 with and without zone, seconds and milliseconds from 1970; columns by name, in any order."""
    spelt = ["2026-01-01 00:00:00", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "1767225600", "1767225600000"]
    assert {row.at_sec for row in read(HEAD + "".join(f"{one},1\n" for one in spelt))} == {1_767_225_600.0}
    assert read("\ufeffValue,note,Timestamp\n7,x,1767225600\n")[0].value == 7.0


@pytest.mark.parametrize("text", ["", "NaN", "null", "NA", "inf", "-Infinity"])
def test_what_is_missing_is_no_zero(text: str) -> None:
    """A row without a value scores 0 and changes no other score."""
    (missing,) = read(f"{HEAD}2026-01-01,{text}\n")
    assert not math.isfinite(missing.value)
    values = wave(1000)
    with_gap = scores_of([*values[:500], missing.value, *values[500:]], step_sec=0)
    assert with_gap[500] == 0
    assert max(with_gap[501:]) == pytest.approx(max(scores_of(values, step_sec=0)[500:]), abs=0.02)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a.csv: the first line must name the columns timestamp and value; it names nothing"),
        ("time,value\n", "a.csv: the first line must name the columns timestamp and value; it names time, value"),
        (f"{HEAD}2026-01-01\n", "a.csv: row 2 has 1 of 2 columns"),
        (f"{HEAD}2026-01-01,1\nsoon,2\n", "a.csv: row 3: 'soon' is no time; write 2026-11-22 09:00:00 or seconds"),
        (f"{HEAD}2026-01-01,many\n", "a.csv: row 2: 'many' is no number"),
        (f"{HEAD}2026-01-01,1_000\n", "a.csv: row 2: '1_000' is no number"),
        (f"{HEAD}1_000,1\n", "a.csv: row 2: '1_000' is no time"),
        (f"{HEAD}nan,1\n", "a.csv: row 2: 'nan' is no time"),
        (f'{HEAD}2026-01-01,"{"1" * 200_000}"\n', "a.csv is no CSV file: field larger than field limit"),
    ],
)
def test_a_file_that_is_no_series_is_refused_by_its_row(text: str, told: str) -> None:
    """The sentence names the file, the row and what stands there."""
    with pytest.raises(InputError) as refused:
        read(text)
    assert told in str(refused.value)


def test_a_refused_file_leaves_the_old_scores(tmp_path: Path) -> None:
    """What stood under the name of the scores is untouched, and nothing lies beside it."""
    (tmp_path / "a.csv").write_text(f"{HEAD}2026-01-01,1\n2026-01-02,x\n")
    (tmp_path / "b.csv").write_text("old")
    with pytest.raises(InputError, match="'x' is no number"):
        write_scores(tmp_path / "a.csv", tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(InputError, match="cannot read"):
        write_scores(tmp_path / "none.csv", None)
    with pytest.raises(InputError, match="No such file"):
        write_scores(tmp_path / "a.csv", tmp_path / "none" / "b.csv")


def test_nothing_is_strange_in_what_never_changes() -> None:
    """A constant, one row, no row: no score reaches a half; nor does a noise of days alike, after its first day."""
    assert max(scores_of([5.0] * 3000)) < 0.5
    assert scores_of([3.0]) == [0.0]
    assert scores_of([]) == []
    assert max(scores_of(wave(4000))[600:]) < 0.5


@pytest.mark.parametrize(
    ("change", "within_rows"),
    [
        (lambda values: [8 * value for value in values], 1),
        (lambda values: [0.0 for _ in values], 3),
        (lambda values: [-value for value in values], 1),
        (lambda values: [sum(values) / len(values) for _ in values], 60),
        (lambda values: [value + 0.03 * at for at, value in enumerate(values)], 288),
    ],
    ids=["spike", "silence", "negative", "flat", "leak"],
)
def test_each_kind_of_strange_is_found_at_once_and_said_once(change: object, within_rows: int) -> None:
    """A day after two weeks of days alike is changed: its anomaly is told within so many rows, and not at each row."""
    values = wave(288 * 15)
    start = 288 * 14 + 60
    assert callable(change)
    values[start:] = change(values[start:])
    flagged = [row for row, score in enumerate(scores_of(values)) if score >= 0.5 and row >= 600]
    assert start <= flagged[0] < start + within_rows
    assert sum(after - before < QUIET_ROWS for before, after in pairwise(flagged)) <= 5


@pytest.mark.skipif(not SHARED.exists(), reason="the development data is not on this machine")
def test_a_prefix_of_each_development_series_has_the_same_scores() -> None:
    """No row's score knows what comes after it: each file is cut off, and nothing before the cut changes."""
    for file in sorted(SHARED.rglob("*.csv")):
        lines = file.read_text().splitlines(keepends=True)[:702]
        whole = [score for _, score in scored(series_rows(Lines("".join(lines))))]
        cut = [score for _, score in scored(series_rows(Lines("".join(lines[:452]))))]
        assert whole[:451] == cut, file.name
