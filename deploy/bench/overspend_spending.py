"""What each spender of a made-up company spends when nothing is wrong, in steps of five minutes. Pure.

Hours of the week by spender (own hours, lunch, weekends, two days off for everybody, absences), nightly and weekly
batches, jobs on demand, log-normal noise that stays for an hour, bursts, growth, people who begin in mid-month, who
come some days only or never, and departments that work more at the end of the month. No figure of it was chosen after
a look at what any rule makes of it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deploy.bench.overspend_company import BATCH, CI, OFFICE, SERVICE, WEEKLY, Company, Dice, Floats

STEP_SEC = 300
PER_DAY = 86_400 // STEP_SEC
_MONTH_DAYS = 30
_OFF_DAYS = (2, 5)
"""Days of the month on which nobody works: Good Friday and Easter Monday of April 2026."""
_FIRST_WEEKDAY = 2
"""1 April 2026 is a Wednesday."""
Series = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Clock:
    """Local time of some spenders at each step: hour of the day, day of the simulation, whether it is a working day."""

    hour: Floats
    day: npt.NDArray[np.int64]
    works: npt.NDArray[np.bool_]


def clock(utc_hours: Floats, *, steps: int) -> Clock:
    """The clocks of spenders so many hours ahead of UTC; a row each."""
    at = np.arange(steps) / PER_DAY + utc_hours[:, None] / 24
    day = np.floor(at).astype(np.int64)
    works = ((day + _FIRST_WEEKDAY) % 7 < 5) & ~np.isin(day, _OFF_DAYS)
    return Clock((at - day) * 24, np.clip(day, 0, steps // PER_DAY), works)


def spending(company: Company, dice: Dice, *, days: int) -> Series:
    """USD per spender and step of `STEP_SEC`; in the long run each spends its usual month in `_MONTH_DAYS`."""
    steps = days * PER_DAY
    found = np.zeros((len(company.habits), steps), np.float32)
    makers = {OFFICE: _office, SERVICE: _service, BATCH: _batch, CI: _jobs, WEEKLY: _weekly}
    for habit, maker in makers.items():
        rows = np.flatnonzero(company.habits == habit)
        for some in np.array_split(rows, max(1, len(rows) // 200)):
            if len(some):
                when = clock(company.utc_hours[some], steps=steps)
                found[some] = maker(dice, when, len(some)) * _slow(dice, when, len(some))
    _month_end(company, dice, found)
    found *= (company.usual_usd / (_MONTH_DAYS * PER_DAY))[:, None].astype(np.float32)
    return found


def _slow(dice: Dice, when: Clock, rows: int) -> Floats:
    """Growth over the month, and who begins later or comes never."""
    steps = when.hour.shape[1]
    growth = np.exp(dice.normal(0.05, 0.15, (rows, 1)) * (np.arange(steps) / (_MONTH_DAYS * PER_DAY) - 0.5))
    begins = np.where(dice.random(rows) < 0.04, dice.uniform(0, 0.7, rows) * steps, 0)
    idle = dice.random(rows) < 0.06
    kept: Floats = growth * ((np.arange(steps) >= begins[:, None]) & ~idle[:, None])
    return kept


def _office(dice: Dice, when: Clock, rows: int) -> Floats:
    """People: own hours, lunch, weekends, days of other size, absences, pauses, noise, bursts."""
    begins, lasts = dice.normal(9, 0.8, (rows, 1)), dice.normal(8.5, 1, (rows, 1))
    hour = when.hour
    present = _bump(hour, begins, begins + lasts) * np.where(abs(hour - 12.5) < 0.5, 0.4, 1) + 0.01
    off = np.where(dice.random((rows, 1)) < 0.3, dice.uniform(0.05, 0.4, (rows, 1)), 0.0)
    shape = present * np.where(when.works, 1.0, off)
    days = int(when.day.max()) + 1
    size = dice.lognormal(-0.125, 0.5, (rows, days)) * (dice.random((rows, days)) > 0.07)
    away = np.where(dice.random(rows) < 0.12, dice.integers(0, days, rows), 10**6)[:, None]
    size *= ~((np.arange(days) >= away) & (np.arange(days) < away + 7))
    rare = dice.random(rows) < 0.1
    size[rare] *= (dice.random((int(rare.sum()), days)) < 0.2) * 5.0
    active = np.repeat(dice.random((rows, -(-hour.shape[1] // 3))) < 0.45, 3, axis=1)[:, : hour.shape[1]] / 0.45
    shape = shape / _mean_of(present)
    return (
        shape
        * np.take_along_axis(size, when.day, axis=1)
        * active
        * _noise(dice, hour.shape, 0.7)
        * _bursts(dice, when, per_month=1.5)
    )


def _mean_of(present: Floats) -> Floats:
    """The mean of a day's shape over a month of 20 working days."""
    mean: Floats = present[:, :PER_DAY].mean(axis=1, keepdims=True) * (20 / _MONTH_DAYS)
    return mean


def _service(dice: Dice, when: Clock, rows: int) -> Floats:
    """Always on: more by day, a little less at weekends, a slow drift, noise, peaks of traffic."""
    swing = dice.uniform(0.1, 0.8, (rows, 1))
    day = 1 + swing * np.sin((when.hour - 8.5) / 24 * 2 * np.pi)
    shape = day * np.where(when.works, 1.0, dice.uniform(0.5, 1.0, (rows, 1)))
    return shape * _noise(dice, when.hour.shape, 0.3) * _bursts(dice, when, per_month=1.0)


def _batch(dice: Dice, when: Clock, rows: int) -> Floats:
    """At night, every day or on working days; each run of another size and length."""
    begins, lasts = dice.uniform(0, 5, (rows, 1)), dice.uniform(0.7, 3.5, (rows, 1))
    daily = dice.random((rows, 1)) < 0.6
    days = int(when.day.max()) + 1
    length = lasts * dice.lognormal(0, 0.15, (rows, days))
    here = np.take_along_axis(length, when.day, axis=1)
    runs = (when.hour >= begins) & (when.hour < begins + here) & (daily | when.works)
    per_month = np.where(daily, _MONTH_DAYS, 20) * lasts / 24
    size = np.take_along_axis(dice.lognormal(-0.06, 0.35, (rows, days)), when.day, axis=1)
    return runs * size * _noise(dice, when.hour.shape, 0.2) * (_MONTH_DAYS / per_month)


def _jobs(dice: Dice, when: Clock, rows: int) -> Floats:
    """On demand: jobs of ten minutes to an hour, mostly in long office hours, each of another size."""
    wanted = _bump(when.hour, np.full((rows, 1), 8.0), np.full((rows, 1), 20.0)) * np.where(when.works, 1, 0.15) + 0.02
    per_day = dice.uniform(4, 25, (rows, 1))
    shape = wanted / wanted.mean(axis=1, keepdims=True)
    begins = (dice.random(when.hour.shape) < shape * per_day / PER_DAY) * dice.lognormal(-0.5, 1, when.hour.shape)
    found = np.zeros_like(begins)
    lasts = dice.integers(2, 13, rows)
    for length in range(2, 13):
        some = lasts == length
        total = np.cumsum(begins[some], axis=1)
        total[:, length:] -= np.cumsum(begins[some], axis=1)[:, :-length]
        found[some] = np.maximum(total, 0) / length
    spread: Floats = found * PER_DAY / per_day
    return spread


def _weekly(dice: Dice, when: Clock, rows: int) -> Floats:
    """One run a week, of two to eight hours."""
    weekday, begins = dice.integers(0, 7, (rows, 1)), dice.uniform(0, 15, (rows, 1))
    lasts = dice.uniform(2, 8, (rows, 1))
    runs = ((when.day + _FIRST_WEEKDAY) % 7 == weekday) & (when.hour >= begins) & (when.hour < begins + lasts)
    found: Floats = runs * _noise(dice, when.hour.shape, 0.2) * (7 * 24 / lasts)
    return found


def _bump(hour: Floats, begins: Floats, ends: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-(hour - begins) / 0.4)) / (1 + np.exp((hour - ends) / 0.4))
    return found


def _noise(dice: Dice, shape: tuple[int, ...], sigma: float) -> Floats:
    """Log-normal noise of mean one: half of its variance stays for about an hour, half is new in each step."""
    rows, steps = shape
    slow = np.empty(shape)
    now = dice.normal(0, 1, rows)
    stays = np.exp(-1 / 12)
    fresh = dice.normal(0, np.sqrt(1 - stays**2), (steps, rows))
    for step in range(steps):
        now = stays * now + fresh[step]
        slow[:, step] = now
    found: Floats = np.exp(sigma * np.sqrt(0.5) * (slow + dice.normal(0, 1, shape)) - sigma**2 / 2)
    return found


def _bursts(dice: Dice, when: Clock, *, per_month: float) -> Floats:
    """Factors of one, and in some hours of some spenders two to eight."""
    rows, steps = when.hour.shape
    found = np.ones((rows, steps))
    for row in np.repeat(np.arange(rows), dice.poisson(per_month * steps / (_MONTH_DAYS * PER_DAY), rows)):
        begins, lasts = int(dice.integers(0, steps)), int(dice.integers(6, 37))
        found[row, begins : begins + lasts] *= min(8.0, 2.0 + dice.pareto(2.0))
    return found


def _month_end(company: Company, dice: Dice, found: Series) -> None:
    """Some teams work more on the last three days of the month."""
    team = company.debits[:, 1]
    busy = dice.random(int(team.max()) + 1) < 0.15
    more = dice.uniform(1.6, 2.2, len(busy))
    last = found[:, (_MONTH_DAYS - 3) * PER_DAY :]
    last *= np.where(busy, more, 1.0)[team][:, None].astype(np.float32)
