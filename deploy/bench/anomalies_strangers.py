"""Stolen keys: ServeGen's clients with models and regions made up around them, as they are and with a thief beside.

A client calls two of 30 models in one of 8 regions. What is new without a theft: on average every five days another
model (a migration), every ten days another region (an expansion), and in one minute of 500 a failover to the region
beside. The thief calls a model and a region that the client never used, ten times a minute, until told or for an hour.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import numpy.typing as npt

from deploy.bench.anomalies_servegen import REQUEST_USD, Folder
from streams.anomalies import strangers
from streams.anomalies.page import F32, U64, Page, Rows, new_page
from streams.anomalies.rules import Rules

_MODELS, _REGIONS = 30, 8
_MIGRATION_MIN, _EXPANSION_MIN, _FAILOVER_SHARE = 5 * 1440, 10 * 1440, 0.002
_CALLS_A_MIN = 10
_LASTS_MIN = 60
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thefts:
    """Flags of clients from whom nothing was stolen, and of thefts: how many, and after how many minutes told."""

    false_flags: int
    key_weeks: float
    thefts: int
    told_after_min: list[int]


def codes(kind: str, count: int) -> U64:
    """The code from 0 to 63 of each name of a kind, as a hash of the name gives it."""
    return np.array([crc32(f"{kind}-{place}".encode()) % 64 for place in range(count)], np.uint64)


def thefts(folder: Folder, *, each: int, seed: int = 3) -> Thefts:
    """What is told of the clients, each of whom is robbed `each` times at random minutes after it is known."""
    dice = np.random.default_rng(seed)
    rules, models, regions = Rules(), codes("model", _MODELS), codes("region", _REGIONS)
    rows = np.repeat(np.arange(len(folder.usd)), each + 1)
    starts = np.array([_start(folder.usd[row], dice, rules) for row in rows])
    starts[:: each + 1] = -1
    page, false_flags = new_page(len(rows)), 0
    told: dict[int, int] = {}
    for minute, model, region, usd in _minutes(folder.usd[rows], dice):
        active = np.flatnonzero(usd > 0)
        page.active_minutes[active] += 1
        robbed = np.flatnonzero((starts >= 0) & (minute >= starts) & (minute < starts + _LASTS_MIN))
        stolen = _unused(page, robbed, models, regions, dice)
        flags = strangers.add_minute(
            page,
            np.concatenate([active, robbed]),
            np.concatenate([models[model[active]], models[stolen[0]]]),
            np.concatenate([regions[region[active]], regions[stolen[1]]]),
            np.concatenate([usd[active], np.full(len(robbed), _CALLS_A_MIN * REQUEST_USD, np.float32)]),
            rules,
            at_min=minute + 1,
        )
        for flag in flags:
            if 0 <= starts[flag.row] <= minute < starts[flag.row] + _LASTS_MIN:
                told.setdefault(flag.row, minute + 1 - int(starts[flag.row]))
                starts[flag.row] = -2
            else:
                false_flags += 1
    weeks = len(rows) * folder.usd.shape[1] / (7 * 1440)
    count = int((starts >= 0).sum()) + len(told)
    return Thefts(false_flags=false_flags, key_weeks=weeks, thefts=count, told_after_min=sorted(told.values()))


def _start(usd: F32, dice: np.random.Generator, rules: Rules) -> int:
    known = np.flatnonzero(np.cumsum(usd > 0) > rules.least_active_minutes)
    return int(dice.choice(known)) if len(known) > _LASTS_MIN else -1


def _minutes(usd: F32, dice: np.random.Generator) -> Iterator[tuple[int, Ints, Ints, F32]]:
    """Each minute with the model and the region that each row calls in it, and what it spends."""
    rows = len(usd)
    mains = dice.integers(0, _MODELS, (2, rows))
    home = dice.integers(0, _REGIONS, rows)
    for minute, spent in enumerate(usd.T):
        migrates = dice.random(rows) < 1 / _MIGRATION_MIN
        mains[0, migrates] = dice.integers(0, _MODELS, migrates.sum())
        expands = dice.random(rows) < 1 / _EXPANSION_MIN
        home[expands] = dice.integers(0, _REGIONS, expands.sum())
        fails = dice.random(rows) < _FAILOVER_SHARE
        region = np.where(fails, (home + 1) % _REGIONS, home)
        yield minute, np.where(dice.random(rows) < 0.3, mains[1], mains[0]), region, spent


def _unused(page: Page, rows: Rows, models: U64, regions: U64, dice: np.random.Generator) -> tuple[Ints, Ints]:
    """A model and a region for each row that it has not called, as far as there is one."""
    free = [
        [np.flatnonzero((seen[row] >> of) & np.uint64(1) == 0) for row in rows]
        for seen, of in ((page.models, models), (page.regions, regions))
    ]
    first = [[int(one[0]) if len(one) else int(dice.integers(0, _REGIONS)) for one in kind] for kind in free]
    return np.array(first[0], np.int64), np.array(first[1], np.int64)
