"""What `burnline top` shows, as values. Pure.

Laws
1. People stand in a picture only if their team was named.
2. What is not known is None or counted apart, never 0: a slot of the past in which nothing was said, calls without a
   price, a band that nobody has forecast.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from sinks.burning_questions import LONG_SEC, SLOTS, Sort

LATE_SEC = 120.0
"""Burn says again each minute what burnt within the hour, so rates twice as old mean that something is behind."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What burnt in five minutes of the past."""

    usd_per_hour: Decimal
    tokens_per_min: Decimal


Past = tuple[Piece | None, ...]
"""The twelve pieces of the last hour, the oldest first; None where nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burner:
    """One that burns: rates of five minutes that end at `window_end`; requests, tokens and cost of the hour.

    `unpriced_requests` and `ceiling_usd`, what these may cost at most, are of the time since the picture's
    `unpriced_since`.
    """

    org: str
    entity_type: str
    entity_id: str
    window_end: datetime
    usd_per_hour: Decimal
    tokens_per_min: Decimal
    requests_short: int
    requests: int
    tokens: int
    cost_usd: Decimal
    unpriced_requests: int = 0
    ceiling_usd: Decimal = Decimal(0)
    past: Past = (None,) * SLOTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The burners of one kind in order; `more` says that there are others."""

    entity_type: str
    burners: tuple[Burner, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Band:
    """What will have been spent at the end of the period, in the budget's unit: one chance in ten below, one above."""

    p10: Decimal
    p50: Decimal
    p90: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLine:
    """A budget in its running period; of one for each member the sums of all, and the fullest one's ratio.

    `members` is 0 where the budget has none. `estimated_usd` is what calls without a price may take on top.
    """

    org: str
    budget_id: str
    members: int
    breached: int
    unit: str
    limit: Decimal
    spent: Decimal
    estimated_usd: Decimal | None
    spent_to_limit_ratio: float | None
    status: str
    period_start: datetime
    period_end: datetime
    owner: str
    band: Band | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLine:
    """A live alert that is not over."""

    alert_id: str
    severity: str
    status: str
    org: str
    entity_type: str
    entity_id: str
    rule: str
    level: str
    opened_at: datetime
    owner: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Everything that is shown at once. `totals` has one burner for each organisation; `as_of` is how new rates are."""

    as_of: datetime | None
    totals: tuple[Burner, ...]
    sections: tuple[Section, ...]
    budgets: tuple[BudgetLine, ...]
    alerts: tuple[AlertLine, ...]
    open_alerts: int
    unpriced_models: tuple[tuple[str, int], ...]
    unpriced_since: datetime
    last_used: datetime | None
    org: str | None = None
    team: str | None = None
    sort: Sort = "usd"

    def burns(self) -> bool:
        """Whether anything burnt in the hour before `as_of`."""
        return any(total.requests or total.tokens or total.cost_usd for total in self.totals)

    def age_sec(self, now: datetime) -> float | None:
        """How old the rates are; None where there are none. A broker's clock may be ahead of ours."""
        return None if self.as_of is None else max(0.0, (now - self.as_of).total_seconds())

    def is_behind(self, now: datetime) -> bool:
        """Whether usage came after these rates that they should know."""
        age_sec = self.age_sec(now)
        if age_sec is None or age_sec <= LATE_SEC:
            return False
        quarter = timedelta(minutes=15)
        used_since = self.last_used is not None and self.as_of is not None and self.last_used >= self.as_of
        recently = self.last_used is not None and self.last_used + quarter > now - timedelta(seconds=LONG_SEC)
        return self.burns() or (used_since and recently)


def collapsed(rows: Iterable[Mapping[str, Any]]) -> list[BudgetLine]:
    """One line for each budget, the fullest first: members, who may be people, are counted and not named."""
    found = []
    key = ("org", "budget_id", "unit")
    for _, grouped in groupby(sorted(rows, key=lambda row: [row[name] for name in key]), lambda r: [r[n] for n in key]):
        one = list(grouped)
        ratios = [row["spent_to_limit_ratio"] for row in one if row["spent_to_limit_ratio"] is not None]
        estimates = [row["estimated_usd"] for row in one if row["estimated_usd"] is not None]
        breached = sum(row["status"] == "breached" for row in one)
        worst = max((row["status"] for row in one), key=("closed", "ok", "warned", "breached").index)
        found.append(
            BudgetLine(
                org=one[0]["org"],
                budget_id=one[0]["budget_id"],
                members=len(one) if any(row["member"] for row in one) else 0,
                breached=breached,
                unit=one[0]["unit"],
                limit=sum((row["limit"] for row in one), Decimal(0)),
                spent=sum((row["spent"] for row in one), Decimal(0)),
                estimated_usd=sum(estimates, Decimal(0)) if estimates else None,
                spent_to_limit_ratio=max(ratios, default=None),
                status=worst,
                period_start=min(row["period_start"] for row in one),
                period_end=max(row["period_end"] for row in one),
                owner=one[0]["owner"],
            )
        )
    return sorted(found, key=lambda line: (-_fullness(line), line.org, line.budget_id))


def _fullness(line: BudgetLine) -> float:
    """A budget of zero is breached by any spend."""
    if line.spent_to_limit_ratio is None:
        return float("inf") if line.spent > 0 else 0.0
    return line.spent_to_limit_ratio
