"""Which event of an interval it was that crossed a threshold, and the exact sum then. Pure.

Law: the event is the first one, in the order of time, source and id, with which what was spent before the interval and
the events so far reach the threshold; usage costs nothing below zero, so no later one takes it back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from deploy.backfill.walk import Added, Fired
from schemas.money import usd
from schemas.periods import instant
from schemas.signals import Alert


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the ledger as the budget counts it: amounts are times its pool's multiplier."""

    ts: datetime
    source: str
    id: str
    requests: int
    tokens: int
    cost_usd: Decimal
    ceiling_usd: Decimal

    def amount(self, alert: Alert) -> Decimal:
        """What it adds to what the alert is about."""
        if alert.unit == "usd":
            return self.cost_usd + (self.ceiling_usd if alert.basis == "estimated" else 0)
        return Decimal(self.tokens if alert.unit == "tokens" else self.requests)


@dataclass(frozen=True, slots=True)
class Crossed:
    """When a threshold was crossed, what was spent then, and by which event; None: by no event."""

    at: datetime
    value: Decimal
    event: Event | None


def crossed(fired: Fired, events: Iterable[Event]) -> Crossed:
    """The moment of an alert that events led to; where the ledger has changed meanwhile, that of its interval."""
    alert = fired.alert
    spent = alert.value - (_added(alert, fired.by) if fired.by is not None else 0)
    for event in sorted(events, key=lambda one: (one.ts, one.source, one.id)):
        spent += event.amount(alert)
        if spent > 0 and spent >= alert.threshold:
            return Crossed(event.ts, spent, event)
    return Crossed(instant(fired.at_us), alert.value, None)


def _added(alert: Alert, one: Added) -> Decimal:
    if alert.unit == "usd":
        return usd(one.pico_usd + (one.ceiling_pico_usd if alert.basis == "estimated" else 0))
    return Decimal(one.tokens if alert.unit == "tokens" else one.requests)
