"""What follows when a local day begins, for budgets over the last N days (days.py): their windows move.

Laws
1. What leaves a window resolves thresholds that are not reached any more; they can then be crossed again.
2. What waited ahead of today is in its window, and crosses what it crosses.
3. A member of whom no day is left in the window is forgotten.
"""

from collections.abc import Mapping

import numpy as np

from schemas.periods import instant
from schemas.signals import Alert
from streams.burn.allowances import plan_in
from streams.burn.budgets import period_at, slot_of
from streams.burn.crossing import Crossing, cross, ease
from streams.burn.days import window_of, windows
from streams.burn.limits import BudgetKey, Plan
from streams.burn.period_table import PeriodKey, slots_of, spent_in
from streams.burn.relimiting import Held, fired, held_episodes, is_reached
from streams.burn.state import BurnState

_LEFT = "what it spent before is no part of the last days any more"


def new_days(state: BurnState, *, before_us: int) -> list[Alert]:
    """The alerts of budgets whose today is another day than when the clock of increases stood at `before_us`."""
    now_us = state.done.limits_us
    if state.policies is None or before_us == now_us:
        return []
    every = state.policies.rolling.items()
    moved = {key: plan for key, plan in every if window_of(plan, before_us) != window_of(plan, now_us)}
    held = held_episodes(state.episodes) if moved else {}
    return [alert for key, plan in sorted(moved.items()) for alert in _moved(state, key, plan, held)]


def _moved(state: BurnState, key: BudgetKey, plan: Plan, held: Held) -> list[Alert]:
    now = windows(state.days, plan, now_us=state.done.limits_us)
    nothing = {key: dict[str, int]() for key, _ in slots_of(state.periods, {key})}
    alerts: list[Alert] = []
    for member, amounts in sorted({**nothing, **now}.items()):
        alerts += _window(state, member, plan, amounts, held)
    return alerts


def _window(state: BurnState, key: PeriodKey, plan: Plan, amounts: Mapping[str, int], held: Held) -> list[Alert]:
    """A member's row holds these amounts: the alerts that follow."""
    period = period_at(plan, 0)
    if period is None:
        return []
    slot = slot_of(state.periods, key, plan, period, now_us=state.done.limits_us)
    state.periods.will_change(np.array([slot]))
    for name in ("high", "low", "estimated_high", "estimated_low", "requests", "unpriced"):
        state.periods.columns[name][slot] = amounts.get(name, 0)
    state.periods.columns["unsaid"][slot] = 1
    plan = plan_in(state.periods, plan, key, now_us=state.done.limits_us)
    if not state.is_open(plan):
        return []
    spent = spent_in(state.periods, slot)
    ease(state.periods, slot, plan, spent, amounts=True)
    at = instant(state.clock.lead_us)
    over = [one for one in held.get(key, ()) if one[0] == "threshold" and not is_reached(state, one, plan, spent)]
    resolved = [state.episodes.resolve(one, at=at, why="calmed_down", because=_LEFT) for one in over]
    if not amounts:
        state.periods.remove([slot])
        return resolved
    crossing = Crossing(plan, key, period, spent, *cross(state.periods, slot, plan, spent, spent))
    return resolved + fired(state, [crossing])
