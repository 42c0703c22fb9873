"""What alerts say: drafts of each rule's alert with its numbers, plain text, nothing marked up.

A draft has no identity yet; `episodes.Episodes.fire` gives it one, or drops it where its episode is open already.

Long because every message that a person reads stands here, side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from schemas.money import plain
from schemas.periods import Period, instant
from schemas.policies import Budget
from schemas.signals import ALERT_TYPE, Alert, CloudSignal
from streams.burn.amounts import grouped, lasting, percent, short, shown, unit_name, window_name
from streams.burn.burn_rules import Expected, Rung, Severity
from streams.burn.crossing import Crossing
from streams.burn.limits import Pair, Plan, Step, Unit, amount_of
from streams.ports import Output

_WRITTEN_PLACES = 6
_NEAR = Decimal("0.8")
FINEST_FIRST = (
    "agent", "credential", "user", "use_case", "service", "project", "team", "cost_center", "pool", "purpose",
    "spend_class", "environment", "model", "provider", "business_unit", "org",
)  # fmt: skip
"""Kinds of entities: which of the conditions of a budget says best what it is about."""


def output_of(alert: Alert) -> Output:
    """The record that carries an alert, keyed by its id."""
    signal = CloudSignal(
        type=ALERT_TYPE, id=f"{alert.alert_id}/{alert.seq}", time=alert.at, subject=f"org/{alert.org}", data=alert
    )
    return Output(topic=alert.topic, key=alert.alert_id.encode(), value=signal.model_dump_json().encode())


def whose(budget: Budget, member: str) -> tuple[str, str]:
    """The entity that a budget is about: its member, else the finest condition of its scope, else the org."""
    if budget.each is not None and member:
        return budget.each, member
    for name in FINEST_FIRST:
        if name in budget.scope:
            return name, budget.scope[name]
    return "org", budget.org


def labels_of(budget: Budget, member: str) -> dict[str, str]:
    """What routes an alert: the conditions of the budget's scope, and its member."""
    labels = dict(sorted(budget.scope.items()))
    if budget.each is not None and member:
        labels[budget.each] = member
    return labels


def draft(*, at: datetime, **fields: Any) -> Alert:  # noqa: ANN401  pydantic checks each field
    """An alert that opens at `at`, live and from what was spent; the other fields are the rule's."""
    return Alert(
        alert_id="",
        seq=1,
        status="firing",
        mode="live",
        at=at,
        opened_at=at,
        resolved_at=None,
        **{"basis": "actual", **fields},
    )


def threshold_alerts(crossing: Crossing, *, at: datetime) -> list[Alert]:
    """Drafts of all thresholds crossed; of each basis the highest notifies: an estimate silences no cost.

    All shares of a limit of zero are the same amount: the highest alone is said.
    """
    by_cost = [_threshold_alert(crossing, step, at=at, estimated=False) for step in _told_apart(crossing.steps)]
    with_estimates = [
        _threshold_alert(crossing, step, at=at, estimated=True) for step in _told_apart(crossing.estimated)
    ]
    return [
        alert.model_copy(update={"notify": alert is some[-1]}) for some in (by_cost, with_estimates) for alert in some
    ]


def _told_apart(steps: Sequence[Step]) -> Sequence[Step]:
    """The steps without those that are lower shares of nothing."""
    of_nothing = [step for step in steps if step.share is not None and not step.amount]
    return [step for step in steps if step not in of_nothing[:-1]]


def _threshold_alert(crossing: Crossing, step: Step, *, at: datetime, estimated: bool) -> Alert:
    """A budget has crossed a threshold; `value` and `threshold` are in the budget's unit, exact."""
    budget, member = crossing.plan.budget, crossing.key[2]
    entity_type, entity_id = whose(budget, member)
    spent = amount_of(crossing.spent.with_estimates if estimated else crossing.spent.priced, budget.unit)
    supposed = amount_of(crossing.spent.estimated, "usd") if budget.unit == "usd" else None
    ratio = f"{float(spent / budget.limit):.4f}" if budget.limit else "no limit"
    subject = f"{entity_type} {entity_id}"
    unit = unit_name(budget.unit)
    past = percent(step.share) if step.share is not None else f"{_written(step.amount, budget.unit)} {unit}"
    spends = f"{shown(spent, budget.unit)} of {shown_limit(budget)} {unit}, past {past} of"
    if not budget.limit and step.share is not None:
        spends = f"{shown(spent, budget.unit)} {unit} of a budget of 0 {unit}:"
    has_spent, of_which = "has spent", ""
    if estimated and supposed is not None:
        has_spent = "may have spent"
        of_which = f"; {shown(supposed, 'usd')} USD of it are estimated, for calls without a known price"
    return draft(
        at=at,
        topic="alerts.budgets",
        basis="estimated" if estimated else "actual",
        notify=False,
        rule="threshold",
        kind="budget",
        level=step.level,
        severity=_severity(step, budget, estimated=estimated),
        org=budget.org,
        entity_type=entity_type,
        entity_id=entity_id,
        budget_id=budget.id,
        member=member or None,
        **_bounds(budget, crossing.period),
        unit=budget.unit,
        value=spent,
        threshold=step.amount,
        estimated_usd=supposed,
        owner=budget.owner,
        labels=labels_of(budget, member),
        evidence={"limit": plain(budget.limit), "spent_to_limit_ratio": ratio},
        message=f"{subject} {has_spent} {spends} budget {budget.id}, {period_from(budget, crossing.period)}{of_which}",
        runbook_url=budget.runbook_url,
    )


def _bounds(budget: Budget, period: Period) -> dict[str, datetime | None]:
    """The period of an alert; a rolling one is another each day and has none."""
    ends = budget.period != "rolling"
    return {
        "period_start": instant(period.start_us) if ends else None,
        "period_end": instant(period.end_us) if ends else None,
    }


def period_from(budget: Budget, period: Period) -> str:
    """A period as a person says it."""
    if budget.period == "rolling":
        return f"the last {budget.days} days ({budget.timezone})"
    since = instant(period.start_us).astimezone(budget.zone())
    start = since.strftime("%Y-%m-%d %H:%M" if budget.period == "hour" else "%Y-%m-%d")
    kind = "one-off" if budget.period == "once" else budget.period
    return f"{kind} from {start} ({budget.timezone})"


def _severity(step: Step, budget: Budget, *, estimated: bool) -> Literal["info", "warning", "critical"]:
    """Critical from the whole limit, a warning from 0.8 of it; an estimate is at most a warning."""
    at_limit, near = step.amount >= budget.limit, step.amount * 5 >= budget.limit * 4
    if step.share is not None:
        at_limit, near = step.share >= 1, step.share >= _NEAR
    if at_limit and not estimated:
        return "critical"
    return "warning" if near else "info"


def shown_limit(budget: Budget) -> str:
    """A limit as it was written; to the cent where it was shared out or carried over."""
    return _written(budget.limit, budget.unit)


def _written(amount: Decimal, unit: Unit) -> str:
    """USD as somebody wrote them in a policy; counts as all counts."""
    places = -int(amount.normalize().as_tuple().exponent)
    return grouped(Decimal(plain(amount))) if unit == "usd" and places <= _WRITTEN_PLACES else shown(amount, unit)


def commitment_alert(plan: Plan, member: str, period: Period, spent: Decimal, *, at: datetime) -> Alert:
    """A period is over in which less was spent than was committed to; `value` and `threshold` in the budget's unit.

    After refunds beyond zero all of it is unused, and no more than that.
    """
    budget = plan.budget
    entity_type, entity_id = whose(budget, member)
    unit, left = unit_name(budget.unit), budget.limit - max(spent, Decimal(0))
    return draft(
        at=at,
        topic="alerts.budgets",
        notify=True,
        rule="commitment",
        kind="budget",
        level="unused",
        severity="warning",
        org=budget.org,
        entity_type=entity_type,
        entity_id=entity_id,
        budget_id=budget.id,
        member=member or None,
        period_start=instant(period.start_us),
        period_end=instant(period.end_us),
        unit=budget.unit,
        value=spent,
        threshold=budget.limit,
        owner=budget.owner,
        labels=labels_of(budget, member),
        evidence={"limit": plain(budget.limit), "unused": plain(left)},
        message=f"{entity_type} {entity_id} has used {shown(spent, budget.unit)} of {shown_limit(budget)} {unit} that "
        f"budget {budget.id} commits to, {period_from(budget, period)}: {shown(left, budget.unit)} {unit} are unused",
        runbook_url=budget.runbook_url,
    )


@dataclass(frozen=True, slots=True)
class TooFast:
    """A budget (or member) whose rung is reached, and what both windows and the period hold, as amounts of its unit.

    At the pace of the calmer window what is left lasts for `lasts_sec`; `expected`: how much time windows count for.
    """

    plan: Plan
    member: str
    period: Period
    rung: Rung
    expected: Expected
    long: Pair
    short: Pair
    spent: Pair
    severity: Severity
    lasts_sec: int

    def long_ratio(self) -> Decimal:
        """What the budget allows in the long window beside what it allows in one as long on average."""
        flat, expected = self.rung.flat(), self.expected
        ratio = expected.long * flat.period / (flat.long * expected.period)
        return Decimal(ratio.numerator) / ratio.denominator


def burn_rate_alert(found: TooFast, *, at: datetime, notify: bool) -> Alert:
    """A budget burns too fast. USD: `value` is the long window's USD per hour; else its count and what allows."""
    budget, pairing = found.plan.budget, found.rung.pairing
    entity_type, entity_id = whose(budget, found.member)
    long, brief = amount_of(found.long, budget.unit), amount_of(found.short, budget.unit)
    hours, short_hours = Decimal(pairing.long_sec) / 3600, Decimal(pairing.short_sec) / 3600
    allowed = budget.limit * 3600 / found.period.nominal_sec * found.long_ratio()
    fires = short(Decimal(found.rung.factor.numerator) / found.rung.factor.denominator * allowed)
    usd, unit = budget.unit == "usd", unit_name(budget.unit)
    left = budget.limit - amount_of(found.spent, budget.unit)
    usual = "on average" if found.long_ratio() == 1 else "in such hours"
    return draft(
        at=at,
        topic="alerts.budgets",
        notify=notify,
        rule="burn_rate",
        kind="budget",
        level=found.rung.level,
        severity=found.severity,
        org=budget.org,
        entity_type=entity_type,
        entity_id=entity_id,
        budget_id=budget.id,
        member=found.member or None,
        **_bounds(budget, found.period),
        unit="usd_per_hour" if usd else budget.unit,
        value=short(long / hours) if usd else long,
        threshold=fires if usd else short(fires * hours),
        owner=budget.owner,
        labels=labels_of(budget, found.member),
        evidence={
            "long_window_sec": str(pairing.long_sec),
            "long_spent": plain(long),
            "short_window_sec": str(pairing.short_sec),
            "short_spent": plain(brief),
            "factor": found.rung.level.removesuffix("x"),
            "expected_to_average_ratio": f"{found.long_ratio():.3f}",
            "limit": plain(budget.limit),
            "left": plain(left),
            "lasts_sec": str(found.lasts_sec),
        },
        message=f"{entity_type} {entity_id} burns {shown(long / hours, budget.unit)} {unit}/h over "
        f"{window_name(pairing.long_sec)} and {shown(brief / short_hours, budget.unit)} {unit}/h over "
        f"{window_name(pairing.short_sec)}, {long / hours / allowed:.1f} times what budget {budget.id} allows {usual}; "
        f"at this pace the {shown(left, budget.unit)} {unit} left of {shown_limit(budget)} last "
        f"{lasting(found.lasts_sec)}",
        runbook_url=budget.runbook_url,
    )


def uncapped_alert(
    key: tuple[str, str, str], spent_usd: Decimal, least_usd: Decimal, *, others: int, at: datetime
) -> Alert:
    """An entity (org, kind, name) spends and no budget names it, while `others` of its kind have one."""
    org, kind, name = key
    have = f"{others} other {kind} has" if others == 1 else f"{others} others of kind {kind} have"
    return draft(
        at=at,
        topic="alerts.governance",
        notify=True,
        rule="uncapped",
        kind="governance",
        level="uncapped",
        severity="warning",
        org=org,
        entity_type=kind,
        entity_id=name,
        budget_id=None,
        member=None,
        period_start=None,
        period_end=None,
        unit="usd",
        value=spent_usd,
        threshold=least_usd,
        owner=None,
        labels={kind: name},
        evidence={"window_sec": "86400", "budgeted": str(others)},
        message=f"{kind} {name} has spent {shown(spent_usd, 'usd')} USD within 1 d and no budget names it; {have} one",
        runbook_url=None,
    )


def unpriced_alert(*, org: str, model: str, requests: Decimal, ceiling_usd: Decimal, at: datetime) -> Alert:
    """A model is used and has no known price: `value` requests so far, which cost `estimated_usd` at most."""
    counted = "1 request" if requests == 1 else f"{shown(requests, 'requests')} requests"
    return draft(
        at=at,
        topic="alerts.governance",
        notify=True,
        rule="unpriced_model",
        kind="governance",
        level="unpriced",
        severity="warning",
        org=org,
        entity_type="model",
        entity_id=model,
        budget_id=None,
        member=None,
        period_start=None,
        period_end=None,
        unit="count",
        value=requests,
        threshold=Decimal(1),
        estimated_usd=ceiling_usd,
        owner=None,
        labels={"model": model},
        evidence={"requests": plain(requests), "ceiling_usd": plain(ceiling_usd)},
        message=f"model {model} has no known price: {counted} without a cost, at most "
        f"{shown(ceiling_usd, 'usd')} USD; state its price in a price_override",
        runbook_url=None,
    )
