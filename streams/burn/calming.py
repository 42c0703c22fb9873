"""Which budgets that burnt too fast have calmed down: law 4 of burn_rules.py, to the accuracy of a float.

A ticket does not wait for silence: it ends once its budget is no more in danger, so that the next overspend is told of.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.periods import Period, instant, micros
from schemas.signals import Alert
from streams.burn.allowances import plan_in
from streams.burn.budgets import period_at
from streams.burn.burn_rules import CLEAR_SHARE, LASTS_RATIO, LEAST_SPEND, Pairing, Rung, rungs_of
from streams.burn.episodes import EpisodeKey
from streams.burn.limits import Plan, Unit, need_of
from streams.burn.paces import SEC, Paces, in_windows, paces_of
from streams.burn.period_table import spent_in
from streams.burn.state import BurnState

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
_CLEAR = float(CLEAR_SHARE)


@dataclass(frozen=True, slots=True)
class _Held:
    """An open episode with its rung, its limit and what is left of it, as windows hold it: micro-USD, or counts."""

    index: int
    slot: int
    plan: Plan
    period: Period
    rung: Rung
    limit: float
    left: float


def resolve(state: BurnState, *, floor_us: int) -> list[Alert]:
    """Closing alerts of rungs that have been calm for long enough at the floor."""
    alerts = []
    keys = state.episodes.of_rule("burn_rate")
    for key, (calm, hold_sec) in zip(keys, _calm(state, keys, at_us=floor_us), strict=True):
        episode = state.episodes.open[key]
        if calm is None:
            continue
        if not calm:
            episode.quiet_since_us = 0
        elif episode.quiet_since_us == 0:
            episode.quiet_since_us = floor_us
        elif floor_us - episode.quiet_since_us >= hold_sec * SEC:
            at = instant(state.clock.lead_us)
            alerts.append(state.episodes.resolve(key, at=at, why="calmed_down", because="it has slowed down"))
    return alerts


def is_calm(state: BurnState, key: EpisodeKey, *, at_us: int) -> bool | None:
    """Whether the rung is calm; None where its windows cannot be seen."""
    return _calm(state, [key], at_us=at_us)[0][0]


def _calm(state: BurnState, keys: list[EpisodeKey], *, at_us: int) -> list[tuple[bool | None, int]]:
    """`is_calm` of each, and for how many seconds it has to be; every window is summed once for all of them."""
    found: list[tuple[bool | None, int]] = [(True, 0)] * len(keys)
    held = [one for index, key in enumerate(keys) if (one := _held(state, index, key)) is not None]
    if not held:
        return found
    [paces] = paces_of(state, [one.slot for one in held], [one.plan for one in held], [at_us])
    groups: dict[tuple[Pairing, Unit, Period], list[int]] = defaultdict(list)
    for place, one in enumerate(held):
        groups[one.rung.pairing, one.rung.unit, one.period].append(place)
    for (pairing, unit, period), places in groups.items():
        allowed = np.array([held[place].limit for place in places]) * float(held[places[0]].rung.factor)
        left = np.array([held[place].left for place in places], np.float64)
        where = np.array(places, np.int64)
        calm, covered = _of_rung(paces, where, pairing, unit, period, allowed=allowed, left=left)
        for place, is_so, is_seen in zip(places, calm.tolist(), covered.tolist(), strict=True):
            found[held[place].index] = (is_so if is_seen else None, held[place].rung.hold_sec)
    return found


def _of_rung(  # noqa: PLR0913  a rung's terms
    paces: Paces,
    places: npt.NDArray[np.int64],
    pairing: Pairing,
    unit: Unit,
    period: Period,
    *,
    allowed: Floats,
    left: Floats,
) -> tuple[Bools, Bools]:
    rest_sec = min((period.end_us - paces.at_us) // SEC, period.nominal_sec)
    far_sec = max(0, int(rest_sec * LASTS_RATIO / CLEAR_SHARE))
    far = paces.until(places, far_sec)
    per_time = allowed / paces.in_period(places, period)
    calm, lasts, lasts_expected = np.zeros(len(places), np.bool_), np.zeros(len(places)), np.zeros(len(places))
    covered = np.ones(len(places), np.bool_)
    least = in_windows(need_of(LEAST_SPEND[unit], unit))
    for window_sec, at_least in ((pairing.long_sec, least), (pairing.short_sec, 0.0)):
        high, _, is_seen = paces.burnt(places, window_sec=window_sec, unit=unit)
        expected = paces.in_window(places, window_sec)
        calm |= high < _CLEAR * np.maximum(per_time * expected, at_least)
        pace = np.maximum(high, 1)
        lasts = np.maximum(lasts, left * window_sec / pace)
        lasts_expected = np.maximum(lasts_expected, left * expected / pace)
        covered &= is_seen
    return calm | (lasts > far_sec) | (lasts_expected > far), covered


def _held(state: BurnState, index: int, key: EpisodeKey) -> _Held | None:
    """None where it cannot burn any more: no budget, nothing in its windows, no such rung."""
    plan = state.policies.plans.get((key[1], key[2])) if state.policies is not None else None
    slot = state.members.slots.get((key[1], key[2], key[3]))
    start = state.episodes.open[key].alert.period_start
    period = None if plan is None else period_at(plan, 0 if start is None else micros(start))
    if plan is None or slot is None or period is None:
        return None
    of_period = (*key[1:4], period.start_us)
    mine = plan_in(state.periods, plan, of_period, now_us=state.done.limits_us)
    rungs = rungs_of(mine.budget, nominal_sec=period.nominal_sec)
    rung = next((rung for rung in rungs if rung.level == key[5]), None)
    if rung is None:
        return None
    row = state.periods.slots.get(of_period)
    spent = (0, 0) if row is None else spent_in(state.periods, row).priced
    limit = in_windows(mine.limit)
    return _Held(index, slot, plan, period, rung, limit, limit - in_windows(spent))
