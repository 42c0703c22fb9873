"""`burnline backtest --series`: a CSV file of `timestamp,value` with the default detector's score beside each row.

The rows come out in their order and as they were written; a row is scored by the rows before it and itself.
"""

import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite, nan
from pathlib import Path
from typing import IO

from deploy.whole_files import whole_file
from producers.files import FileLines, TextLines
from schemas.errors import InputError
from streams.anomalies.series import SeriesDetector

FLAG_SCORE = 0.5
_MISSING = frozenset({"", "nan", "null", "none", "na", "n/a", "inf", "-inf", "+inf", "infinity", "-infinity"})
_MILLISECONDS_FROM = 1e11


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was written, its time in seconds from 1970, and its value; NaN where it is missing."""

    timestamp: str
    value_text: str
    at_sec: float
    value: float


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows were scored, how many of them had no value, and how many scored as anomalies."""

    rows: int
    missing: int
    flagged: int


def series_rows(source: TextLines) -> Iterator[Row]:
    """The rows of the file; its first line names the columns `timestamp` and `value`, others are passed over.

    Times are ISO 8601 (UTC where they name no zone), or seconds or milliseconds from 1970. An empty value, NaN, NA,
    null or an infinite one is missing.

    Raises: InputError: there is no such head, or a row has no time or something else than a number for a value.
    """
    rows = _cells(source)
    head = [name.strip().removeprefix("\ufeff").lower() for name in next(rows, [])]
    if "timestamp" not in head or "value" not in head:
        found = ", ".join(head)[:80] or "nothing"
        raise InputError(f"{source.name}: the first line must name the columns timestamp and value; it names {found}")
    at, of = head.index("timestamp"), head.index("value")
    for number, cells in enumerate(rows, start=2):
        if not any(cells):
            continue
        if len(cells) <= max(at, of):
            raise InputError(f"{source.name}: row {number} has {len(cells)} of {len(head)} columns")
        timestamp, text = cells[at].strip(), cells[of].strip()
        try:
            yield Row(timestamp, text, _at_sec(timestamp), _value(text))
        except ValueError as error:
            raise InputError(f"{source.name}: row {number}: {error}") from None


def scored(rows: Iterable[Row]) -> Iterator[tuple[Row, float]]:
    """Each row with its score, 0 to 1, as soon as it comes."""
    detector = SeriesDetector()
    for row in rows:
        yield row, detector.score(row.at_sec, row.value)


def write_scores(series: Path, scores: Path | None) -> Written:
    """The file `scores` (standard output where there is none) holds `timestamp,value,anomaly_score`; whole, or not.

    Raises: InputError: the series cannot be read or the scores cannot be written.
    """
    count = missing = flagged = 0
    try:
        with _target(scores) as file:
            file.write(b"timestamp,value,anomaly_score\n")
            for row, score in scored(series_rows(FileLines(series))):
                file.write(f"{row.timestamp},{row.value_text},{score:.9f}\n".encode())
                count, missing = count + 1, missing + (not isfinite(row.value))
                flagged += score >= FLAG_SCORE
    except OSError as error:
        raise InputError(f"{scores or 'standard output'}: {error.strerror or error}") from error
    return Written(count, missing, flagged)


@contextmanager
def _target(scores: Path | None) -> Iterator[IO[bytes]]:
    if scores is not None:
        with whole_file(scores) as file:
            yield file
        return
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


def _cells(source: TextLines) -> Iterator[list[str]]:
    try:
        yield from csv.reader(source.lines())
    except csv.Error as error:
        raise InputError(f"{source.name} is no CSV file: {error}") from error


def _at_sec(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text[:40]!r} is no time; write 2026-11-22 09:00:00 or seconds from 1970") from None
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    if not isfinite(number) or "_" in text:
        raise ValueError(f"{text[:40]!r} is no time; write 2026-11-22 09:00:00 or seconds from 1970")
    return number / 1000 if abs(number) >= _MILLISECONDS_FROM else number


def _value(text: str) -> float:
    if text.lower() in _MISSING:
        return nan
    try:
        number = float(text) if "_" not in text else None
    except ValueError:
        number = None
    if number is None:
        raise ValueError(f"{text[:40]!r} is no number")
    return number
