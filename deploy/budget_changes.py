"""What a correction will do to the budgets whose period is open: exact sums of what it takes away and adds. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from schemas.policies import Budget, Policies
from sinks.periods import period_starts, start_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moved(NamedTuple):
    """What changes for events alike in all that budgets look at, within one quarter of an hour."""

    names: Mapping[str, str]  # by field; '' where an event says nothing
    at: datetime
    requests: int
    tokens: int
    cost_usd: Decimal


@dataclass(slots=True)
class BudgetChange:
    """What the open period of a budget, or of a member of it, gains; negative is what it loses."""

    org: str
    budget_id: str
    member: str
    period: str
    period_start: datetime
    unit: str
    change: Decimal = Decimal(0)

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {name: getattr(self, name) for name in self.__slots__}


def fields_of(policies: Policies) -> tuple[str, ...]:
    """The columns of the ledger that budgets in force look at."""
    found = {"org"}
    for budget in _budgets(policies):
        found |= {*budget.scope, *([budget.each] if budget.each else []), *(["pool"] if budget.multipliers else [])}
    return tuple(sorted(found))


def budget_changes(policies: Policies, moved: Iterable[Moved], *, now: datetime) -> list[BudgetChange]:
    """The budgets whose open period changes, by organisation, budget and member."""
    budgets = [(budget, _open_since(budget, now)) for budget in _budgets(policies)]
    found: dict[tuple[str, str, str], BudgetChange] = {}
    for one in moved:
        for budget, since in budgets:
            if one.at < since or not _matches(budget, one.names):
                continue
            member = one.names[budget.each] if budget.each else ""
            key = (budget.org, budget.id, member)
            if key not in found:
                found[key] = BudgetChange(*key, budget.period, since, budget.unit)
            amounts = {"usd": one.cost_usd, "requests": Decimal(one.requests), "tokens": Decimal(one.tokens)}
            times = budget.multipliers.get(one.names["pool"], 1) if budget.multipliers else 1
            found[key].change += amounts[budget.unit] * times
    return [found[key] for key in sorted(found) if found[key].change]


def _budgets(policies: Policies) -> list[Budget]:
    return [entry.policy for entry in policies.values() if isinstance(entry.policy, Budget)]


def _matches(budget: Budget, names: Mapping[str, str]) -> bool:
    if names["org"] != budget.org or any(names[name] != value for name, value in budget.scope.items()):
        return False
    return budget.each is None or bool(names[budget.each])


def _open_since(budget: Budget, now: datetime) -> datetime:
    if budget.period == "hour":
        return now.astimezone(budget.zone()).replace(minute=0, second=0, microsecond=0).astimezone(UTC)
    if budget.period == "rolling":
        now -= timedelta(days=(budget.days or 1) - 1)
    at_us = (now - _EPOCH) // timedelta(microseconds=1)
    starts = period_starts(budget.calendar(), floor_us=at_us, lead_us=at_us)
    return _EPOCH + timedelta(microseconds=start_of(starts, at_us))
