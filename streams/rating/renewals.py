"""Contracts that end soon: what they cost, and how much of the change is price and how much is volume. Pure.

A contract's charges of kind seat, subscription or commitment that end on one day are a term. Terms of one contract are
compared item by item, per day, at the length of the newer: what is left of a change once price is told from volume is
nothing. A term follows another one if the last of its charges begins within `days_before` days of that one's end: what
is bought in between and ends later is a term of its own, and renews nothing.

Laws
1. price effect + volume effect = cost of the newer term - cost of the older one, exactly.
2. A term is said once, from `days_before` days before its end on; one that is no longer than that is never said: who is
   billed by the month renews each month. One that is over when it becomes known is not said.
3. What was said is resolved when the next term becomes known, or when the term is over.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from schemas.money import PICO_PER_USD, plain
from schemas.signals import Alert
from streams.burn.episodes import alert_id_of, key_of
from streams.rating.spreading import ServiceDays, begins_at, days_due
from streams.rating.standing_charges import Charge

DAYS_BEFORE = 30
RECURRING = ("seat", "subscription", "commitment")
RULE = "renewal"
_CENT = Decimal("0.01")
_ONE = Fraction(1)
ContractKey = tuple[str, str]
"""org, contract."""
TermKey = tuple[str, str, str]
"""org, contract, the day after its last as ISO text."""


@dataclass(frozen=True, slots=True)
class Term:
    """The charges of a contract that end on one day; `first` is the earliest of their first days."""

    key: TermKey
    first: date
    until: date
    zone: str
    charges: tuple[Charge, ...]

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.until - self.first).days


@dataclass(frozen=True, slots=True)
class Change:
    """Two terms compared, USD: what the newer costs, and what of the difference is price and what is volume."""

    older_usd: Fraction
    newer_usd: Fraction
    price_effect_usd: Fraction
    volume_effect_usd: Fraction


@dataclass(frozen=True, slots=True)
class _Line:
    """One item of a term: quantity and cost per unit, of so many days as they are compared over."""

    quantity: Fraction
    unit_usd: Fraction


def terms_of(charges: Iterable[Charge]) -> dict[ContractKey, list[Term]]:
    """The terms of each contract, the one that ends first first."""
    found: dict[TermKey, list[Charge]] = defaultdict(list)
    for charge in charges:
        if charge.contract is not None and charge.kind in RECURRING and charge.amount_pico_usd:
            found[charge.who["org"], charge.contract, charge.service.until.isoformat()].append(charge)
    terms: dict[ContractKey, list[Term]] = defaultdict(list)
    for key, some in sorted(found.items()):
        ordered = tuple(sorted(some, key=lambda charge: charge.kept.charge_id))
        first = min(charge.service.first for charge in ordered)
        terms[key[:2]].append(Term(key, first, date.fromisoformat(key[2]), ordered[0].service.zone, ordered))
    return terms


def change_of(older: Term, newer: Term) -> Change:
    """How the newer term differs from the older one, at the newer one's length."""
    before, after = _lines(older, newer.days), _lines(newer, newer.days)
    price = volume = Fraction(0)
    for item in before.keys() | after.keys():
        old, new = before.get(item), after.get(item)
        if old is None or new is None:
            volume += _cost(new) - _cost(old)
        else:
            price += (new.unit_usd - old.unit_usd) * new.quantity
            volume += (new.quantity - old.quantity) * old.unit_usd
    return Change(
        sum(map(_cost, before.values()), Fraction(0)), sum(map(_cost, after.values()), Fraction(0)), price, volume
    )


def _cost(line: _Line | None) -> Fraction:
    return Fraction(0) if line is None else line.quantity * line.unit_usd


def _lines(term: Term, days: int) -> dict[str, _Line]:
    """The items of a term over `days` days. An item that names no quantity is one of its kind."""
    sums: dict[str, tuple[Fraction, Fraction]] = {}
    for charge in term.charges:
        usd = Fraction(charge.amount_pico_usd, PICO_PER_USD) * days / charge.service.days
        quantity = Fraction(charge.quantity) if charge.quantity else None
        name = f"{charge.item or charge.kind}{'' if quantity is None else ' by quantity'}"
        cost, units = sums.get(name, (Fraction(0), Fraction(0)))
        sums[name] = (cost + usd, units + (quantity or 0))
    return {name: _Line(units or _ONE, cost / (units or _ONE)) for name, (cost, units) in sums.items()}


def is_due(term: Term, *, days_before: int, at_us: int) -> bool:
    """Whether it is to be said now (law 2)."""
    if term.days <= days_before:
        return False
    notice = ServiceDays(term.until - timedelta(days=days_before), days_before, term.zone)
    return days_due(notice, at_us=at_us) > 0 and not is_over(term, at_us=at_us)


def is_over(term: Term, *, at_us: int) -> bool:
    """Whether its last day is over."""
    return days_due(ServiceDays(term.until, 1, term.zone), at_us=at_us) > 0


def firing(terms: Sequence[Term], place: int, *, days_before: int, at: datetime) -> Alert:
    """The alert of the term at `place` among those of its contract: against the next one, else the one before."""
    term = terms[place]
    org, contract, _ = term.key
    older, newer = _compared(terms, place, days_before)
    change = None if older is None else change_of(older, newer)
    vendors = sorted({charge.vendor for charge in term.charges if charge.vendor is not None})
    cost = sum((Fraction(charge.amount_pico_usd, PICO_PER_USD) for charge in term.charges), Fraction(0))
    named = f"contract {contract}" + (f" with {', '.join(vendors)}" if vendors else "")
    said = f"{named} ends on {term.until - timedelta(days=1)}; its period of {term.days} days costs {_usd(cost)} USD"
    if change is not None:
        said += f"; {'the next against it' if newer is not term else 'against the one before'}: {told(change)}"
    draft = Alert(
        alert_id="",
        seq=1,
        status="firing",
        topic="alerts.budgets",
        mode="live",
        basis="actual",
        notify=True,
        rule=RULE,
        kind="contract",
        level=f"{days_before}d",
        severity="warning" if change is not None and change.price_effect_usd > 0 else "info",
        org=org,
        entity_type="contract",
        entity_id=contract,
        budget_id=None,
        period_start=begins_at(term.first, term.zone),
        period_end=begins_at(term.until, term.zone),
        at=at,
        opened_at=at,
        resolved_at=None,
        unit="usd",
        value=_usd(cost),
        threshold=Decimal(0) if change is None else _usd(change.older_usd),
        owner=None,
        labels={"contract": contract} | ({"vendor": vendors[0]} if len(vendors) == 1 else {}),
        evidence={
            "days": str(term.days),
            "days_before": str(days_before),
            **({"next": newer.until.isoformat()} if newer is not term else {}),
            **({} if change is None else _evidence(change)),
        },
        message=said,
        runbook_url=None,
    )
    return draft.model_copy(update={"alert_id": alert_id_of(key_of(draft), mode="live", opened_at=at)})


def resolved(alert: Alert, *, at: datetime, because: str) -> Alert:
    """The closing alert."""
    update = {"seq": alert.seq + 1, "status": "resolved", "at": at, "resolved_at": at}
    return alert.model_copy(update={**update, "message": f"resolved, {because}: {alert.message}"})


def told(change: Change) -> str:
    """A change as a person reads it."""
    total = change.newer_usd - change.older_usd
    return (
        f"{_signed(total)} USD ({_usd(change.older_usd)} to {_usd(change.newer_usd)}),"
        f" of that price {_signed(change.price_effect_usd)} and volume {_signed(change.volume_effect_usd)}"
    )


def following(terms: Sequence[Term], place: int, *, days_before: int) -> Term | None:
    """The term that follows the one at `place`, of those that are no monthly bills; None where none is known yet."""
    later = (term for term in terms[place + 1 :] if term.days > days_before)
    return next((term for term in later if _follows(terms[place], term, days_before)), None)


def _follows(older: Term, newer: Term, days_before: int) -> bool:
    begins = max(charge.service.first for charge in newer.charges)
    return abs(begins - older.until) <= timedelta(days=days_before)


def _compared(terms: Sequence[Term], place: int, days_before: int) -> tuple[Term | None, Term]:
    """(older, newer) of the pair that the alert shows."""
    after = following(terms, place, days_before=days_before)
    if after is not None:
        return terms[place], after
    before = [term for term in terms[:place] if term.days > days_before and _follows(term, terms[place], days_before)]
    return (before[-1] if before else None), terms[place]


def _evidence(change: Change) -> dict[str, str]:
    numbers = {
        "older_usd": change.older_usd,
        "newer_usd": change.newer_usd,
        "price_effect_usd": change.price_effect_usd,
        "volume_effect_usd": change.volume_effect_usd,
    }
    return {name: plain(_usd(number)) for name, number in numbers.items()}


def _usd(amount: Fraction) -> Decimal:
    """To the cent, half to even."""
    return Decimal(round(amount * 100)) * _CENT


def _signed(amount: Fraction) -> str:
    return f"{_usd(amount):+}"
