"""What alerts by forecast say: what will likely have been spent when the period ends, and how surely that is known."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal, NamedTuple

from schemas.money import plain
from schemas.periods import Period, instant
from schemas.policies import Budget
from schemas.signals import Alert, rfc3339
from streams.burn.amounts import shown, unit_name
from streams.burn.limits import Plan, Unit
from streams.burn.messages import draft, labels_of, period_from, shown_limit, whose
from streams.forecast import Forecast

Rule = Literal["exhaustion", "under_use"]
LEVEL = "forecast"
_PLACES = {"usd": Decimal("0.01"), "tokens": Decimal(1), "requests": Decimal(1)}
_HUNDREDTH = Decimal("0.01")


class Band(NamedTuple):
    """P10, P50 and P90 at the end of the period, rounded: to the cent, below 1 USD to four digits, or whole."""

    low: Decimal
    middle: Decimal
    high: Decimal

    def words(self, unit: Unit) -> str:
        """As a person says it."""
        return f"{shown(self.low, unit)} to {shown(self.high, unit)} {unit_name(unit)} with 8 chances in 10"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a budget (or member) will have spent at the end of a period, from so many hours of use."""

    plan: Plan
    member: str
    period: Period
    told: Forecast
    known_hours: int


def outlook_alert(rule: Rule, found: Outlook, *, at: datetime) -> Alert:
    """A draft: `value` is P50 of the end of the period, `threshold` the limit, both in the budget's unit."""
    budget, told, period = found.plan.budget, found.told, found.period
    entity_type, entity_id = whose(budget, found.member)
    band = Band(*(_rounded(amount, budget.unit) for amount in (told.p10, told.p50, told.p90)))
    chance = _chance(rule, told)
    what = _exhaustion(budget, band, told) if rule == "exhaustion" else _under_use(budget, band, told)
    return draft(
        at=at,
        topic="alerts.budgets",
        basis="forecast",
        notify=True,
        rule=rule,
        kind="budget",
        level=LEVEL,
        severity="warning" if rule == "exhaustion" else "info",
        org=budget.org,
        entity_type=entity_type,
        entity_id=entity_id,
        budget_id=budget.id,
        member=found.member or None,
        period_start=instant(period.start_us),
        period_end=instant(period.end_us),
        unit=budget.unit,
        value=band.middle,
        threshold=budget.limit,
        owner=budget.owner,
        labels=labels_of(budget, found.member),
        evidence={
            "limit": plain(budget.limit),
            "spent": plain(told.spent),
            "p10": plain(band.low),
            "p50": plain(band.middle),
            "p90": plain(band.high),
            "chance": plain(chance),
            "earliest": _moment(told.earliest),
            "median": _moment(told.median),
            "latest": _moment(told.latest),
            "known_hours": str(found.known_hours),
        },
        message=f"{entity_type} {entity_id} {what}; {shown(told.spent, budget.unit)} {unit_name(budget.unit)} are used "
        f"so far, budget {budget.id}, {period_from(budget, period)}; forecast from {_length(found.known_hours)} of use",
        runbook_url=budget.runbook_url,
    )


def _exhaustion(budget: Budget, band: Band, told: Forecast) -> str:
    unit = unit_name(budget.unit)
    said = (("hardly before", told.earliest), ("about", told.median), ("hardly after", told.latest))
    dates = ", ".join(f"{word} {_local(at, budget)}" for word, at in said if at is not None)
    return (
        f"will use up its {shown_limit(budget)} {unit} before the period ends, with a chance of "
        f"{_percent(_chance('exhaustion', told))}: {dates}; at the end it will have used "
        f"{shown(band.middle, budget.unit)} {unit} ({band.words(budget.unit)})"
    )


def _under_use(budget: Budget, band: Band, told: Forecast) -> str:
    unit = unit_name(budget.unit)
    unused = max(budget.limit - band.middle, Decimal(0))
    middle = shown(band.middle, budget.unit)
    return (
        f"will not use the {shown_limit(budget)} {unit} that it has committed to, with a chance of "
        f"{_percent(_chance('under_use', told))}: at the end it will have used {middle} {unit} "
        f"({band.words(budget.unit)}), and about {shown(unused, budget.unit)} {unit} will be unused"
    )


def _chance(rule: Rule, told: Forecast) -> Decimal:
    reaches = Decimal(told.reaches_limit_ratio or 0)
    return (reaches if rule == "exhaustion" else 1 - reaches).quantize(_HUNDREDTH, rounding=ROUND_HALF_EVEN)


def _percent(chance: Decimal) -> str:
    """A chance as a person reads it; no forecast is certain."""
    return "over 99%" if chance >= 1 else f"{plain(chance * 100)}%"


def _rounded(amount: Decimal, unit: Unit) -> Decimal:
    """An amount that is an estimate anyway, as `shown` shows it."""
    if unit == "usd" and amount < 1:
        return Decimal(shown(amount, unit))
    return amount.quantize(_PLACES[unit], rounding=ROUND_HALF_EVEN)


def _moment(at: datetime | None) -> str:
    """A time to the minute; '' where it is not in this period."""
    return "" if at is None else rfc3339(at.replace(second=0, microsecond=0))


def _local(at: datetime, budget: Budget) -> str:
    return at.astimezone(budget.zone()).strftime("%Y-%m-%d %H:%M")


def _length(hours: int) -> str:
    return f"{hours} hours" if hours < 96 else f"{hours // 24} days"
