"""Which budgets burn too fast now; calming.py has which of those that did have calmed down.

Judged are members with a live row since the last judgement, once their budget is open; a budget whose limit is spent
is not judged, because its thresholds say so already. All rungs are published. In a period one notifies if it is a
ticket or a page, and more severe than everything that is open, or a ticket by which what is left lasts less than half
as long as was last told; an open rung that becomes more severe is said again.
"""

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from schemas.periods import Period, instant
from schemas.signals import Alert, rfc3339
from streams.burn import messages
from streams.burn.allowances import plan_in
from streams.burn.budgets import period_at
from streams.burn.burn_rules import (
    ALWAYS_SEC,
    LEAST_SPEND,
    PAIRINGS,
    SEVERITIES,
    Pairing,
    Rung,
    factor_of,
    lasts,
    pairings_of,
    rungs_of,
    severity_of,
    whole,
)
from streams.burn.limits import Pair, Plan, Unit, need_of
from streams.burn.messages import TooFast
from streams.burn.paces import Paces, in_windows, paces_of
from streams.burn.raising import raised
from streams.burn.state import UNJUDGED, BurnState

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
ONE: Pair = (0, 1)
TICKET = SEVERITIES.index("warning")
NOTHING = (0, ALWAYS_SEC)
"""Nothing is open: no severity, and nobody was told how long it lasts."""
_NEARLY = 1 - 1e-9
"""What is looked at exactly: a float is that near at least."""


def judge(state: BurnState, *, moments_us: list[int]) -> list[Alert]:
    """Alerts of rungs reached at one of the moments; the members are judged until their next live row.

    Those of a budget that is not open yet stay unjudged until it is.
    """
    table = state.members
    unjudged = np.flatnonzero(table.column("flags") & UNJUDGED)
    if len(unjudged) == 0:
        return []
    groups = _by_budget(state, unjudged)
    plans: list[Plan | None] = [None] * len(unjudged)
    waiting: set[int] = set()
    for budget_key, places in groups.items():
        plan = state.policies.plans.get(budget_key) if state.policies is not None else None
        if plan is not None and not state.is_open(plan):
            waiting |= set(places)
            continue
        for place in places:
            plans[place] = plan
    done = unjudged[[place for place in range(len(unjudged)) if place not in waiting]] if waiting else unjudged
    table.will_change(done)
    table.columns["flags"][done] &= ~np.uint8(UNJUDGED)
    found: list[TooFast] = []
    for paces in paces_of(state, unjudged.tolist(), plans, moments_us):
        for (unit, period), some in _alike(state, plans, groups, paces).items():
            found += _too_fast(state, some, unit, period, paces)
    return _said(state, found)


def _alike(
    state: BurnState, plans: list[Plan | None], groups: dict[tuple[str, str], list[int]], paces: Paces
) -> dict[tuple[Unit, Period], list[tuple[int, Plan]]]:
    """Where members stand that have a unit and a period in common, each with the plan under its limit."""
    found: dict[tuple[Unit, Period], list[tuple[int, Plan]]] = defaultdict(list)
    for places in groups.values():
        plan = plans[places[0]]
        period = period_at(plan, paces.at_us) if plan is not None and plan.budget.burn_alerts else None
        if plan is None or period is None:
            continue
        under = [plan] * len(places) if not plan.varies else [_under(state, plan, paces, at, period) for at in places]
        found[plan.budget.unit, period] += zip(places, under, strict=True)
    return found


def _under(state: BurnState, plan: Plan, paces: Paces, place: int, period: Period) -> Plan:
    """The plan under the limit that a member has now."""
    key = state.members.keys[int(paces.slots[place])] or ("", "", "")
    return plan_in(state.periods, plan, (*key, period.start_us), now_us=state.done.limits_us)


def _by_budget(state: BurnState, slots: Ints) -> dict[tuple[str, str], list[int]]:
    """Where the members of each budget stand among the slots."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, slot in enumerate(slots.tolist()):
        key = state.members.keys[slot]
        if key is not None:
            groups[key[:2]].append(place)
    return groups


def _too_fast(
    state: BurnState, some: list[tuple[int, Plan]], unit: Unit, period: Period, paces: Paces
) -> list[TooFast]:
    some = [one for one in some if one[1].budget.limit]
    places = np.array([place for place, _ in some], np.int64)
    limits = np.array([in_windows(plan.limit) for _, plan in some])
    found = []
    for step, pairing in enumerate(pairings_of(period.nominal_sec)):
        for index in _near(pairing, unit, limits, places, paces, period).tolist():
            place, plan = some[index]
            key = state.members.keys[int(paces.slots[place])]
            spent = (0, 0) if key is None else _spent(state, plan, key[2], period)
            rungs = rungs_of(plan.budget, nominal_sec=period.nominal_sec)
            if key is None or not rungs or spent >= max(plan.limit, ONE):
                continue
            one = _reached(plan, key[2], period, rungs[step], spent, paces, place)
            found += [] if one is None else [one]
    return found


def _near(  # noqa: PLR0913, PLR0917  a rung's terms
    pairing: Pairing, unit: Unit, limits: Floats, places: Ints, paces: Paces, period: Period
) -> Ints:
    """Which of the places reach in both windows what the rung needs, as nearly as floats can tell: all that do."""
    chosen = np.arange(len(places))
    least = float(in_windows(need_of(LEAST_SPEND[unit], unit)))
    factor = float(factor_of(pairing, nominal_sec=period.nominal_sec))
    per_time = limits * factor / paces.in_period(places, period)
    for window_sec, at_least in ((pairing.long_sec, least), (pairing.short_sec, 0.0)):
        high, _, covered = paces.burnt(places[chosen], window_sec=window_sec, unit=unit)
        need = np.maximum(per_time[chosen] * paces.in_window(places[chosen], window_sec), at_least)
        chosen = chosen[covered & (high >= need * _NEARLY - 1)]
        if len(chosen) == 0:
            break
    return chosen


def _reached(  # noqa: PLR0913, PLR0917  one rung of one member
    plan: Plan, member: str, period: Period, rung: Rung, spent: Pair, paces: Paces, place: int
) -> TooFast | None:
    """What is too fast and how urgent; None where it is not, or the budget lasts."""
    unit, pairing, here = rung.unit, rung.pairing, np.array([place])
    windows = [paces.burnt(here, window_sec=sec, unit=unit) for sec in (pairing.long_sec, pairing.short_sec)]
    long, short = ((int(high[0]), int(low[0])) for high, low, _ in windows)
    expected = paces.expected(place, pairing, period)
    need_long, need_short = rung.needs(expected)
    if long < need_long or short < need_short:
        return None
    burnt = {
        "left": whole(plan.limit, unit) - whole(spent, unit),
        "long": whole(long, unit),
        "short": whole(short, unit),
    }
    as_expected_sec = paces.walked_sec(place, lasts(expected, **burnt))
    lasts_sec = max(lasts(rung.flat(), **burnt), as_expected_sec)
    rest_sec = min((period.end_us - paces.at_us) // 1_000_000, period.nominal_sec)
    severity = severity_of(pairing, unit, lasts_sec=lasts_sec, rest_sec=rest_sec, long=burnt["long"])
    if severity is None:
        return None
    return TooFast(plan, member, period, rung, expected, long, short, spent, severity, lasts_sec)


def _spent(state: BurnState, plan: Plan, member: str, period: Period) -> Pair:
    slot = state.periods.slots.get((plan.budget.org, plan.budget.id, member, period.start_us))
    if slot is None:
        return (0, 0)
    return (int(state.periods.columns["high"][slot]), int(state.periods.columns["low"][slot]))


def _urgency(found: TooFast) -> tuple[str, str, str, int, int]:
    budget = found.plan.budget
    return (budget.org, budget.id, found.member, PAIRINGS.index(found.rung.pairing), found.period.start_us)


def _said(state: BurnState, found: list[TooFast]) -> list[Alert]:
    if not found:
        return []
    at = instant(state.clock.lead_us)
    alerts = []
    told = _told(state)
    for one in sorted(found, key=_urgency):
        budget = one.plan.budget
        start = "" if budget.period == "rolling" else rfc3339(instant(one.period.start_us))
        whose, severity = (budget.org, budget.id, one.member, start), SEVERITIES.index(one.severity)
        held = state.episodes.open.get(("burn_rate", *whose, one.rung.level))
        if held is not None and SEVERITIES.index(held.alert.severity) >= severity:
            continue
        severe, lasts = told.get(whose, NOTHING)
        notify = severity > severe or (severity == severe == TICKET and one.lasts_sec * 2 < lasts)
        alert = raised(state, messages.burn_rate_alert(one, at=at, notify=notify))
        if alert is not None:
            told[whose] = (max(severity, severe), min(one.lasts_sec, lasts) if notify else lasts)
            alerts.append(alert)
    return alerts


def _told(state: BurnState) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    """Of each member and period the highest severity that is open, and the shortest time that was told to be left."""
    found: dict[tuple[str, str, str, str], tuple[int, int]] = {}
    for key in state.episodes.of_rule("burn_rate"):
        whose, alert = (key[1], key[2], key[3], key[4]), state.episodes.open[key].alert
        severe, lasts = found.get(whose, NOTHING)
        told_sec = int(alert.evidence.get("lasts_sec", ALWAYS_SEC)) if alert.notify else ALWAYS_SEC
        found[whose] = (max(severe, SEVERITIES.index(alert.severity)), min(lasts, told_sec))
    return found
