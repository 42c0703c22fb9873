"""A company of as many keys as asked for, minute by minute, in which nothing is wrong. Pure; one seed.

Who there is (shares of the keys; USD per active minute, log-normal over keys): people (85 %, 0.02) who come and go in
sessions at office hours, in five time zones, a tenth of them at weekends; agents (8 %, 0.05) that run at any hour, in
short runs; batch jobs (5 %, 0.20), an hour each night at an hour of their own, on some weekdays only; services (2 %,
0.50), always on, busier by day. Within a key minutes differ by a log-normal factor; one in 500 is ten times as dear.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.anomalies.page import F32, Rows

MINUTES_A_DAY = 1440
_KEYS_A_TEAM = 100
_SHARES = (0.85, 0.08, 0.05, 0.02)
_USUAL_USD = np.array([0.02, 0.05, 0.20, 0.50])
_STARTS_A_MIN = np.array([1 / 60, 1 / 90, 0.0, 0.0])
_ENDS_A_MIN = np.array([1 / 15, 1 / 5, 0.0, 0.0])
_SPREAD = np.array([0.8, 1.0, 0.5, 0.4])
_DEAR_SHARE, _DEAR_TIMES = 0.002, 10.0
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Company:
    """The keys: team of each, what it is, what it costs, and where its day begins."""

    teams: Rows
    kind: Ints
    usual_usd: F32
    spread: F32
    zone_min: Ints
    batch_min: Ints
    batch_weekday: Ints
    weekends: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self.teams)


def company(keys: int, *, seed: int = 1) -> Company:
    """A company of so many keys."""
    dice = np.random.default_rng(seed)
    kind = dice.choice(4, size=keys, p=_SHARES)
    return Company(
        teams=np.arange(keys) // _KEYS_A_TEAM,
        kind=kind,
        usual_usd=(_USUAL_USD[kind] * np.exp(dice.normal(0, 1, keys))).astype(np.float32),
        spread=_SPREAD[kind].astype(np.float32),
        zone_min=dice.choice([-480, -300, 0, 60, 330], size=keys),
        batch_min=dice.integers(0, 480, keys),
        batch_weekday=dice.integers(0, 2**7, keys) | 1,
        weekends=dice.random(keys) < 0.1,
    )


def minutes(of: Company, *, days: int, seed: int = 2) -> Iterator[F32]:
    """What each key spends in each minute, from a Monday's midnight UTC on."""
    dice = np.random.default_rng(seed)
    at_work = np.zeros(len(of), np.bool_)
    batch, service = of.kind == 2, of.kind == 3
    starts, ends = _STARTS_A_MIN[of.kind], _ENDS_A_MIN[of.kind]
    for minute in range(days * MINUTES_A_DAY):
        if minute % 10 == 0:
            likely = starts * _presence(of, minute)
            local = (minute + of.zone_min) % MINUTES_A_DAY
            weekday = (minute + of.zone_min) // MINUTES_A_DAY % 7
            running = batch & ((of.batch_weekday >> weekday) & 1 > 0)
            running &= (local >= of.batch_min) & (local < of.batch_min + 60)
            day = 1 + 0.6 * np.sin((local - 480) / MINUTES_A_DAY * 2 * np.pi)
        chance = dice.random(len(of), np.float32)
        at_work = np.where(at_work, chance >= ends, chance < likely)
        active = np.flatnonzero(at_work | running | service)
        usd = np.zeros(len(of), np.float32)
        factor = np.exp(dice.standard_normal(len(active), np.float32) * of.spread[active])
        factor *= np.where(dice.random(len(active), np.float32) < _DEAR_SHARE, np.float32(_DEAR_TIMES), 1)
        usd[active] = of.usual_usd[active] * factor * np.where(service, day, 1)[active].astype(np.float32)
        yield usd


def _presence(of: Company, minute: int) -> npt.NDArray[np.float64]:
    """How likely it is that a person starts a session; agents start at any time."""
    local = minute + of.zone_min
    hour, weekday = local % MINUTES_A_DAY / 60, local // MINUTES_A_DAY % 7
    office = np.clip(np.minimum(hour - 7.5, 19 - hour) / 2, 0.01, 1)
    free = np.where(of.weekends, 0.3, 0.02)
    return np.where(of.kind == 0, office * np.where(weekday < 5, 1, free), 1)
