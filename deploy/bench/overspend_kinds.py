"""Kinds of overspends: what each adds to a target's spending, and how strong it may be. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from deploy.bench.overspend_company import Dice, Floats
from deploy.bench.overspend_spending import PER_DAY

Who = Literal["service", "batch", "ci", "user", "team", "key"]
"""Whose spending it is; `key`: of whoever has it."""
MONTH_STEPS = 30 * PER_DAY


@dataclass(frozen=True, slots=True)
class Place:
    """What a shape is made for: the target's own spend from the start on, its limit, local hours, days since the start.

    All in USD per step; `mean` is what the target usually spends per step, day and night.
    """

    base: Floats
    mean: float
    limit: float
    hour: Floats
    days: Floats
    works: npt.NDArray[np.bool_]


Shape = Callable[[Place, float, Dice], Floats]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of overspend: what is added where, with a strength drawn between two bounds."""

    name: str
    who: Who
    low: float
    high: float
    shape: Shape
    on_friday_evening: bool = False


def _loop(place: Place, strength: float, dice: Dice) -> Floats:
    """So many times the usual mean, day and night."""
    found: Floats = strength * place.mean * dice.gamma(4, 0.25, len(place.base))
    return found


def _storm(place: Place, strength: float, dice: Dice) -> Floats:
    """The same on average, in every second quarter of an hour only."""
    on = np.repeat(dice.random(-(-len(place.base) // 3)) < 0.5, 3)[: len(place.base)]
    found: Floats = _loop(place, 2 * strength, dice) * on
    return found


def times(place: Place, strength: float, dice: Dice) -> Floats:
    """The own spend so many times."""
    del dice
    found: Floats = place.base * (strength - 1)
    return found


def _leak(place: Place, strength: float, dice: Dice) -> Floats:
    """So many limits a month, evenly, hour by hour."""
    found: Floats = strength * place.limit / MONTH_STEPS * dice.gamma(2, 0.5, len(place.base))
    return found


def _growing_leak(place: Place, strength: float, dice: Dice) -> Floats:
    """A leak that grows from nothing to twice its mean in ten days."""
    found: Floats = _leak(place, strength, dice) * np.minimum(place.days / 5, 2)
    return found


def _night_thief(place: Place, strength: float, dice: Dice) -> Floats:
    """A leak at night only."""
    night = (place.hour < 6) | (place.hour >= 22)
    found: Floats = _leak(place, strength, dice) * night
    return found


def _office_leak(place: Place, strength: float, dice: Dice) -> Floats:
    """A leak in office hours of working days only."""
    day = (place.hour >= 9) & (place.hour < 18) & place.works
    found: Floats = _leak(place, strength, dice) * day * 3
    return found


def _snowball(place: Place, strength: float, dice: Dice) -> Floats:
    """The own spend, doubled each `strength` days, up to twelve times."""
    del dice
    found: Floats = place.base * np.minimum(2 ** (place.days / strength) - 1, 11)
    return found


KINDS = (
    Kind("runaway loop of an agent", "service", 8, 12, _loop),
    Kind("new model that costs 4x", "service", 3.5, 4.5, times),
    Kind("weekend job that does not stop", "batch", 6, 12, _loop, on_friday_evening=True),
    Kind("slow leak per hour", "service", 0.9, 1.5, _leak),
    Kind("shared key", "key", 4, 7, times),
    Kind("step of an agent to 3x", "service", 2.7, 3.3, times),
    Kind("coding agent of a user in a loop", "user", 15, 30, _loop),
    Kind("step of a whole team to 3x", "team", 2.5, 3.3, times),
    Kind("retry storm", "service", 6, 10, _storm),
    Kind("leaked key, low and slow", "key", 1.0, 1.6, _leak),
    Kind("nightly batch that does not stop", "batch", 4, 8, _loop),
    Kind("step of a user to 5x", "user", 4, 6, times),
    Kind("leak that grows", "ci", 1.0, 1.8, _growing_leak),
    Kind("stolen key, at night", "key", 3, 6, _night_thief),
    Kind("new model for a team, 4x", "team", 3.5, 4.5, times),
    Kind("prompt cache broken", "ci", 3, 4, times),
    Kind("context that grows", "service", 2, 4, _snowball),
    Kind("new agents of a team", "team", 1.5, 2.5, _office_leak),
    Kind("batch of five times the rows", "batch", 4, 6, times),
    Kind("new model that costs 2.5x", "ci", 2.3, 2.8, times),
)
