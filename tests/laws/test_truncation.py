"""No score and no flag of the development series changes when what comes later is cut off.

The two shortest series; all of them with `BURNLINE_LAW_EXAMPLES=31 pytest tests/laws/test_truncation.py`.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from deploy.backtest_series import series_rows, write_scores
from producers.files import FileLines
from streams.anomalies.detector import new_detector
from streams.anomalies.flags import Flag

DATA = Path(__file__).parents[3] / "shared" / "data" / "nab" / "data"
EXAMPLES = int(os.environ.get("BURNLINE_LAW_EXAMPLES", "2"))
SERIES = sorted(DATA.rglob("*.csv"), key=lambda path: (path.stat().st_size, path.name))[:EXAMPLES]
KNOWN = 100
"""So many rows are never cut off; the unit of the spending that a series is taken for comes from them."""


def cuts(path: Path, rows: int) -> list[int]:
    """Where the series is cut: near its end, and at a place of its own."""
    own = int(np.random.default_rng(len(path.name)).integers(KNOWN, rows))
    return [own, rows - 1]


def flags(values: list[float]) -> list[Flag]:
    """What the detectors tell of somebody who spends such amounts, minute by minute."""
    unit = 1 + float(np.median(np.abs(values[:KNOWN])))
    detector = new_detector(np.zeros(1, np.int64))
    told = []
    for at_min, value in enumerate(values, start=1):
        told += detector.minute(np.array([abs(value) / unit], np.float32), at_min=at_min)
    return told


@pytest.mark.skipif(not DATA.exists(), reason="the development data is not on this machine")
@pytest.mark.parametrize("path", SERIES, ids=lambda path: path.stem)
def test_what_is_cut_off_changes_nothing_before_it(path: Path, tmp_path: Path) -> None:
    """The file of scores begins with that of the prefix, byte for byte; the detectors tell the same up to there."""
    write_scores(path, tmp_path / "whole.csv")
    whole = (tmp_path / "whole.csv").read_bytes()
    lines = path.read_bytes().splitlines(keepends=True)
    values = [row.value for row in series_rows(FileLines(path))]
    told = flags(values)
    for cut in cuts(path, len(values)):
        (tmp_path / "cut.csv").write_bytes(b"".join(lines[: cut + 1]))
        written = write_scores(tmp_path / "cut.csv", tmp_path / "scores.csv")
        assert written.rows == cut
        assert whole.startswith((tmp_path / "scores.csv").read_bytes())
        assert flags(values[:cut]) == [flag for flag in told if flag.at_min <= cut]
