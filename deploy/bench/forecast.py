"""`burnline bench forecast`: how good the forecast is, on any folder in ServeGen's format or on made-up series."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from deploy.bench.made_up_series import made_up
from producers.servegen.trace import Client, find_clients
from schemas.errors import InputError
from streams.forecast import History
from streams.forecast.scoring import Case, Score, cases, score

START = datetime(2026, 1, 5, tzinfo=UTC)
"""Where the series are put: a Monday; ServeGen says no date."""
_DAY_SEC = 86_400
_PERIOD_DAYS = {"day": 1, "week": 7}
_WEEK_NEEDS_DAYS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A named series of a group; `history` holds all of it."""

    group: str
    name: str
    history: History

    def days(self) -> float:
        """How long it is."""
        return len(self.history.amounts) * self.history.bucket_sec / _DAY_SEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the result; `silent` series have no spend and so no forecast."""

    group: str
    period: str
    series: int
    silent: int
    score: Score


def measured(series: Sequence[Series], *, on_progress: Callable[[int, int], None] | None = None) -> Iterator[Line]:
    """A line per group and length of period, then one for all together: days, and weeks of series of two or more.

    Raises: InputError: no series is as long as a day, or none has spend.
    """
    by_line: dict[tuple[str, str], dict[str, list[Case]]] = {}
    for place, one in enumerate(series):
        for period, days in _PERIOD_DAYS.items():
            if one.days() >= (_WEEK_NEEDS_DAYS if period == "week" else days):
                buckets = days * _DAY_SEC // one.history.bucket_sec
                found = list(cases(one.history, period_buckets=buckets))
                by_line.setdefault((one.group, period), {})[one.name] = found
        if on_progress is not None:
            on_progress(place + 1, len(series))
    together: dict[str, list[Case]] = {}
    for (group, _), of_group in by_line.items():
        for name, found in of_group.items():
            together.setdefault(f"{group}/{name}", []).extend(found)
    if not any(together.values()):
        raise InputError("no series is as long as a day and has spend; nothing can be measured")
    for (group, period), of_series in [*by_line.items(), (("all", "day and week"), together)]:
        told = score(case for found in of_series.values() for case in found)
        if told is not None:
            silent = sum(not found for found in of_series.values())
            yield Line(group=group, period=period, series=len(of_series) - silent, silent=silent, score=told)


def series_of_folder(path: Path, *, only: Sequence[str] = ()) -> list[Series]:
    """The requests per window of every client of the folder, or of those named: `0` or `chunk-0`.

    Raises: InputError: the folder holds no such traces, or a named client is not there.
    """
    wanted = {name if not name.isdigit() else f"chunk-{name}" for name in only}
    clients = find_clients(path)
    missing = wanted - {client.name for client in clients}
    if missing:
        raise InputError(f"{path} has no client {', '.join(sorted(missing))}")
    return [_series(client) for client in clients if not wanted or client.name in wanted]


def series_made_up() -> list[Series]:
    """Made-up series, each a group of its own."""
    return [
        Series(group=name, name=name, history=History(start=START, bucket_sec=600, amounts=amounts))
        for name, amounts in made_up().items()
    ]


def _series(client: Client) -> Series:
    amounts = np.array(client.requests)
    history = History(start=START, bucket_sec=client.window_sec, amounts=amounts)
    return Series(group=client.folder, name=client.name, history=history)


def as_json(lines: Sequence[Line]) -> list[Mapping[str, Any]]:
    """The lines as plain values."""
    return [{**asdict(line), "score": asdict(line.score)} for line in lines]
