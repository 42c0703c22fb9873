"""What an alert is about, for the bridge of its spend: whose calls, in which time, against which baseline. Pure.

An alert about a budget's period is held against the period before: the same length of it, or all of it where the
alert's is over. Any other window is held against the same window a week before; where nothing was used then a day
before, and where nothing was used then either right before. A window is at least an hour.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from deploy.moments import in_utc
from schemas.periods import Calendar, instant, micros, midnight_us, period_in
from schemas.policies import SCOPE_KEYS, Budget
from sinks.bridge_questions import Span

Json = Mapping[str, Any]
SHORTEST = timedelta(hours=1)
_WEEK, _DAY = timedelta(days=7), timedelta(days=1)
_WINDOWS = ("long_window_sec", "window_sec")


@dataclass(frozen=True)
class Baseline:
    """What a window is compared with, and how that is said."""

    span: Span
    what: str


@dataclass(frozen=True)
class Subject:
    """Whose calls, when; and its baselines: the first in which anything was used is taken, else the last."""

    filters: Mapping[str, str]
    span: Span
    baselines: tuple[Baseline, ...]
    with_charges: bool
    """Whether amounts beside usage count: they do in budgets, not in rates."""


def subject_of(alert: Json, budget: Budget | None) -> Subject | None:
    """What an alert's transition (a row of `alert_events`) is about; `budget` as it was then, if one is known.

    None where it is about no calls, as a contract's renewal.
    """
    at = in_utc(alert["at"])
    if not alert["budget_id"] and alert["entity_type"] not in SCOPE_KEYS:
        return None
    filters = filters_of(alert)
    if alert["rule"] in {"threshold", "commitment", "exhaustion", "under_use"}:
        if alert["period_start"] is not None:
            span, baseline = _of_period(alert, at, budget)
            return Subject(filters, span, (baseline,), with_charges=True)
        if budget is not None and budget.period == "rolling" and budget.days:
            span, baseline = _of_rolling_days(at, budget.days, budget.timezone)
            return Subject(filters, span, (baseline,), with_charges=True)
    length = next(
        (timedelta(seconds=int(alert["evidence"][name])) for name in _WINDOWS if name in alert["evidence"]),
        SHORTEST,
    )
    until = in_utc(datetime.fromisoformat(alert["evidence"]["until"])) if "until" in alert["evidence"] else at
    span = Span(until - max(length, SHORTEST), until)
    return Subject(filters, span, windows_before(span), with_charges=False)


def filters_of(alert: Json) -> dict[str, str]:
    """The columns of the ledger that the alert's spend has: its budget's conditions, else its entity."""
    named = dict(alert["labels"]) if alert["budget_id"] else {alert["entity_type"]: alert["entity_id"]}
    return {"org": alert["org"]} | {name: value for name, value in sorted(named.items()) if name in SCOPE_KEYS}


def windows_before(span: Span) -> tuple[Baseline, ...]:
    """The baselines of a window that is no period of a budget."""
    length = span.until - span.since
    found = [
        Baseline(Span(span.since - back, span.until - back), what)
        for back, what in ((_WEEK, "the same window a week before"), (_DAY, "the same window a day before"))
        if length <= back
    ]
    return (*found, right_before(span))


def right_before(span: Span) -> Baseline:
    """As much time, right before."""
    return Baseline(Span(span.since - (span.until - span.since), span.since), "as much time right before")


def against(span: Span, since: datetime) -> Baseline:
    """As much time from a moment that somebody chose, at most up to where the window begins."""
    until = since + (span.until - span.since)
    return Baseline(Span(since, min(until, span.since) if since < span.since else until), "as asked for")


def _of_period(alert: Json, at: datetime, budget: Budget | None) -> tuple[Span, Baseline]:
    """A period up to the alert, and as much of the one before."""
    start, end = in_utc(alert["period_start"]), in_utc(alert["period_end"])
    until = min(max(at, start), end)
    before = _period_before(start, budget.calendar() if budget is not None else None)
    if before is None:
        return Span(start, until), right_before(Span(start, until))
    if until == end:
        return Span(start, end), Baseline(before, "the period before")
    spent = until - start
    return Span(start, until), Baseline(
        Span(before.since, min(before.since + spent, before.until)), "the period before, as far as this one had come"
    )


def _period_before(start: datetime, calendar: Calendar | None) -> Span | None:
    """The period that ends where one begins; None where there is none, as before a one-off."""
    if calendar is None or calendar.kind in {"once", "rolling"}:
        return None
    found = period_in(calendar.endless(), micros(start) - 1)
    return None if found is None else Span(instant(found.start_us), instant(found.end_us))


def _of_rolling_days(at: datetime, days: int, zone: str) -> tuple[Span, Baseline]:
    """Today and the days before it that a rolling budget sums, and as many days before those."""
    today = at.astimezone(ZoneInfo(zone)).date()
    first, earlier = (instant(midnight_us(today - timedelta(days=back), zone)) for back in (days - 1, 2 * days - 1))
    span = Span(first, at)
    return span, Baseline(Span(earlier, earlier + (at - first)), f"the {days} days before")
