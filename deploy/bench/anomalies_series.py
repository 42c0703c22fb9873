"""The default detector on a folder of labelled series in the format of the Numenta Anomaly Benchmark."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from deploy.backtest_series import FLAG_SCORE, Row, scored, series_rows
from deploy.bench.anomalies_nab import Found, Labelled, best_nab_score, nab_score, probation_rows
from deploy.bench.anomalies_vus import vus_pr
from producers.files import FileLines
from schemas.errors import InputError

_TOGETHER_ROWS = 100
_VUS_ROWS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series of a category, scored."""

    category: str
    name: str
    labelled: Labelled


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesLine:
    """A category, or all: NAB's score at the default threshold, events found and falsely told, VUS-PR.

    precision, recall: of events, where flagged rows less than 100 apart are one event.
    """

    category: str
    series: int
    windows: int
    detected: int
    false_rows: int
    nab_score: float | None
    precision: float | None
    recall: float | None
    vus_pr: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesResult:
    """All lines; the best threshold's score, and that of thresholds chosen without the category that they judge."""

    lines: Sequence[SeriesLine]
    at_half: Found
    best: Found
    left_out_score: float


def measured(folder: Path, *, only: Sequence[str] = ()) -> SeriesResult:
    """The result on a folder with `windows.json` and `data/CATEGORY/NAME.csv`; `only` of these categories.

    Raises: InputError: the folder has no labels, or a series cannot be read.
    """
    series = read(folder, only=only)
    categories = sorted({one.category for one in series})
    lines = [_line(name, [one for one in series if one.category == name]) for name in categories]
    labelled = [one.labelled for one in series]
    return SeriesResult(
        lines=[*lines, _line("all", series)],
        at_half=nab_score(labelled, threshold=FLAG_SCORE),
        best=best_nab_score(labelled),
        left_out_score=_left_out(series, categories),
    )


def read(folder: Path, *, only: Sequence[str] = ()) -> list[Series]:
    """Every series that the labels name, scored row by row.

    Raises: InputError: as `measured`.
    """
    labels = folder / "windows.json"
    try:
        windows = json.loads(labels.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the labels {labels}: {error}") from error
    found = []
    for name, spans in sorted(windows.items()):
        if only and name.partition("/")[0] not in only:
            continue
        rows = list(series_rows(FileLines(folder / "data" / name)))
        scores = np.array([score for _, score in scored(rows)])
        labelled = Labelled(scores, [place for span in spans if (place := _place(rows, span)) is not None])
        found.append(Series(category=name.partition("/")[0], name=name, labelled=labelled))
    return found


def _place(rows: Sequence[Row], span: Sequence[str]) -> tuple[int, int] | None:
    first, last = (datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in span)
    inside = [at for at, row in enumerate(rows) if first <= row.at_sec <= last]
    return (inside[0], inside[-1]) if inside else None


def _line(category: str, series: Sequence[Series]) -> SeriesLine:
    labelled = [one.labelled for one in series]
    windows = sum(len(one.windows) for one in labelled)
    events, true = (sum(counts) for counts in zip(*map(_events, labelled), strict=True))
    found = nab_score(labelled, threshold=FLAG_SCORE) if windows else None
    false_rows = sum(_false_rows(one) for one in labelled)
    vus = [vus_pr(one.scores, one.windows, most_width=_VUS_ROWS) for one in labelled if one.windows]
    return SeriesLine(
        category=category,
        series=len(series),
        windows=windows,
        detected=found.detected if found else 0,
        false_rows=false_rows,
        nab_score=found.nab_score if found else None,
        precision=true / events if events else None,
        recall=found.detected / windows if found else None,
        vus_pr=float(np.mean(vus)) if vus else None,
    )


def _flagged(one: Labelled) -> list[int]:
    first = probation_rows(len(one.scores))
    return [int(row) for row in np.flatnonzero(one.scores >= FLAG_SCORE) if row >= first]


def _false_rows(one: Labelled) -> int:
    return sum(not any(left <= row <= right for left, right in one.windows) for row in _flagged(one))


def _events(one: Labelled) -> tuple[int, int]:
    """How many events were told, and how many of them touch a window."""
    flagged = _flagged(one)
    starts = [row for before, row in pairwise([-_TOGETHER_ROWS, *flagged]) if row - before >= _TOGETHER_ROWS]
    spans = [[row for row in flagged if start <= row < end] for start, end in pairwise([*starts, len(one.scores)])]
    return len(spans), sum(any(left <= row <= right for row in span for left, right in one.windows) for span in spans)


def _left_out(series: Sequence[Series], categories: Iterable[str]) -> float:
    """The score when each category is judged by the threshold that is best for all the others."""
    total, windows = 0.0, 0
    for name in categories:
        inside = [one.labelled for one in series if one.category == name]
        count = sum(len(one.windows) for one in inside)
        others = [one.labelled for one in series if one.category != name]
        if count and any(one.windows for one in others):
            threshold = best_nab_score(others).threshold
            total, windows = total + nab_score(inside, threshold=threshold).nab_score * count, windows + count
    return total / windows if windows else 0.0
