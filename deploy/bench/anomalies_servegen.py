"""ServeGen's clients as minutes of spending, with anomalies planted in copies of them. Pure but for reading the folder.

ServeGen says requests per ten minutes and how uneven they came; minutes are drawn from that (gamma-mixed Poisson), and
what a request costs too (a cent on average, gamma with variance 1.7). Everything comes from one seed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt

from producers.dialect import Skipped
from producers.files import FileLines
from producers.servegen.trace import find_clients, read_windows
from streams.anomalies.page import F32, Rows
from streams.anomalies.rules import Rules

REQUEST_USD = 0.01
_REQUEST_VARIANCE = 1.7
PLANTED_MIN = 60
_AROUND_MIN = 10
_LEAK_NEEDS_MIN = 7 * 1440
_AT_WORK, _STEADY = 0.8, 0.6
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Folder:
    """The clients of a folder as USD per minute, a row each, all equally long."""

    name: str
    clients: Sequence[str]
    usd: F32


@dataclass(frozen=True, slots=True)
class Plant:
    """An anomaly in a copy of a client's row: from `start_min` on, `usd` is what the row spends instead."""

    kind: str
    row: int
    start_min: int
    usd: F32


def folders(path: Path) -> list[Folder]:
    """Each folder of the trace, by name.

    Raises: InputError: there is no trace, or a file is none.
    """
    rows: dict[str, dict[str, F32]] = {}
    for client in find_clients(path):
        file = next(path.rglob(f"{client.folder}/{client.name}-trace.csv"), path / f"{client.name}-trace.csv")
        variation = _variation(file)
        dice = np.random.default_rng(crc32(f"{client.folder}/{client.name}".encode()))
        rows.setdefault(client.folder, {})[client.name] = _minutes(client.requests, variation, dice)
    return [Folder(name, list(found), np.stack(list(found.values()))) for name, found in sorted(rows.items())]


def _variation(file: Path) -> Floats:
    windows = read_windows(enumerate(FileLines(file).lines(), start=1))
    return np.array([float(window.content.split(",")[2]) for window in windows if not isinstance(window, Skipped)])


def _minutes(requests: Sequence[float], variation: Floats, dice: np.random.Generator) -> F32:
    mean = np.repeat(np.array(requests) / 10, 10)
    extra = np.repeat(np.maximum(variation**2 - 1, 0), 10)
    mixed = dice.gamma(np.maximum(mean, 1e-9) / np.maximum(extra, 1e-9)) * extra
    calls = dice.poisson(np.where(extra > 0, mixed, mean))
    cost = dice.gamma(np.maximum(calls, 1) / _REQUEST_VARIANCE) * _REQUEST_VARIANCE * REQUEST_USD
    return np.where(calls > 0, cost, 0).astype(np.float32)


def plants(folder: Folder, kind: str, *, each: int, seed: int = 1) -> Iterator[Plant]:
    """Up to `each` of a kind per client, at times at which it can be told: known for long enough, and dear enough."""
    dice = np.random.default_rng(seed)
    for row, usd in enumerate(folder.usd):
        starts = _starts(usd, kind)
        chosen = dice.choice(starts, size=min(each, len(starts)), replace=False)
        for start in sorted(chosen.tolist()):
            yield Plant(kind, row, start, _planted(usd, kind, start))


def _starts(usd: F32, kind: str) -> Rows:
    """Minutes at which this client can be struck."""
    rules, active = Rules(), (usd > 0).astype(np.float32)
    at = np.arange(len(usd))
    hourly = _before(usd, 60) * 60
    if kind == "leak":
        may = (
            (at == len(usd) // 2)
            & (len(usd) >= _LEAK_NEEDS_MIN)
            & (_before(usd, 1440) * 60 >= rules.least_excess_usd_per_hour)
        )
    elif kind == "silence":
        week = min(3 * 1440, len(usd) // 2)
        may = (_before(active, week) > _STEADY) & (hourly >= rules.least_excess_usd_per_hour)
        may &= (at > week) & (at < len(usd) - 1440)
    else:
        may = (np.cumsum(active) > rules.least_active_minutes) & (at < len(usd) - PLANTED_MIN)
        may &= hourly * 7 >= 2 * rules.least_excess_usd_per_hour
        if kind == "spike":
            may &= _before(active, _AROUND_MIN) >= _AT_WORK
            may &= np.append(_before(active, _AROUND_MIN)[_AROUND_MIN:], np.zeros(_AROUND_MIN)) >= _AT_WORK
    found: Rows = at[may]
    return found


def _before(values: F32, minutes: int) -> Floats:
    """The mean of the minutes before each."""
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    at = np.arange(len(values))
    mean: Floats = (total[at] - total[np.maximum(at - minutes, 0)]) / minutes
    return mean


def _planted(usd: F32, kind: str, start: int) -> F32:
    found = usd[start:].copy()
    if kind == "leak":
        found *= (1.03 ** (np.arange(len(found)) / 60)).astype(np.float32)
    elif kind == "silence":
        found[:] = 0
    elif kind == "spike":
        found[:PLANTED_MIN] *= 8
    else:
        before = usd[max(start - 1440, 0) : start]
        usual = float(np.median(before[before > 0])) if (before > 0).any() else REQUEST_USD
        found[:PLANTED_MIN] += np.float32(8 * usual) * (1 + np.arange(PLANTED_MIN, dtype=np.float32) / 30)
    return found
