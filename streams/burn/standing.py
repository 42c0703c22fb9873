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
from streams.burn.burn_rules import whole
from streams.burn.days import window_of
from streams.burn.limits import BudgetKey, Pair, Plan, Unit
from streams.burn.period_table import PeriodKey, spent_in
from streams.burn.publishing import EVERY_US, rates, signal_of, usd_text
from streams.burn.spent import Spent
from streams.burn.state import BurnState
from streams.ports import Output

MOST_STATES = 2000
LEAST: Pair = (0, 1)
"""Any spend breaches a limit of zero."""


def publish(state: BurnState, *, silent: bool = False) -> list[Output]:
    """Rates at each 5 s of the lead, and budget states halfway between: each takes a good part of a tick."""
    lead_us, done, half_us = state.clock.lead_us, state.done, EVERY_US // 2
    outputs: list[Output] = []
    if lead_us // EVERY_US > done.said_us // EVERY_US:
        done.said_us = lead_us
        outputs += rates(state, silent=silent)
    if (lead_us + half_us) // EVERY_US > (done.states_us + half_us) // EVERY_US:
        done.states_us = lead_us
        outputs += budget_states(state, silent=silent)
    return outputs


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
    warned = bool(plan.steps) and max(held.priced, held.with_estimates) >= plan.steps[0].need
    highest = plan.highest_share(held.priced) if warned else None
    status = "warned" if warned else "ok"
    if held.priced >= max(plan.limit, LEAST):
        status = "breached"
    spent, limit = whole(held.priced, budget.unit), whole(plan.limit, budget.unit)
    return {
        "budget_id": budget.id,
        "member": key[2] or None,
        "period_start": _bound(start_us),
        "period_end": _bound(end_us),
        "unit": budget.unit,
        "limit": plain(budget.limit),
        "spent": usd_text(spent) if budget.unit == "usd" else str(spent),
        "estimated_usd": usd_text(whole(held.estimated, "usd")) if budget.unit == "usd" else None,
        "spent_to_limit_ratio": spent / limit if limit else None,
        "requests": int(column["requests"][slot]),
        "unpriced_requests": int(column["unpriced"][slot]),
        "highest_threshold": None if highest is None else plain(highest),
        "forecast": _likely_end(state, key, held, budget.unit),
        "status": "closed" if column["closed"][slot] else status,
        "policy_offset": plan.since,
        "owner": budget.owner,
    }


def _likely_end(state: BurnState, key: PeriodKey, held: Spent, unit: Unit) -> str | None:
    """P50 of the end of the period as of the last judgement (outlook.py), and never less than what is spent."""
    slot = state.hours.slots.get(key[:3])
    if slot is None or not key[3] or state.hours.columns["of_period_us"][slot] != key[3]:
        return None
    end = max((int(state.hours.columns["likely_end"][slot]), 0), held.priced)
    return usd_text(whole(end, unit)) if unit == "usd" else str(end[0])
