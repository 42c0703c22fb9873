"""Alerts by forecast: a budget will likely be used up before its period ends, or a commitment will likely not be used.

Laws
1. Each budget (or member) is judged once an hour of log time, at the floor, at a second of its own; at most `MOST` by
   one message, those first that have waited longest. So the work of a message is bounded.
2. `exhaustion` fires when the chance to reach the limit is at least `forecast_chance` in `ROUNDS` judgements in a row;
   `under_use`, of commitments, when the chance not to reach it is. Each ends when its chance is below `CLEAR_RATIO` of
   that as often, at once if the limit has changed, and when the limit is reached: then thresholds have said so.
3. Nothing opens before `forecast_after` of the period is over, before `LEAST_HOURS` of use are known, nor for amounts
   below `LEAST_SPEND`. Without any use there is no forecast, and before those hours states say none: it has no band.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import numpy as np

from schemas.periods import Period, instant
from schemas.signals import Alert, Why, rfc3339
from streams.burn.allowances import plan_in
from streams.burn.budgets import period_at
from streams.burn.burn_rules import LEAST_SPEND
from streams.burn.episodes import EpisodeKey
from streams.burn.hours import Hours, history_of, next_due
from streams.burn.limits import Pair, Plan, amount_of, need_of
from streams.burn.outlook_messages import LEVEL, Outlook, Rule, outlook_alert
from streams.burn.period_table import spent_in
from streams.burn.raising import raised
from streams.burn.state import BurnState, MemberKey
from streams.forecast import History, forecast, likely

MOST = 4
ROUNDS = 2
CLEAR_RATIO = Decimal("0.8")
LEAST_HOURS = 48
_COUNTERS: tuple[tuple[Rule, Literal["likely", "unlikely"]], ...] = (
    ("exhaustion", "likely"),
    ("under_use", "unlikely"),
)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A budget (or member) in its running period, and the chance to reach its limit."""

    key: MemberKey
    slot: int
    plan: Plan
    period: Period
    spent: Pair
    history: History
    reaches: Decimal

    def chance(self, rule: Rule) -> Decimal:
        """The chance of what the rule is about."""
        return self.reaches if rule == "exhaustion" else 1 - self.reaches

    def episode(self, rule: Rule) -> EpisodeKey:
        """Which episode it would be."""
        return (rule, *self.key, rfc3339(instant(self.period.start_us)), LEVEL)


def judge(state: BurnState, *, floor_us: int) -> list[Alert]:
    """The alerts of the budgets whose turn it is at the floor."""
    hours = state.hours
    due_us = hours.column("due_us")
    due = np.flatnonzero((due_us > 0) & (due_us <= floor_us))
    alerts: list[Alert] = []
    for slot in due[np.argsort(due_us[due], kind="stable")][:MOST].tolist():
        key = hours.keys[slot]
        if key is None:
            continue
        hours.will_change(np.array([slot]))
        hours.columns["due_us"][slot] = next_due(key, floor_us)
        alerts += _told(state, key, slot, floor_us=floor_us)
    return alerts


def at_once(hours: Hours, budgets: set[tuple[str, str]]) -> None:
    """Budgets that were edited are judged with the next message."""
    slots = [slot for key, slot in hours.slots.items() if key[:2] in budgets] if budgets else []
    if slots:
        hours.will_change(np.array(slots))
        hours.columns["due_us"][slots] = 1


def switched_off(state: BurnState) -> list[Alert]:
    """Closing alerts of budgets that are in force and have no such alerts by forecast any more."""
    policies, at = state.policies, instant(state.clock.lead_us)
    if policies is None:
        return []
    keys = [key for rule, _ in _COUNTERS for key in state.episodes.of_rule(rule) if key[1:3] in policies.plans]
    off = {key: "it has no alerts by forecast any more" for key in keys if key[1:3] not in policies.forecast}
    promised = {key for key in keys if policies.plans[key[1:3]].budget.commitment}
    off |= {key: "it is no commitment any more" for key in keys if key[0] == "under_use" and key not in promised}
    return [state.episodes.resolve(key, at=at, why="limit_changed", because=off[key]) for key in keys if key in off]


def _told(state: BurnState, key: MemberKey, slot: int, *, floor_us: int) -> list[Alert]:
    found = _judged(state, key, slot, floor_us=floor_us)
    if found is None:
        return []
    alerts: list[Alert] = []
    for rule, counter in _COUNTERS:
        if found.episode(rule) in state.episodes.open:
            alerts += _resolved(state, found, rule)
        elif _may_open(found, rule, floor_us=floor_us) and found.chance(rule) >= found.plan.budget.forecast_chance:
            rounds = int(state.hours.columns[counter][slot]) + 1
            state.hours.columns[counter][slot] = rounds % ROUNDS
            alerts += _opened(state, found, rule, floor_us=floor_us) if rounds == ROUNDS else ()
        else:
            state.hours.columns[counter][slot] = 0
    return alerts


def _judged(state: BurnState, key: MemberKey, slot: int, *, floor_us: int) -> _Judged | None:
    """None where nothing can be said: no period runs, it is not open yet, or no whole hour with use is known."""
    plan = state.policies.forecast.get(key[:2]) if state.policies is not None else None
    period = period_at(plan, floor_us) if plan is not None else None
    if plan is None or period is None or not state.is_open(plan):
        return None
    history = history_of(state.hours, slot, plan, now_us=floor_us)
    if history is None:
        return None
    of_period = (*key, period.start_us)
    mine = plan_in(state.periods, plan, of_period, now_us=state.done.limits_us)
    held = state.periods.slots.get(of_period)
    spent = (0, 0) if held is None else spent_in(state.periods, held).priced
    told = likely(
        history,
        now=instant(floor_us),
        period_end=instant(period.end_us),
        spent=amount_of(spent, plan.budget.unit),
        limit=mine.budget.limit,
    )
    if told is None:
        return None
    if len(history.amounts) >= LEAST_HOURS:
        _keep(state, slot, held, mine, period, told.p50)
    return _Judged(key, slot, mine, period, spent, history, Decimal(told.reaches_limit_ratio))


def _keep(state: BurnState, slot: int, held: int | None, plan: Plan, period: Period, p50: Decimal) -> None:  # noqa: PLR0913, PLR0917  one judgement
    """The likely end of the period stands beside its hours, and its state is said anew."""
    state.hours.columns["likely_end"][slot] = need_of(Fraction(p50), plan.budget.unit)[0]
    state.hours.columns["of_period_us"][slot] = period.start_us
    if held is not None:
        state.periods.will_change(np.array([held]))
        state.periods.columns["unsaid"][held] = 1


def _may_open(found: _Judged, rule: Rule, *, floor_us: int) -> bool:
    budget, period = found.plan.budget, found.period
    least = need_of(LEAST_SPEND[budget.unit], budget.unit)
    if rule == "under_use":
        large = budget.commitment and found.plan.limit >= least
    else:
        large = found.spent >= least and found.spent < found.plan.limit
    over = (floor_us - period.start_us) >= budget.forecast_after * (period.end_us - period.start_us)
    return large and over and len(found.history.amounts) >= LEAST_HOURS


def _opened(state: BurnState, found: _Judged, rule: Rule, *, floor_us: int) -> Iterator[Alert]:
    told = forecast(
        found.history,
        now=instant(floor_us),
        period_end=instant(found.period.end_us),
        spent=amount_of(found.spent, found.plan.budget.unit),
        limit=found.plan.budget.limit,
    )
    if told is None:
        return
    outlook = Outlook(
        plan=found.plan, member=found.key[2], period=found.period, told=told, known_hours=len(found.history.amounts)
    )
    draft = outlook_alert(rule, outlook, at=instant(state.clock.lead_us))
    alert = raised(state, draft)
    if alert is not None:
        yield alert


def _resolved(state: BurnState, found: _Judged, rule: Rule) -> list[Alert]:
    key = found.episode(rule)
    episode = state.episodes.open[key]
    is_calm = found.chance(rule) < CLEAR_RATIO * found.plan.budget.forecast_chance
    episode.quiet_rounds = episode.quiet_rounds + 1 if is_calm else 0
    why: Why | None = None
    if found.spent >= found.plan.limit:
        why = "limit_reached"
    elif is_calm and episode.alert.threshold != found.plan.budget.limit:
        why = "limit_changed"
    elif episode.quiet_rounds >= ROUNDS:
        why = "calmed_down"
    if why is None:
        return []
    because = "it is not likely any more" if why == "calmed_down" else None
    return [state.episodes.resolve(key, at=instant(state.clock.lead_us), why=why, because=because)]
