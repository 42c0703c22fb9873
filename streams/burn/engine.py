"""One message of `internal.deltas` after the other: `advance` moves the state on and says what follows from it.

Order within a message, which is the order of what it says:
1. policies up to the highest offset that the log has named: budgets removed or matched anew are said to be closed and
   forgotten and their episodes resolved, edited ones are judged anew;
2. the clock, but for messages of `usage.adjustments`, which have none; rows that waited for the lead; increases of
   budgets that begin or end; a step of what a day has taught of the shapes of weeks;
3. the rows: periods of budgets (thresholds fire at once), windows, sketches, models without a price; the sums of an
   opening are in periods only, and then the budgets that it opens are judged;
4. when the lead has reached a new second, or a floor that lies behind has reached new cells: what is unjudged, at the
   lead and, where it sees other cells, at the floor;
   when the floor is past a minute, the anomalies of that minute, and of what came late;
5. when the floor has moved: period ends, and forecasts of budgets whose turn it is; when it has reached a new minute:
   what has calmed down; a new hour: housekeeping;
6. when the lead has reached a new 5 s: rates; half of that later, so that no tick is long: budget states.
All of it is decided by the log alone, so cutting the log into other batches changes nothing.
"""

from collections.abc import Mapping

import numpy as np

from schemas.internal import BUCKET_US, BatchHeaders
from schemas.periods import instant
from schemas.signals import Alert
from streams.burn import (
    anomalies,
    budgets,
    burning,
    calming,
    commitments,
    counting,
    escalation,
    learning,
    messages,
    outlook,
    period_table,
    rejudging,
    relimiting,
    rings,
    rolling,
    sharing,
    standing,
    uncapped,
    unpriced,
)  # fmt: skip
from streams.burn.crossing import Crossing
from streams.burn.days import count_days, forget_days
from streams.burn.deltas import Deltas
from streams.burn.hours import count_hours, forget_hours
from streams.burn.in_force import InForceHere, compiled
from streams.burn.limits import BudgetKey, Plan
from streams.burn.minutes import take_minutes
from streams.burn.period_table import PeriodKey
from streams.burn.spent import Spent
from streams.burn.state import BROUGHT_US, BurnState
from streams.burn.table import Slots
from streams.burn.under import Under
from streams.ports import Output, PolicyLog

_SEC = 1_000_000
_MINUTE = 60 * _SEC
_HOUR = 3600 * _SEC


def advance(
    state: BurnState, header: BatchHeaders, deltas: Deltas | None, policy_log: PolicyLog, *, silent: bool = False
) -> list[Output]:
    """The outputs of one message, in order; of a `silent` one (replayed: they were sent) rates and states are left out.

    Raises: KeyError: the policy log was not read far enough.
    """
    alerts, closings = _take_policies(state, header.policy_offset, policy_log)
    before_us = state.clock.floor_us
    if header.clock:
        state.clock.hear(header.lane(), lanes=header.lanes, log_time_us=header.log_time_us)
    counting.release(state)
    alerts += _clock_of_limits(state)
    learning.learn(state, before_us=before_us)
    if header.opened >= 0 and not header.clock:
        alerts += _take_opening(state, header, deltas)
    else:
        alerts += _open(state, header.opened, {})
        alerts += _take_rows(state, header, deltas)
    alerts += _judge(state, floor_before_us=before_us) + anomalies.judge(state)
    if state.clock.floor_us != before_us:
        alerts += _resolve(state, before_us=before_us)
    outputs = [messages.output_of(alert) for alert in alerts]
    return outputs + closings + standing.publish(state, silent=silent)


def _take_policies(state: BurnState, named: int, policy_log: PolicyLog) -> tuple[list[Alert], list[Output]]:
    if state.policies is None:
        state.policies = compiled(policy_log.at(state.policy_offset) if state.policy_offset >= 0 else {}, offset=-1)
    if named <= state.policy_offset:
        return [], []
    before = state.policies
    after = compiled(policy_log.at(named), offset=named)
    state.policies, state.policy_offset = after, named
    gone = {
        key
        for key, plan in before.plans.items()
        if key not in after.plans or after.plans[key].matched_since != plan.matched_since
    }
    kept = {key: plan for key, plan in after.plans.items() if key in before.plans and key not in gone}
    edited = {key for key, plan in kept.items() if _terms(plan) != _terms(before.plans[key])}
    closings = standing.closings(state, {key: before.plans[key] for key in gone})
    alerts = _forget(state, gone, after) + relimiting.edited(state, edited) + outlook.switched_off(state)
    outlook.at_once(state.hours, edited)
    return alerts + escalation.acknowledged(state, before, after), closings


def _clock_of_limits(state: BurnState) -> list[Alert]:
    before_us = state.done.limits_us
    state.done.limits_us = max(before_us, state.clock.closed_us())
    return relimiting.by_the_clock(state, before_us=before_us) + rolling.new_days(state, before_us=before_us)


def _terms(plan: Plan) -> tuple[object, ...]:
    return (plan.since, plan.increases)


def _forget(state: BurnState, gone: set[BudgetKey], after: InForceHere) -> list[Alert]:
    if not gone:
        return []
    period_table.forget(state.periods, gone)
    state.days.remove([slot for key, slot in sorted(state.days.slots.items()) if key[:2] in gone])
    state.hours.remove([slot for key, slot in sorted(state.hours.slots.items()) if key[:2] in gone])
    state.shapes.remove([slot for key, slot in sorted(state.shapes.slots.items()) if key[:2] in gone])
    state.brought = {key: at_us for key, at_us in state.brought.items() if key[:2] not in gone}
    members = state.members
    members.remove([slot for key, slot in sorted(members.slots.items()) if key[:2] in gone])
    state.ahead = [row for row in state.ahead if row.table != "members" or row.key[:2] not in gone]
    at = instant(state.clock.lead_us)
    keys = state.episodes.of_budgets(gone)
    return [
        state.episodes.resolve(key, at=at, why="budget_changed" if key[1:3] in after.plans else "budget_removed")
        for key in keys
    ]


def _take_rows(state: BurnState, header: BatchHeaders, deltas: Deltas | None) -> list[Alert]:
    if state.policies is None or deltas is None:
        return []
    of_budgets, of_entities = counting.budget_rows(deltas)
    under = _under(state, state.policies, header.policy_offset)
    crossings, carrying = _count(state, deltas, of_budgets, under)
    windowed = of_budgets if header.windows else of_budgets[:0]
    count_hours(state.hours, deltas, windowed, under)
    counting.take_windows(state, deltas, budgets=windowed, entities=of_entities, rated_under=header.policy_offset)
    counting.take_sketches(state, deltas, of_entities)
    take_minutes(state, deltas, of_entities if header.windows else of_entities[:0])
    alerts = relimiting.fired(state, crossings) + relimiting.carried(state, carrying)
    return alerts + unpriced.take(state, deltas, of_entities) + uncapped.take(state, deltas, of_entities)


def _count(state: BurnState, deltas: Deltas, rows: Slots, under: Under) -> tuple[list[Crossing], list[PeriodKey]]:
    count_days(state.days, deltas, rows, under)
    return budgets.count(state.periods, deltas, rows, under)


def _under(state: BurnState, policies: InForceHere, rated_under: int) -> Under:
    return Under(policies, rated_under, state.clock.closed_us(), state.judged_up_to(), state.done.limits_us)


def _take_opening(state: BurnState, header: BatchHeaders, deltas: Deltas | None) -> list[Alert]:
    """The sums are in their periods, and their budgets are open."""
    if state.policies is None or deltas is None:
        return _open(state, header.opened, {})
    of_budgets, _ = counting.budget_rows(deltas)
    under = _under(state, state.policies, header.policy_offset)
    crossings, carrying = _count(state, deltas, of_budgets, under)
    alerts = relimiting.fired(state, crossings) + relimiting.carried(state, carrying)
    brought = rejudging.brought_by(deltas, of_budgets, under)
    state.brought |= {key[:3]: state.clock.lead_us for key in brought}
    return alerts + _open(state, header.opened, brought)


def _open(state: BurnState, opened: int, brought: Mapping[PeriodKey, Spent]) -> list[Alert]:
    """Budgets that are open from now on are judged for the first time; `brought` are their opening sums."""
    before, policies = state.opened, state.policies
    state.opened = max(before, opened)
    if policies is None or opened <= before:
        return []
    new = [key for key, plan in policies.plans.items() if before < plan.matched_since <= opened]
    found = rejudging.opened(state.periods, new, brought, under=_under(state, policies, state.policy_offset))
    return relimiting.fired(state, found)


def _judge(state: BurnState, *, floor_before_us: int | None) -> list[Alert]:
    lead_us, floor_us = state.clock.lead_us, state.clock.floor_us
    moments_us = [lead_us]
    catching_up = False
    if floor_us is not None and floor_us // BUCKET_US != lead_us // BUCKET_US:
        moments_us.append(floor_us)
        catching_up = floor_before_us is None or floor_us // BUCKET_US != floor_before_us // BUCKET_US
    if lead_us // _SEC <= state.done.judged_us // _SEC and not catching_up:
        return []
    state.done.judged_us = lead_us
    return burning.judge(state, moments_us=moments_us) + sharing.judge(state, moments_us=moments_us)


def _resolve(state: BurnState, *, before_us: int | None) -> list[Alert]:
    floor_us, done = state.clock.floor_us, state.done
    if floor_us is None:
        return []
    at = instant(state.clock.lead_us)
    ended = state.episodes.ended(instant(floor_us))
    alerts = [state.episodes.resolve(key, at=at, why="period_over") for key in ended]
    alerts += commitments.judge(state, before_us=before_us, floor_us=floor_us)
    alerts += outlook.judge(state, floor_us=floor_us)
    if floor_us // _MINUTE > done.resolved_us // _MINUTE:
        done.resolved_us = floor_us
        alerts += calming.resolve(state, floor_us=floor_us)
        alerts += sharing.resolve(state, floor_us=floor_us)
        alerts += unpriced.resolve(state, floor_us=floor_us)
        alerts += uncapped.resolve(state, floor_us=floor_us)
        alerts += commitments.resolve(state, floor_us=floor_us)
        alerts += escalation.escalate(state, floor_us=floor_us)
    if floor_us // _HOUR > done.swept_us // _HOUR:
        done.swept_us = floor_us
        _sweep(state, floor_us=floor_us)
    return alerts


def _sweep(state: BurnState, *, floor_us: int) -> None:
    """Rows that can matter no more are free: nothing in any window, nothing left to say, nothing live to come."""
    period_table.forget_old(state.periods, floor_us=floor_us)
    if state.policies is not None:
        forget_days(state.days, state.policies, now_us=state.done.limits_us)
        forget_hours(state.hours, set(state.policies.forecast), floor_us=floor_us)
    state.brought = {key: at_us for key, at_us in state.brought.items() if at_us > floor_us - BROUGHT_US}
    oldest = (floor_us - rings.SPAN_US) // BUCKET_US
    for table in (state.entities, state.members):
        idle = table.column("newest") < oldest
        if table is state.entities:
            idle &= (table.column("said") == 0) & (table.column("flags") == 0)
            idle[np.unique(table.column("org_slot")[~idle])] = False
        table.remove([slot for slot in np.flatnonzero(idle).tolist() if table.keys[slot] is not None])
    anomalies.forget(state, floor_us=floor_us)
    parts = state.credentials.column("newest")
    state.credentials.remove(np.flatnonzero((parts > 0) & (parts < floor_us // (300 * _SEC) - 24)).tolist())
