"""Which budgets burn too fast now, and which of those that did have calmed down.

Judged are members with a live row since the last judgement, once their budget is open; a budget whose limit is spent
is not judged, because its thresholds say so already. All rungs are published. In a period one notifies if it is a
ticket or a page, and more severe than everything that is open, or a ticket by which what is left lasts less than half
as long as was last told; an open rung that becomes more severe is said again.
"""

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from schemas.periods import Period, instant, micros
from schemas.signals import Alert, rfc3339
from streams.burn import messages, rings
from streams.burn.allowances import plan_in
from streams.burn.budgets import period_at
from streams.burn.burn_rules import ALWAYS_SEC, PAIRINGS, SEVERITIES, Rung, lasts_sec, rungs_of, severity_of, whole
from streams.burn.episodes import EpisodeKey
from streams.burn.limits import Pair, Plan, Unit
from streams.burn.messages import TooFast
from streams.burn.raising import raised
from streams.burn.state import UNJUDGED, BurnState

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
ONE: Pair = (0, 1)
TICKET = SEVERITIES.index("warning")
NOTHING = (0, ALWAYS_SEC)
"""Nothing is open: no severity, and nobody was told how long it lasts."""


def judge(state: BurnState, *, moments_us: list[int]) -> list[Alert]:
    """Alerts of rungs reached at one of the moments; the members are judged until their next live row.

    Those of a budget that is not open yet stay unjudged until it is.
    """
    table = state.members
    unjudged = np.flatnonzero(table.column("flags") & UNJUDGED)
    if len(unjudged) == 0:
        return []
    found: list[TooFast] = []
    seen = {at_us: _Windows(state.members.columns, unjudged, at_us) for at_us in moments_us}
    for budget_key, places in _by_budget(state, unjudged).items():
        plan = state.policies.plans.get(budget_key) if state.policies is not None else None
        if plan is not None and not state.is_open(plan):
            continue
        table.will_change(unjudged[places])
        table.columns["flags"][unjudged[places]] &= ~np.uint8(UNJUDGED)
        if plan is None or not plan.budget.burn_alerts:
            continue
        for windows in seen.values():
            for some, of_them in _under_limits(state, plan, places, windows):
                found.extend(_too_fast(state, of_them, some, windows))
    return _said(state, found)


class _Windows:
    """What some rows burnt in windows that end at one moment; each window is summed once for all of them."""

    def __init__(self, columns: rings.Columns, slots: Ints, at_us: int) -> None:
        self.slots, self.at_us = slots, at_us
        self._columns = columns
        self._summed: dict[tuple[int, Unit], tuple[Ints, Ints, Bools]] = {}

    def of(self, places: Ints, *, window_sec: int, unit: Unit) -> tuple[Ints, Ints, Bools]:
        """The amounts of the rows at these places, and whether the window is covered."""
        found = self._summed.get((window_sec, unit))
        if found is None:
            found = rings.amounts(self._columns, self.slots, window_sec=window_sec, at_us=self.at_us, unit=unit)
            self._summed[window_sec, unit] = found
        high, low, covered = found
        return high[places], low[places], covered[places]


def _under_limits(state: BurnState, plan: Plan, places: Ints, windows: _Windows) -> list[tuple[Ints, Plan]]:
    """The members, with the plan under the limit that each has now: all together where that is the same for all."""
    if not plan.varies:
        return [(places, plan)]
    period = period_at(plan, windows.at_us)
    if period is None:
        return []
    slots = windows.slots[places].tolist()
    keys = [(*(state.members.keys[slot] or ("", "", "")), period.start_us) for slot in slots]
    plans = [plan_in(state.periods, plan, key, now_us=state.done.limits_us) for key in keys]
    return [(places[index : index + 1], one) for index, one in enumerate(plans)]


def _by_budget(state: BurnState, slots: Ints) -> dict[tuple[str, str], Ints]:
    """Where the members of each budget stand among the slots."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, slot in enumerate(slots.tolist()):
        key = state.members.keys[slot]
        if key is not None:
            groups[key[:2]].append(place)
    return {key: np.array(group, np.int64) for key, group in groups.items()}


def _too_fast(state: BurnState, plan: Plan, places: Ints, windows: _Windows) -> list[TooFast]:
    period = period_at(plan, windows.at_us)
    if period is None:
        return []
    unit = plan.budget.unit
    found = []
    for rung in rungs_of(plan.budget, nominal_sec=period.nominal_sec):
        high, low, covered = windows.of(places, window_sec=rung.pairing.long_sec, unit=unit)
        reached = covered & _at_least(high, low, rung.need_long)
        if not reached.any():
            continue
        some, high, low = places[reached], high[reached], low[reached]
        short_high, short_low, covered = windows.of(some, window_sec=rung.pairing.short_sec, unit=unit)
        for index in np.flatnonzero(covered & _at_least(short_high, short_low, rung.need_short)).tolist():
            key = state.members.keys[int(windows.slots[some[index]])]
            spent = (0, 0) if key is None else _spent(state, plan, key[2], period)
            if key is None or spent >= max(plan.limit, ONE):
                continue
            long, short = (int(high[index]), int(low[index])), (int(short_high[index]), int(short_low[index]))
            one = _unless_it_lasts(plan, key[2], period, rung, (long, short, spent), at_us=windows.at_us)
            found += [] if one is None else [one]
    return found


def _unless_it_lasts(  # noqa: PLR0913  one rung of one member
    plan: Plan, member: str, period: Period, rung: Rung, amounts: tuple[Pair, Pair, Pair], *, at_us: int
) -> TooFast | None:
    """What is too fast and how urgent, of amounts in the long window, in the short one and in the period."""
    unit = plan.budget.unit
    long, short, spent = (whole(amount, unit) for amount in amounts)
    lasts = lasts_sec(rung.pairing, left=whole(plan.limit, unit) - spent, long=long, short=short)
    rest = min((period.end_us - at_us) // 1_000_000, period.nominal_sec)
    severity = severity_of(rung.pairing, unit, lasts=lasts, rest=rest, long=long)
    if severity is None:
        return None
    return TooFast(plan, member, period, rung, amounts[0], amounts[1], severity=severity, lasts_sec=lasts)


def _at_least(high: Ints, low: Ints, need: Pair) -> Bools:
    reached: Bools = (high > need[0]) | ((high == need[0]) & (low >= need[1]))
    return reached


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


def resolve(state: BurnState, *, floor_us: int) -> list[Alert]:
    """Closing alerts of rungs whose short window has been calm for long enough at the floor."""
    alerts = []
    keys = state.episodes.of_rule("burn_rate")
    for key, calm in zip(keys, _calm(state, keys, at_us=floor_us), strict=True):
        episode = state.episodes.open[key]
        if calm is None:
            continue
        if not calm:
            episode.quiet_since_us = 0
        elif episode.quiet_since_us == 0:
            episode.quiet_since_us = floor_us
        elif floor_us - episode.quiet_since_us >= int(episode.alert.evidence["long_window_sec"]) * 1_000_000:
            at = instant(state.clock.lead_us)
            alerts.append(state.episodes.resolve(key, at=at, why="calmed_down", because="it has slowed down"))
    return alerts


def is_calm(state: BurnState, key: EpisodeKey, *, at_us: int) -> bool | None:
    """Whether the rung's short window is below what clears it; None where the window cannot be seen."""
    return _calm(state, [key], at_us=at_us)[0]


def _calm(state: BurnState, keys: list[EpisodeKey], *, at_us: int) -> list[bool | None]:
    """`is_calm` of each; every window is summed once for all of them."""
    calm: list[bool | None] = [True] * len(keys)
    seen: dict[tuple[int, Unit], list[tuple[int, int, Pair]]] = defaultdict(list)
    rungs: dict[tuple[str, ...], Rung | None] = {}
    for index, key in enumerate(keys):
        plan = state.policies.plans.get((key[1], key[2])) if state.policies is not None else None
        slot = state.members.slots.get((key[1], key[2], key[3]))
        if plan is None or slot is None:
            continue
        alike = key if plan.varies else (key[1], key[2], *key[4:])
        if alike not in rungs:
            rungs[alike] = _rung_of(plan, state, key)
        rung = rungs[alike]
        if rung is not None:
            seen[rung.pairing.short_sec, plan.budget.unit].append((index, slot, rung.clear_short))
    for (window_sec, unit), some in seen.items():
        slots = np.array([slot for _, slot, _ in some], np.int64)
        found = rings.amounts(state.members.columns, slots, window_sec=window_sec, at_us=at_us, unit=unit)
        for (index, _, clear), high, low, covered in zip(some, *(one.tolist() for one in found), strict=True):
            calm[index] = (high, low) < clear if covered else None
    return calm


def _rung_of(plan: Plan, state: BurnState, key: EpisodeKey) -> Rung | None:
    start = state.episodes.open[key].alert.period_start
    period = period_at(plan, 0 if start is None else micros(start))
    if period is None:
        return None
    mine = plan_in(state.periods, plan, (*key[1:4], period.start_us), now_us=state.done.limits_us)
    rungs = rungs_of(mine.budget, nominal_sec=period.nominal_sec)
    return next((rung for rung in rungs if rung.level == key[5]), None)
