"""The bridge of a change of spend from the ledger: the views are asked, each part is priced by the book of its time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from deploy.alert_subject import Baseline, Subject
from deploy.moments import in_utc
from deploy.policy_log import Logged
from deploy.price_books import kept_book
from deploy.store_client import rows, streamed
from schemas.connection import ClickHouseSettings
from schemas.errors import InputError
from schemas.money import pico_usd, usd
from schemas.policies import SCOPE_KEYS, Policies, fold
from sinks.bridge_questions import (
    DRIVEN_BY,
    Span,
    calls_between,
    charges_between,
    drivers_of,
    sums_between,
    unknown_between,
)
from streams.bridge.bridge import Bridge, Cell, Side, Sums, bridge
from streams.bridge.parts import CACHE_PARTS, REASONING
from streams.bridge.pricing import Cells, context_steps, rates_then
from streams.rating.price_rules import Prices
from streams.rating.prices import PriceBook

Json = dict[str, Any]
_PEOPLE_WITHIN = {"team", "agent", "credential", "run", "session"}
"""Where calls are chosen by one of these, it is said who made them."""
_RULES = "+rules:"
_MICROSECOND = timedelta(microseconds=1)


@dataclass
class PricesThen:
    """The prices of each `price_book_version` of the ledger: today's book, or a kept one, under the rules of then."""

    folder: Path | None
    log: Sequence[Logged]
    missing: set[str] = field(default_factory=set)
    """Versions that could not be found; the nearest prices stand in, and what differs is `other`."""

    def __post_init__(self) -> None:
        self._today = PriceBook()
        self._found: dict[str, Prices] = {}
        self.steps = context_steps(self._today)

    def __call__(self, version: str) -> Prices:
        """The prices of a version."""
        if version not in self._found:
            self._found[version] = self._find(version)
        return self._found[version]

    def _find(self, version: str) -> Prices:
        book = self._today
        name = version.partition(_RULES)[0]
        if name != book.version:
            try:
                book = kept_book(self.folder, name) if self.folder is not None else book
            except InputError:
                book = self._today
        newest = Prices(book)
        if newest.version == version:
            return newest
        policies: Policies = {}
        for logged in self.log:
            policies = fold(policies, logged.change, offset=logged.offset)
            newest = newest.under(policies)
            if newest.version == version:
                return newest
        self.missing.add(version)
        return newest


def explained(settings: ClickHouseSettings, subject: Subject, prices: PricesThen) -> Json:
    """The bridge of a subject's spend, the figures behind it, what it leaves out, and who drove it; ready for JSON.

    Raises: StoreUnavailableError, QueryError. InputError: calls cannot be chosen so.
    """
    chosen = _baseline(settings, subject)
    spans = (chosen.span, subject.span)
    (old, version), (new, _newest) = (_cells(settings, span, subject.filters, prices) for span in spans)
    before, after = old.side(), new.side()
    org, last = subject.filters.get("org", ""), chosen.span.until - _MICROSECOND
    then = rates_then(after, prices(version), org=org, at=last) if before else {}
    charges = [_charges(settings, span, subject) for span in spans]
    found = bridge(before, after, rates=then, charges_pico_usd=(charges[0], charges[1]))
    unknown = [_one(settings, unknown_between(span, subject.filters)) for span in spans]
    return {
        "scope": dict(subject.filters),
        "window": _span(subject.span),
        "baseline": {**_span(chosen.span), "what": chosen.what},
        **told(found),
        "figures": {"before": figures(before), "after": figures(after)},
        "without_a_known_cost": {"before": unknown[0], "after": unknown[1]},
        "driven_by": _driven_by(settings, chosen.span, subject, found),
        "notes": notes(before, found, missing=prices.missing),
    }


def told(found: Bridge) -> Json:
    """A bridge as amounts of USD, each driver with its share of the change (null where nothing changed)."""
    whole = found.difference_pico_usd
    return {
        "before_usd": usd(found.before_pico_usd),
        "after_usd": usd(found.after_pico_usd),
        "difference_usd": usd(whole),
        "bridge": [
            {"driver": driver, "change_usd": usd(term), "share_of_change": _share(term, whole)}
            for driver, term in found.terms_pico_usd.items()
        ],
    }


def figures(side: Side) -> Json:
    """What a person compares: calls, attempts again, tokens per call; null where there were no calls."""
    calls = sum(sums.calls for sums in side.values())
    retries = sum(sums.calls for cell, sums in side.items() if cell.is_retry)

    def count(*parts: str) -> Fraction:
        return sum((sums.counts.get(part, Fraction(0)) for sums in side.values() for part in parts), Fraction(0))

    inputs = count(*(part for part in _parts(side) if part.startswith("input_") and part.endswith("_tokens")))
    outputs = count(*(part for part in _parts(side) if part.startswith("output_") and part.endswith("_tokens")))
    cacheable, read = count(*CACHE_PARTS), count("input_cache_read_tokens")
    return {
        "calls": calls,
        "retries": retries,
        "models": len({cell.product[:2] for cell in side}),
        "input_tokens_per_call": _ratio(inputs, calls),
        "cache_read_to_input_ratio": None if not cacheable else round(float(read / cacheable), 4),
        "output_tokens_per_call": _ratio(outputs - count(REASONING), calls),
        "reasoning_tokens_per_call": _ratio(count(REASONING), calls),
    }


def notes(before: Mapping[Cell, Sums], found: Bridge, *, missing: Iterable[str]) -> list[str]:
    """What a reader must know of this bridge."""
    said = []
    if not before and found.difference_pico_usd:
        said.append("no call of the baseline has a known cost: there is nothing to compare with, so all is volume")
    said += [
        f"the price book {version} was not found: its calls are taken apart by the nearest one, what differs is other"
        for version in sorted(missing)
    ]
    if not found.difference_pico_usd:
        said.append("the same was spent in both" if before else "nothing of a known cost was spent in either")
    return said


def _parts(side: Side) -> set[str]:
    return {part for sums in side.values() for part in sums.counts}


def _ratio(count: Fraction, calls: int) -> float | None:
    return round(float(count / calls), 1) if calls else None


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _span(span: Span) -> Json:
    return {"since": span.since, "until": span.until}


def _baseline(settings: ClickHouseSettings, subject: Subject) -> Baseline:
    """The first baseline in which anything was used, else the last."""
    for one in subject.baselines[:-1]:
        if _one(settings, calls_between(one.span, subject.filters))["calls"]:
            return one
    return subject.baselines[-1]


def _one(settings: ClickHouseSettings, asked: Any) -> Json:  # noqa: ANN401  a Query of any question
    (found,) = rows(settings, asked.sql, asked.parameters)
    return found


def _cells(
    settings: ClickHouseSettings, span: Span, filters: Mapping[str, str], prices: PricesThen
) -> tuple[Cells, str]:
    """(the cells of a time, the newest version that priced any of them)."""
    cells, newest = Cells(prices.steps, prices), (datetime.min.replace(tzinfo=UTC), "")
    asked = sums_between(span, filters, steps=prices.steps)
    with streamed(settings, asked.sql, asked.parameters) as found:
        for row in found:
            slot = in_utc(row["slot"])
            cells.add(row | {"slot": slot})
            newest = max(newest, (slot, row["price_book_version"]))
    return cells, newest[1]


def _charges(settings: ClickHouseSettings, span: Span, subject: Subject) -> int:
    """What was charged beside usage for the local days that begin in the span, in pico-USD."""
    if not subject.with_charges or not set(subject.filters) <= set(SCOPE_KEYS):
        return 0
    asked = charges_between(span, subject.filters)
    return sum(
        pico_usd(row["amount_usd"])
        for row in rows(settings, asked.sql, asked.parameters)
        if span.since <= datetime.combine(row["day"], time(0), ZoneInfo(row["timezone"])) < span.until
    )


def _driven_by(settings: ClickHouseSettings, before: Span, subject: Subject, found: Bridge) -> Json:
    """By name: whose spend changed most in the direction of the whole, and which share of the change each is.

    People are told apart only within something narrower than an org (requirement R13), as in `top`.
    """
    whole = found.difference_pico_usd
    driven: Json = {}
    for name in DRIVEN_BY:
        if name in subject.filters or (name == "user" and not subject.filters.keys() & _PEOPLE_WITHIN):
            continue
        asked = drivers_of(name, before=before, after=subject.span, filters=subject.filters, falls=whole < 0)
        lines = [
            {**row, "change_usd": row["after_usd"] - row["before_usd"]}
            for row in rows(settings, asked.sql, asked.parameters)
        ]
        driven[name] = [
            {**line, "share_of_change": _share(pico_usd(line["change_usd"]), whole)}
            for line in lines
            if line["change_usd"] and (line["change_usd"] < 0) == (whole < 0)
        ]
    return driven
