"""Burn rates and budget states that changed, as messages for `usage.rates`: at most one of each per org and 5 s.

Laws
1. An entity is said when a row came since it was last said, each minute while its last hour is above zero (what it
   burns falls as time passes), and once more for each window that has fallen to zero at the floor. Budget states are
   said when a row came, and once more when their period ends at the floor or their budget is removed or opened anew;
   those of a budget that is not open yet wait, because a part of what it has spent is not what it has spent.
2. A message holds at most `MOST_RATES` entities, those not said for the longest first; the rest follow.
3. `silent` (in replay, where it was said already) changes nothing but that nothing is written: the state moves on.
4. Amounts are exact; rates per hour are cut to the pico-USD, tokens per minute to three decimals.
The JSON is written by hand from integers, because pydantic takes 50 times as long; a test holds it to the models.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.money import plain
from schemas.periods import instant
from schemas.signals import BUDGET_STATES_TYPE, RATES_TYPE, rfc3339
from streams.burn import rings
from streams.burn.allowances import plan_in
from streams.burn.days import window_of
from streams.burn.limits import BudgetKey, Plan, amount_of
from streams.burn.period_table import PeriodKey, spent_in
from streams.burn.state import UNSAID, BurnState
from streams.ports import Output

Ints = npt.NDArray[np.int64]

SAID_WINDOWS_SEC = (300, 3600, 21600, 86400, 259200)
EVERY_US = 5_000_000
AGAIN_US = 60_000_000
MOST_RATES = 1000
MOST_STATES = 2000


def rates(state: BurnState, *, silent: bool = False) -> list[Output]:
    """The rates to say now, orgs in order of name; what was said is marked."""
    table = state.entities
    unsaid = _unsaid_entities(state)
    if len(unsaid) == 0:
        return []
    outputs = []
    org = table.columns["org_slot"][unsaid]
    names = {int(slot): (table.keys[int(slot)] or ("",))[0] for slot in np.unique(org)}
    for org_slot, name in sorted(names.items(), key=lambda item: item[1]):
        slots = unsaid[org == org_slot]
        order = np.argsort(table.columns["said_us"][slots], kind="stable")
        chosen = slots[order[:MOST_RATES]]
        table.will_change(chosen)
        by_window = _sums_by_window(state, chosen)
        if not silent:
            outputs.append(_rates_of(state, name, chosen, by_window))
        table.columns["said_us"][chosen] = state.clock.lead_us
        table.columns["flags"][chosen] &= ~np.uint8(UNSAID)
    return outputs


def held_back(state: BurnState) -> int:
    """How many entities and budget states have changed since they were last said."""
    entities = np.count_nonzero(state.entities.column("flags") & UNSAID)
    return int(entities) + int(np.count_nonzero(state.periods.column("unsaid")))


def _unsaid_entities(state: BurnState) -> Ints:
    table = state.entities
    unsaid = (table.column("flags") & UNSAID) != 0
    said, newest = table.column("said"), table.column("newest")
    this_hour = (said & (1 << SAID_WINDOWS_SEC.index(3600))) != 0
    unsaid |= this_hour & (table.column("said_us") <= state.clock.lead_us - AGAIN_US)
    if state.clock.floor_us is not None and said.any():
        for bit, window_sec in enumerate(SAID_WINDOWS_SEC):
            ring = rings.WINDOW_RING[window_sec]
            first, _ = rings.window_cells(ring, window_us=window_sec * 1_000_000, at_us=state.clock.floor_us)
            unsaid |= ((said & (1 << bit)) != 0) & (newest // ring.buckets < first)
    return np.flatnonzero(unsaid)


def _sums_by_window(state: BurnState, slots: Ints) -> list[rings.Sums]:
    """What each window of these rows holds now; which of them are above zero is marked."""
    at_us, columns = state.clock.lead_us, state.entities.columns
    by_window = [rings.sums(columns, slots, window_sec=window_sec, at_us=at_us) for window_sec in SAID_WINDOWS_SEC]
    said = np.zeros(len(slots), np.uint8)
    for bit, found in enumerate(by_window):
        said |= ((found.requests != 0) | (found.micro != 0) | (found.tokens != 0)).astype(np.uint8) << bit
    columns["said"][slots] = said
    return by_window


def _rates_of(state: BurnState, org: str, slots: Ints, sums: list[rings.Sums]) -> Output:
    by_window: list[list[dict[str, Any]]] = []
    for window_sec, found in zip(SAID_WINDOWS_SEC, sums, strict=True):
        columns = (found.requests, found.tokens, found.micro, found.pico)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        by_window.append([_window(window_sec, *row) for row in rows])
    keys = [state.entities.keys[slot] or ("", "", "") for slot in slots.tolist()]
    entities = sorted(
        (
            {"entity_type": key[1], "entity_id": key[2], "windows": list(windows)}
            for key, windows in zip(keys, zip(*by_window, strict=True), strict=True)
        ),
        key=lambda rate: (rate["entity_type"], rate["entity_id"]),
    )
    end = rfc3339(instant(state.clock.lead_us))
    return _output(RATES_TYPE, org, end, f"{org}/{end}", {"org": org, "window_end": end, "rates": entities})


def _window(window_sec: int, requests: int, tokens: int, micro: int, pico: int) -> dict[str, Any]:
    cost_pico = micro * 1_000_000 + pico
    return {
        "window_sec": window_sec,
        "requests": requests,
        "tokens": tokens,
        "cost_usd": usd_text(cost_pico),
        "usd_per_hour": usd_text(cost_pico * 3600 // window_sec),
        "tokens_per_min": decimal_text(tokens * 60_000 // window_sec, places=3),
    }


def usd_text(pico_usd: int) -> str:
    """Exact USD as plain text."""
    return decimal_text(pico_usd, places=12)


def decimal_text(number: int, *, places: int) -> str:
    """An integer with its decimal point moved left, without trailing zeros."""
    if number < 0:
        return f"-{decimal_text(-number, places=places)}"
    digits = str(number)
    if len(digits) <= places:
        digits = digits.zfill(places + 1)
    rest = digits[-places:].rstrip("0")
    return f"{digits[:-places]}.{rest}" if rest else digits[:-places]


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
                _output(BUDGET_STATES_TYPE, org, at, f"{org}/{at}/budgets", {"org": org, "at": at, "states": states})
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
            outputs.append(_output(BUDGET_STATES_TYPE, org, at, f"{org}/{at}/closings/{first}", said))
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
        "period_start": rfc3339(instant(start_us)),
        "period_end": rfc3339(instant(end_us)),
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


def _output(kind: str, org: str, at: str, signal_id: str, data: dict[str, Any]) -> Output:
    signal = {
        "specversion": "1.0",
        "type": kind,
        "source": "burnline",
        "id": signal_id,
        "time": at,
        "subject": f"org/{org}",
        "datacontenttype": "application/json",
        "data": data,
    }
    return Output(topic="usage.rates", key=org.encode(), value=msgspec.json.encode(signal))
