"""States of budgets that changed, as messages for `usage.rates`: at most one per org and 5 s.

Laws
1. A state is said when a row came or its limit is another one, and once more when its period ends at the floor or its
   budget is removed or opened anew. Those of a budget that is not open yet wait: a part of what it has spent is not
   what it has spent.
2. A message holds at most `MOST_STATES`, those not said for the longest first; the rest follow.
3. `silent` (in replay, where it was said already) changes nothing but that nothing is written: the state moves on.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from schemas.money import plain
from schemas.periods import instant
from schemas.signals import BUDGET_STATES_TYPE, rfc3339
from streams.burn.allowances import plan_in
from streams.burn.days import window_of
from streams.burn.limits import BudgetKey, Plan, amount_of
from streams.burn.period_table import PeriodKey, spent_in
from streams.burn.publishing import signal_of
from streams.burn.state import BurnState
from streams.ports import Output

MOST_STATES = 2000


def budget_states(state: BurnState, *, silent: bool = False) -> list[Output]:
    """The budget states to say now, orgs in order of name; what was said is marked."""
    table = state.periods
    _mark_closed(state)
    unsaid = np.flatnonzero(table.column("unsaid"))
    if len(unsaid) == 0:
        return []
    by_org: dict[str, list[int]] = {}
    for slot in unsaid[np.argsort(table.columns["said_us"][unsaid], kind="stable")].tolist():
        key = table.keys[slot]
        if key is not None and _may_say(state, key):
            by_org.setdefault(key[0], []).append(slot)
    at_us = state.clock.lead_us
    at = rfc3339(instant(at_us))
    outputs = []
    for org, slots in sorted(by_org.items()):
        chosen = slots[:MOST_STATES]
        table.will_change(np.array(chosen))
        table.columns["unsaid"][chosen] = 0
        table.columns["said_us"][chosen] = at_us
        if silent:
            continue
        plans = {} if state.policies is None else state.policies.plans
        keyed = sorted((key, slot) for slot in chosen if (key := table.keys[slot]) is not None)
        states = [_state_of(state, plan, key, slot) for key, slot in keyed if (plan := plans.get(key[:2])) is not None]
        if states:
            outputs.append(
                signal_of(BUDGET_STATES_TYPE, org, at, f"{org}/{at}/budgets", {"org": org, "at": at, "states": states})
            )
    return outputs


def _may_say(state: BurnState, key: PeriodKey) -> bool:
    """Whether the budget is open, or is no more."""
    plan = state.policies.plans.get(key[:2]) if state.policies is not None else None
    return plan is None or state.is_open(plan)


def closings(state: BurnState, gone: Mapping[BudgetKey, Plan]) -> list[Output]:
    """The last states of budgets that are no more, closed, of those periods that were said and not closed yet."""
    column = state.periods.columns
    by_org: dict[str, list[tuple[PeriodKey, int]]] = {}
    for key, slot in sorted(state.periods.slots.items()) if gone else ():
        if key[:2] in gone and column["said_us"][slot] and (column["unsaid"][slot] or not column["closed"][slot]):
            by_org.setdefault(key[0], []).append((key, slot))
    at = rfc3339(instant(state.clock.lead_us))
    outputs = []
    for org, keyed in sorted(by_org.items()):
        for first in range(0, len(keyed), MOST_STATES):
            some = keyed[first : first + MOST_STATES]
            states = [{**_state_of(state, gone[key[:2]], key, slot), "status": "closed"} for key, slot in some]
            said = {"org": org, "at": at, "states": states}
            outputs.append(signal_of(BUDGET_STATES_TYPE, org, at, f"{org}/{at}/closings/{first}", said))
    return outputs


def _mark_closed(state: BurnState) -> None:
    if state.clock.floor_us is None:
        return
    table = state.periods
    ends = table.column("end_us")
    over = np.flatnonzero((ends > 0) & (ends <= state.clock.floor_us) & (table.column("closed") == 0))
    if len(over):
        table.will_change(over)
        table.columns["closed"][over] = 1
        table.columns["unsaid"][over] = 1


@lru_cache(maxsize=4096)
def _bound(at_us: int) -> str:
    """The end of a period, which thousands of members share."""
    return rfc3339(instant(at_us))


def _state_of(state: BurnState, plan: Plan, key: PeriodKey, slot: int) -> dict[str, Any]:
    column, plan = state.periods.columns, plan_in(state.periods, plan, key, now_us=state.done.limits_us)
    budget = plan.budget
    start_us, end_us = key[3], int(column["end_us"][slot])
    if budget.period == "rolling":
        start_us, end_us = window_of(plan, state.done.limits_us)
    held = spent_in(state.periods, slot)
    spent = amount_of(held.priced, budget.unit)
    highest = plan.highest_share(held.priced)
    status = "ok" if plan.highest(held.priced) is None and plan.highest(held.with_estimates) is None else "warned"
    if (budget.limit == 0 and spent > 0) or (budget.limit > 0 and spent >= budget.limit):
        status = "breached"
    return {
        "budget_id": budget.id,
        "member": key[2] or None,
        "period_start": _bound(start_us),
        "period_end": _bound(end_us),
        "unit": budget.unit,
        "limit": plain(budget.limit),
        "spent": plain(spent),
        "estimated_usd": plain(amount_of(held.estimated, "usd")) if budget.unit == "usd" else None,
        "spent_to_limit_ratio": float(spent / budget.limit) if budget.limit else None,
        "requests": int(column["requests"][slot]),
        "unpriced_requests": int(column["unpriced"][slot]),
        "highest_threshold": None if highest is None else plain(highest),
        "forecast": None,
        "status": "closed" if column["closed"][slot] else status,
        "policy_offset": plan.since,
        "owner": budget.owner,
    }
