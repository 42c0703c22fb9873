"""Budgets and their increases as they changed over time, arranged for a walk through event time. Pure.

Laws
1. What is in force at a time is the fold of all changes logged up to it; only those that touch budgets or their
   increases are changes here.
2. A life of a budget is the time in which it matches the same: from `matched_since` until it matches something else or
   is removed. An edit of its limit begins no new life.
3. Under the rules of now the newest ones held always.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from deploy.policy_log import Logged
from schemas.periods import Calendar, days_before_us, micros, period_in
from schemas.policies import Budget, BudgetIncrease, InForce, Key, Policies, fold

BEGINNING_US = 0
"""1970: before everything that the contract accepts."""
_KINDS = ("budget", "budget_increase")


class Life(NamedTuple):
    """Which budget, and since which policy offset it matches what it matches."""

    org: str
    budget_id: str
    matched_since: int


@dataclass(frozen=True, slots=True)
class Change:
    """From `at_us` on these are in force, as the log says at `offset`."""

    at_us: int
    offset: int
    policies: Policies


class Rules:
    """The changes in order; conforms to `streams.ports.PolicyLog`."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self.changes = tuple(changes)
        self._times = [change.at_us for change in self.changes]
        self._by_offset = {change.offset: change.policies for change in self.changes}

    def latest(self) -> tuple[int, Policies]:
        """The last change."""
        return (self.changes[-1].offset, self.changes[-1].policies) if self.changes else (-1, {})

    def at(self, offset: int) -> Policies:
        """What is in force after the change at an offset. Raises: KeyError: no change stands there."""
        return self._by_offset[offset]

    def then(self, at_us: int) -> Change:
        """What is in force at a time."""
        place = bisect_right(self._times, at_us) - 1
        return self.changes[place] if place >= 0 else Change(BEGINNING_US, -1, {})

    def lives(self) -> dict[Life, Budget]:
        """Every life of every budget, as it matched; limits may have changed within."""
        return {
            Life(one.org, one.id, entry.matched_since): one
            for change in self.changes
            for entry in change.policies.values()
            if isinstance(one := entry.policy, Budget)
        }

    def is_direct(self, life: Life, at_us: int) -> bool:
        """Whether what comes at that time is counted by this life as it comes."""
        entry = self.then(at_us).policies.get(("budget", life.org, life.budget_id))
        return entry is not None and entry.matched_since == life.matched_since

    def cuts_us(self) -> list[int]:
        """The times at which something changes: sums must not reach across them."""
        turns = {
            micros(at)
            for change in self.changes
            for entry in change.policies.values()
            if isinstance(one := entry.policy, BudgetIncrease)
            for at in (one.starts, one.ends)
            if at is not None
        }
        return sorted({*self._times, *turns})


def rules_then(log: Iterable[Logged], *, org: str | None = None, budget: str | None = None) -> Rules:
    """The rules as they were at each time; of one org, or of budgets of one id, where these are named."""
    changes: list[Change] = []
    policies: Policies = {}
    for logged in log:
        policies = fold(policies, logged.change, offset=logged.offset)
        kept = {key: _plain(entry) for key, entry in policies.items() if _is_wanted(key, entry, org, budget)}
        if kept != (changes[-1].policies if changes else {}):
            changes.append(Change(micros(logged.at), logged.offset, kept))
    return Rules(changes)


def rules_now(log: Iterable[Logged], *, org: str | None = None, budget: str | None = None) -> Rules:
    """The newest rules, as if they had held always."""
    _, newest = rules_then(log, org=org, budget=budget).latest()
    always = {
        key: entry.model_copy(update={"since": 0, "matched_since": 0}) for key, entry in newest.items()
    }  # fmt: skip
    return Rules([Change(BEGINNING_US, 0, always)] if always else [])


def _is_wanted(key: Key, entry: InForce, org: str | None, budget: str | None) -> bool:
    if key[0] not in _KINDS or org not in {None, key[1]}:
        return False
    one = entry.policy
    name = one.budget if isinstance(one, BudgetIncrease) else one.id if isinstance(one, Budget) else ""
    return budget in {None, name}


def _plain(entry: InForce) -> InForce:
    """The entry without what quarters of an hour cannot tell: burn rates and forecasts."""
    if not isinstance(entry.policy, Budget):
        return entry
    quiet = {"burn_alerts": False, "forecast_alerts": False}
    return entry.model_copy(update={"policy": entry.policy.model_copy(update=quiet)})


def sums_since_us(budgets: Iterable[Budget], since_us: int) -> int:
    """From when on sums are needed to know what each budget has at `since_us`: its period, and what it carries over."""
    return min((_needed_us(one, since_us) for one in budgets), default=since_us)


def _needed_us(budget: Budget, since_us: int) -> int:
    calendar: Calendar = budget.calendar()
    if calendar.kind == "rolling":
        return days_before_us(calendar.zone, since_us, calendar.days or 1)
    period = period_in(calendar, since_us)
    if period is None:
        return since_us
    before = period_in(calendar, period.start_us - 1) if budget.roll_over else None
    return (before or period).start_us


def periods_end_us(budgets: Iterable[Budget], at_us: int) -> int:
    """When the last period ends that holds the instant; a rolling window when it has left all of them."""
    ends = [at_us]
    for one in budgets:
        calendar = one.calendar()
        period = period_in(calendar, at_us)
        if calendar.kind == "rolling":
            ends.append(at_us + (calendar.days or 1) * 86_400_000_000)
        elif period is not None:
            after = period_in(calendar, period.end_us) if one.roll_over else None
            ends.append((after or period).end_us)
    return max(ends)
