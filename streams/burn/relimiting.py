"""Periods whose limit is another one now: edited, increased for a time, or with more or less carried over.

Laws
1. What was spent is kept. Nothing that still holds is said again.
2. A limit that rises resolves what is no longer reached (`limit_changed`), which can be crossed once more; one that
   falls fires what it makes an open period cross. A threshold that is not in the list any more is resolved, and so is
   a burn rate of a budget that has none any more. Of an open period the highest share that it reaches is said after
   each edit: of a limit of zero the lower ones never were, and what was taken away can be put back.
3. In a period that is over nothing fires, and nothing is taken back.
4. A budget that is not open yet only learns its limit.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from schemas.periods import Period, instant, micros
from schemas.signals import Alert
from streams.burn import calming, messages
from streams.burn.allowances import plan_in
from streams.burn.budgets import period_at
from streams.burn.burn_rules import rungs_of
from streams.burn.crossing import Crossing, as_said, cross, ease
from streams.burn.episodes import EpisodeKey, Episodes
from streams.burn.limits import BudgetKey, Plan
from streams.burn.period_table import PeriodKey, crossed_in, limit_in, mark, slots_of, spent_in
from streams.burn.raising import raised
from streams.burn.spent import NOTHING, Spent
from streams.burn.state import BurnState

Held = Mapping[PeriodKey, list[EpisodeKey]]


def edited(state: BurnState, budgets: set[BudgetKey]) -> list[Alert]:
    """The alerts of budgets that were edited: limit, thresholds, increases."""
    return _relimited(state, slots_of(state.periods, budgets), anyhow=True)


def carried(state: BurnState, periods: Iterable[PeriodKey]) -> list[Alert]:
    """The alerts of periods into which something else is carried, of those that have begun to spend."""
    slots = state.periods.slots
    return _relimited(state, [(key, slots[key]) for key in periods if key in slots], anyhow=False)


def by_the_clock(state: BurnState, *, before_us: int) -> list[Alert]:
    """The clock of increases has moved on from `before_us`: the alerts of budgets of which one begins or ends."""
    now_us = state.done.limits_us
    if state.policies is None or now_us == before_us:
        return []
    turned = {key for key, at_us in state.policies.turns if before_us < at_us <= now_us}
    return _relimited(state, slots_of(state.periods, turned), anyhow=False)


@dataclass(frozen=True, slots=True)
class _Moved:
    """A period under its limit now; `raised`: it is open, and the limit was lower."""

    plan: Plan
    period: Period
    spent: Spent
    raised: bool

    def has_rung(self, level: str) -> bool:
        """Whether it can still burn too fast by that rung: burn alerts are wanted, and there is a limit."""
        return any(rung.level == level for rung in rungs_of(self.plan.budget, nominal_sec=self.period.nominal_sec))


def _relimited(state: BurnState, found: list[tuple[PeriodKey, int]], *, anyhow: bool) -> list[Alert]:
    held = held_episodes(state.episodes) if found else {}
    at = instant(state.clock.lead_us)
    over: list[tuple[EpisodeKey, str | None]] = []
    crossings: list[Crossing] = []
    for key, slot in found:
        plan = state.policies.plans.get(key[:2]) if state.policies is not None else None
        period = period_at(plan, key[3]) if plan is not None else None
        if plan is None or period is None:
            continue
        plan = plan_in(state.periods, plan, key, now_us=state.done.limits_us)
        before = limit_in(state.periods, slot)
        if not anyhow and before == plan.limit:
            continue
        state.periods.will_change(np.array([slot]))
        state.periods.columns["unsaid"][slot] = 1
        if not state.is_open(plan):
            mark(state.periods, slot, plan, crossed_in(state.periods, slot))
            continue
        spent = spent_in(state.periods, slot)
        is_open = period.end_us > state.clock.closed_us()
        moved = _Moved(plan, period, spent, is_open and plan.limit > before)
        if moved.raised:
            ease(state.periods, slot, plan, spent, amounts=False)
        of_period = held.get(key, ())
        ended = [episode for episode in of_period if _is_over(state, episode, moved)]
        over += [(episode, _because(episode, moved)) for episode in ended]
        if is_open:
            going_on = [one for one in of_period if one[0] == "threshold" and one not in ended]
            by_cost = {one[5] for one in going_on if state.episodes.open[one].alert.basis == "actual"}
            as_said(state.periods, slot, plan, by_cost=by_cost, with_estimates={one[5] for one in going_on})
        crossings.append(
            Crossing(plan, key, period, spent, *cross(state.periods, slot, plan, spent, spent if is_open else NOTHING))
        )
    resolved = [state.episodes.resolve(key, at=at, why="limit_changed", because=because) for key, because in over]
    return resolved + fired(state, crossings)


def fired(state: BurnState, crossings: Iterable[Crossing]) -> list[Alert]:
    """The alerts of thresholds crossed, but for those that were said."""
    at = instant(state.clock.lead_us)
    drafts = (draft for crossing in crossings for draft in messages.threshold_alerts(crossing, at=at))
    said = (raised(state, draft) for draft in drafts)
    return [alert for alert in said if alert is not None]


def held_episodes(episodes: Episodes) -> Held:
    """The open episodes of each period of a budget, sorted; a rolling one has no start."""
    found: dict[PeriodKey, list[EpisodeKey]] = defaultdict(list)
    for key in sorted(episodes.open):
        start = episodes.open[key].alert.period_start
        if key[0] in {"threshold", "burn_rate"}:
            found[key[1], key[2], key[3], 0 if start is None else micros(start)].append(key)
    return found


def _is_over(state: BurnState, episode: EpisodeKey, moved: _Moved) -> bool:
    if episode[0] == "burn_rate":
        slow = moved.raised and calming.is_calm(state, episode, at_us=state.clock.lead_us) is True
        return slow or not moved.has_rung(episode[5])
    if moved.plan.step(episode[5]) is None:
        return True
    return moved.raised and not is_reached(state, episode, moved.plan, moved.spent)


def _because(episode: EpisodeKey, moved: _Moved) -> str | None:
    """What is to be said where it was not the limit that has changed."""
    off = episode[0] == "burn_rate" and not moved.plan.budget.burn_alerts
    return "it has no alerts of burning too fast any more" if off else None


def is_reached(state: BurnState, episode: EpisodeKey, plan: Plan, spent: Spent) -> bool:
    """Whether a period still reaches the threshold of its open episode, as far as that was said to rest on cost."""
    step = plan.step(episode[5])
    estimated = state.episodes.open[episode].alert.basis == "estimated"
    return step is not None and (spent.with_estimates if estimated else spent.priced) >= step.need
