"""Budgets that are commitments: what was promised to be spent in a period, and was not, is said when it is over.

Laws
1. A period is judged once, when it is over at the floor; spend is what has a price. Nothing spent at all counts, too,
   but of a budget for each member only members that have spent anything are known.
2. What is unused is said if it is a thousandth of the commitment or more, or `LEAST_SPEND` of the unit or more: one
   that was missed by a fraction of a cent was kept.
3. Late events that reach the limit resolve it (`late_events`); else it stands until nothing live can come any more,
   and is closed with what it came to. A budget that is no commitment any more ends it at once.
"""

from schemas.periods import Period, instant, micros
from schemas.signals import Alert
from streams.burn import messages
from streams.burn.allowances import plan_in
from streams.burn.budgets import period_at
from streams.burn.burn_rules import LEAST_SPEND, whole
from streams.burn.limits import BudgetKey, Pair, Plan, amount_of, need_of
from streams.burn.period_table import KEEP_US, PeriodKey, spent_in
from streams.burn.raising import raised
from streams.burn.state import BurnState

RULE = "commitment"
NOTEWORTHY = 1000
QUARTER_US = 900_000_000
"""Every period begins on a quarter of an hour of UTC."""


def judge(state: BurnState, *, before_us: int | None, floor_us: int) -> list[Alert]:
    """Alerts of the periods that are over at the floor and were not when it was at `before_us`."""
    if state.policies is None or before_us is None or before_us // QUARTER_US == floor_us // QUARTER_US:
        return []
    found = []
    for key, plan in sorted(state.policies.plans.items()):
        if plan.budget.commitment and state.is_open(plan):
            found += [
                draft for period in _over(plan, before_us, floor_us) for draft in _unused(state, key, plan, period)
            ]
    said = (raised(state, draft) for draft in found)
    return [alert for alert in said if alert is not None]


def resolve(state: BurnState, *, floor_us: int) -> list[Alert]:
    """Closing alerts of periods that late events have filled, or that nothing can fill any more."""
    alerts = []
    at = instant(state.clock.lead_us)
    for key in state.episodes.of_rule(RULE):
        alert = state.episodes.open[key].alert
        plan = state.policies.plans.get((key[1], key[2])) if state.policies is not None else None
        period = period_at(plan, micros(alert.period_start)) if plan is not None and alert.period_start else None
        if plan is None or period is None:
            continue
        draft = _draft(state, plan, (*key[1:4], period.start_us), period)
        if not plan.budget.commitment:
            because = "it is no commitment any more"
            alerts.append(state.episodes.resolve(key, at=at, why="limit_changed", because=because))
        elif draft is None:
            alerts.append(state.episodes.resolve(key, at=at, why="late_events"))
        elif period.end_us + KEEP_US <= floor_us:
            alerts.append(state.episodes.resolve(key, at=at, why="period_over", numbers=draft))
    return alerts


def _over(plan: Plan, before_us: int, floor_us: int) -> list[Period]:
    """The periods that end after the one moment and up to the other."""
    found = []
    period = period_at(plan, before_us // QUARTER_US * QUARTER_US)
    while period is not None and period.end_us <= floor_us:
        if period.end_us > before_us:
            found.append(period)
        period = period_at(plan, period.end_us)
    return found


def _unused(state: BurnState, key: BudgetKey, plan: Plan, period: Period) -> list[Alert]:
    keys: list[PeriodKey] = [(*key, "", period.start_us)]
    if plan.budget.each is not None:
        keys = sorted(k for k in state.periods.slots if k[:2] == key and k[3] == period.start_us)
    drafts = (_draft(state, plan, one, period) for one in keys)
    return [draft for draft in drafts if draft is not None]


def _is_kept(plan: Plan, spent: Pair) -> bool:
    """Whether what is left of a commitment is so little that nobody wants to hear of it."""
    unit = plan.budget.unit
    unused = whole(plan.limit, unit) - whole(spent, unit)
    return unused * NOTEWORTHY < whole(plan.limit, unit) and unused < whole(need_of(LEAST_SPEND[unit], unit), unit)


def _draft(state: BurnState, plan: Plan, key: PeriodKey, period: Period) -> Alert | None:
    """What is not used of a commitment; None where all of it is."""
    mine = plan_in(state.periods, plan, key, now_us=state.done.limits_us)
    slot = state.periods.slots.get(key)
    spent = (0, 0) if slot is None else spent_in(state.periods, slot).priced
    if spent >= mine.limit or _is_kept(mine, spent):
        return None
    at = instant(state.clock.lead_us)
    return messages.commitment_alert(mine, key[2], period, amount_of(spent, plan.budget.unit), at=at)
