"""`burnline bench anomalies`: how well the detectors find what is planted, and how often they cry wolf.

Four measurements: labelled series (anomalies_series), ServeGen's clients as they are and with anomalies planted in
copies (anomalies_servegen), a company in which nothing is wrong (anomalies_company), and what a minute of it costs.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deploy.bench import anomalies_company
from deploy.bench.anomalies_newcomers import newcomers
from deploy.bench.anomalies_servegen import Folder, Plant, plants
from deploy.bench.anomalies_strangers import thefts
from streams.anomalies.detector import new_detector
from streams.anomalies.flags import Flag
from streams.anomalies.rules import Rules

WITHIN_MIN = {"spike": 3, "loop": 3, "leak": 2127, "silence": 1440, "stranger": 10, "newcomer": 3}
"""How soon each kind should be told; a leak of 3 %/h: 12 h after it has doubled (ln 2 / ln 1.03 = 23.4 h)."""
_EACH = {"spike": 8, "loop": 4, "leak": 1, "silence": 2}
_WEEK_MIN = 10_080


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Flags where nothing was planted: by kind, per week of a key, and per day of all."""

    name: str
    keys: int
    days: float
    flags: dict[str, int]
    per_key_week: float
    per_day: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Of `planted` anomalies (in copies of so many clients) this share was told in time; the median in minutes.

    left_out: planted where the client had an open alert already, so that nothing new was to be told.
    """

    name: str
    kind: str
    clients: int
    planted: int
    left_out: int
    within_min: int
    in_time_ratio: float
    in_an_hour_ratio: float
    median_min: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU time of the detectors per minute of a company, mean and 99th percentile, and memory per key."""

    keys: int
    ticks: int
    mean_ms: float
    p99_ms: float
    bytes_per_key: int


@dataclass(frozen=True, slots=True)
class _Natural:
    flags: list[Flag]
    margins: Sequence[float]
    opened: npt.NDArray[np.bool_]


def on_servegen(
    folder: Folder, rules: Rules | None = None, *, kinds: Collection[str] = WITHIN_MIN
) -> Iterator[Quiet | Recall]:
    """The false flags of a folder's clients as they are, then what is found of what is planted in copies of them."""
    found = _as_it_is(folder, rules)
    keys, minutes = folder.usd.shape
    yield _quiet(folder.name, found.flags, keys=keys, minutes=minutes)
    for kind, each in ((kind, each) for kind, each in _EACH.items() if kind in kinds):
        planted = list(plants(folder, kind, each=each))
        free = [one for one in planted if not found.opened[one.row, one.start_min - 1]]
        if free:
            told = _told(folder, free, found.margins)
            after = [told.get(place, np.inf) for place in range(len(free))]
            yield _recall(
                folder.name, kind, after, keys=len({one.row for one in free}), left_out=len(planted) - len(free)
            )
    if "newcomer" in kinds:
        yield from _newcomers(folder)
    if "stranger" in kinds:
        yield from _strangers(folder)


def _newcomers(folder: Folder) -> Iterator[Quiet | Recall]:
    new = newcomers(folder)
    if not new.after_min:
        return
    yield Quiet(
        name=f"{folder.name}, each as a newcomer",
        keys=new.clients,
        days=new.watched_min / 1440 / new.clients,
        flags={"spike": new.told_falsely},
        per_key_week=new.told_falsely / new.watched_min * _WEEK_MIN,
        per_day=new.told_falsely / new.watched_min * 1440 * new.clients,
    )
    yield _recall(folder.name, "newcomer", new.after_min, keys=len(new.after_min), left_out=0)


def _strangers(folder: Folder) -> Iterator[Quiet | Recall]:
    keys, minutes = folder.usd.shape
    stolen = thefts(folder, each=3)
    yield Quiet(
        name=f"{folder.name}, models and regions",
        keys=keys,
        days=minutes / 1440,
        flags={"stranger": stolen.false_flags},
        per_key_week=stolen.false_flags / stolen.key_weeks,
        per_day=stolen.false_flags / stolen.key_weeks * keys / 7,
    )
    after = [*map(float, stolen.told_after_min), *[np.inf] * (stolen.thefts - len(stolen.told_after_min))]
    yield _recall(folder.name, "stranger", after, keys=keys, left_out=0)


def on_company(keys: int, rules: Rules | None = None, *, days: int) -> tuple[Quiet, Cost]:
    """The false flags of a company of so many keys, and what a minute of it costs."""
    company = anomalies_company.company(keys)
    detector = new_detector(company.teams, rules)
    flags: list[Flag] = []
    took = []
    for at_min, usd in enumerate(anomalies_company.minutes(company, days=days), start=1):
        began = time.process_time()
        flags += detector.minute(usd, at_min=at_min)
        took.append((time.process_time() - began) * 1000)
    cost = Cost(
        keys=keys,
        ticks=len(took),
        mean_ms=float(np.mean(took)),
        p99_ms=float(np.quantile(took, 0.99)),
        bytes_per_key=detector.page.bytes_per_row(),
    )
    return _quiet("company", flags, keys=keys, minutes=len(took)), cost


def _as_it_is(folder: Folder, rules: Rules | None) -> _Natural:
    detector = new_detector(np.zeros(len(folder.usd), np.int64), rules)
    flags: list[Flag] = []
    margins, opened = [], np.zeros(folder.usd.shape, np.bool_)
    for place, usd in enumerate(np.ascontiguousarray(folder.usd.T)):
        margins.append(detector.thresholds[0].margin)
        flags += detector.minute(usd, at_min=place + 1)
        opened[:, place] = detector.page.opened_min > 0
    return _Natural(flags, margins, opened)


def _told(folder: Folder, planted: Sequence[Plant], margins: Sequence[float]) -> dict[int, int]:
    """After how many minutes each plant was told first, by its place; thresholds are those without plants."""
    rows = np.array([one.row for one in planted])
    usd = np.ascontiguousarray(folder.usd[rows].T)
    for place, one in enumerate(planted):
        usd[one.start_min :, place] = one.usd
    # Copies that are silent together would be a holiday of their parent.
    own_parents = planted[0].kind == "silence"
    detector = new_detector(np.arange(len(planted)) if own_parents else np.zeros(len(planted), np.int64))
    found: dict[int, int] = {}
    for minute, (spent, margin) in enumerate(zip(usd, margins, strict=True)):
        detector.thresholds[0].margin = margin
        for flag in detector.minute(spent, at_min=minute + 1):
            one = planted[flag.row]
            if minute >= one.start_min and (one.kind == "silence") == (flag.kind == "silence"):
                found.setdefault(flag.row, minute + 1 - one.start_min)
    return found


def _quiet(name: str, flags: Sequence[Flag], *, keys: int, minutes: int) -> Quiet:
    weeks = keys * minutes / _WEEK_MIN
    return Quiet(
        name=name,
        keys=keys,
        days=minutes / 1440,
        flags=dict(Counter(flag.kind for flag in flags)),
        per_key_week=len(flags) / weeks,
        per_day=len(flags) / minutes * 1440,
    )


def _recall(name: str, kind: str, after_min: Sequence[float], *, keys: int, left_out: int) -> Recall:
    within, after = WITHIN_MIN[kind], np.array(after_min)
    middle = float(np.median(after))
    return Recall(
        name=name,
        kind=kind,
        clients=keys,
        planted=len(after),
        left_out=left_out,
        within_min=within,
        in_time_ratio=float((after <= within).mean()),
        in_an_hour_ratio=float((after <= 60).mean()),
        median_min=middle if np.isfinite(middle) else None,
    )
