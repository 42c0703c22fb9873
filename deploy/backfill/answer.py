"""What would have fired, each with its moment, whether it was said, and whether an import is what it takes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from deploy.backfill.reading import Asks, added, events, until_of
from deploy.backfill.rules import Rules, periods_end_us, sums_since_us
from deploy.backfill.to_the_event import Crossed, crossed
from deploy.backfill.walk import walk
from deploy.moments import in_utc
from schemas.errors import InputError
from schemas.periods import instant, micros
from schemas.signals import Alert
from sinks.backfill_questions import Span, import_span, said_of_budgets

Key = tuple[str, str, str, str, datetime | None, str, str]
"""org, rule, budget, member, start of the period (None of a rolling one), level, basis."""


@dataclass(frozen=True, slots=True)
class Missed:
    """An alert that would have fired, when and by what; the ids of those that did; when without the import.

    `without_import` is None where it would not have fired without it, or no import was asked about.
    """

    alert: Alert
    cause: str
    crossed: Crossed
    said: tuple[str, ...] = ()
    without_import: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """For scripts; money and times as all our JSON."""
        alert, event = self.alert, self.crossed.event
        return {
            "mode": "backfill",
            "org": alert.org,
            "rule": alert.rule,
            "budget_id": alert.budget_id,
            "member": alert.member,
            "period_start": alert.period_start,
            "period_end": alert.period_end,
            "level": alert.level,
            "basis": alert.basis,
            "severity": alert.severity,
            "unit": alert.unit,
            "threshold": alert.threshold,
            "at": self.crossed.at,
            "value": self.crossed.value,
            "cause": self.cause,
            "event": None if event is None else {"source": event.source, "id": event.id},
            "said": list(self.said),
            "without_import_at": self.without_import,
            "owner": alert.owner,
            "message": alert.message,
        }


def missed(ask: Asks, rules: Rules, span: Span) -> list[Missed]:
    """Every threshold and commitment that would have been said within the span, in order of time.

    Raises: StoreUnavailableError, QueryError: the ledger cannot be asked.
    """
    found = _looked_back(ask, rules, span)
    said = _said(ask, {(one.alert.org, one.alert.budget_id or "") for one in found})
    taken: dict[Key, int] = defaultdict(int)
    told = []
    for one in found:
        key = _key_of(one.alert)
        ids = said.get(key, ())
        place, taken[key] = taken[key], taken[key] + 1
        told.append(replace(one, said=tuple(ids[place : place + 1])))
    return told


def missed_by_import(ask: Asks, rules: Rules, import_id: str, *, now: datetime) -> list[Missed]:
    """What the events of an import would have made fire, or fire earlier, up to the end of the periods they fall into.

    Raises: InputError: no event of that import counts. StoreUnavailableError, QueryError.
    """
    spans = ask(import_span(import_id))
    if not spans:
        raise InputError(
            f"no event of import {import_id} counts (burnline replay prints the id; charges are found by --since)"
        )
    first = min(in_utc(row["first"]) for row in spans)
    last = max(in_utc(row["last"]) for row in spans)
    ends = instant(periods_end_us(rules.lives().values(), micros(last)) + 1)
    span = Span(first, min(now, ends))
    without = {
        (_key_of(one.alert), place): one
        for place, one in _numbered(_looked_back(ask, rules, span._replace(without_import=import_id)))
    }
    told = []
    for place, one in _numbered(missed(ask, rules, span)):
        other = without.get((_key_of(one.alert), place))
        if other is None:
            told.append(one)
        elif other.crossed.at > one.crossed.at:
            told.append(replace(one, without_import=other.crossed.at))
    return told


def _numbered(found: Iterable[Missed]) -> Iterable[tuple[int, Missed]]:
    """Each with how many of the same key came before it."""
    seen: dict[Key, int] = defaultdict(int)
    for one in found:
        key = _key_of(one.alert)
        yield seen[key], one
        seen[key] += 1


def _looked_back(ask: Asks, rules: Rules, span: Span) -> list[Missed]:
    lives, cuts_us = rules.lives(), rules.cuts_us()
    since_us, end_us = micros(span.since), micros(span.until)
    start_us = sums_since_us(lives.values(), since_us)
    sums = added(ask, lives, span._replace(since=instant(start_us)), cuts_us=cuts_us)
    found = []
    for fired in walk(rules, sums, start_us=start_us, end_us=end_us):
        until_us = until_of(fired, cuts_us, end_us=end_us)
        if until_us <= since_us:
            continue
        some = events(ask, fired, lives, until_us=until_us, without_import=span.without_import)
        moment = crossed(fired, some)
        if span.since <= moment.at < span.until:
            found.append(Missed(fired.alert, fired.cause, moment))
    return sorted(found, key=lambda one: (one.crossed.at, _sortable(one.alert)))


def _sortable(alert: Alert) -> tuple[str, ...]:
    return (alert.org, alert.budget_id or "", alert.member or "", alert.rule, f"{alert.threshold:040.12f}")


def _said(ask: Asks, budgets: set[tuple[str, str]]) -> Mapping[Key, Sequence[str]]:
    found: dict[Key, list[str]] = defaultdict(list)
    for row in ask(said_of_budgets(sorted(budgets))) if budgets else ():
        start = None if row["period_start"] is None else in_utc(row["period_start"])
        key = (row["org"], row["rule"], row["budget_id"], row["member"], start, row["level"], row["basis"])
        found[key].append(row["alert_id"])
    return found


def _key_of(alert: Alert) -> Key:
    return (
        alert.org, alert.rule, alert.budget_id or "", alert.member or "", alert.period_start, alert.level, alert.basis,
    )  # fmt: skip
