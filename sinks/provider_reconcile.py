"""What a provider reports against what our ledger holds: coverage and drift per day, model and class. Pure.

Laws
1. Only time that a bucket of the report covers is compared; within it, what one side lacks is missing, not zero.
2. What the report does not say (None) is not compared: it is no drift.
3. Models are compared under the name that both sides use; names left over are compared without their date.
4. Drift = (ours - theirs) / theirs, exact; it passes when its size is at most the threshold.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from schemas.provider_usage import COST, MEASURES, Figure, Measure, ProviderReport, Span
from sinks.queries import Query

Verdict = Literal["ok", "drift", "missing_here", "missing_there"]
ALL_MODELS = "(all models)"
_DATE = re.compile(r"[-@](20\d{2}-?[01]\d-?[0-3]\d|latest)$")
_PREFIX = re.compile(r"^(openai|anthropic)/")
_SUMS = (
    "sum(v.input_tokens) AS input_tokens,"
    " sum(v.input_uncached_tokens) + sum(v.input_audio_tokens) + sum(v.input_image_tokens) AS input_uncached_tokens,"
    " sum(v.input_cache_read_tokens) AS input_cache_read_tokens,"
    " sum(v.input_cache_write_5m_tokens) + sum(v.input_cache_write_30m_tokens) + sum(v.input_cache_write_1h_tokens)"
    " + sum(v.input_cache_write_12h_tokens) + sum(v.input_cache_write_other_tokens) AS input_cache_write_tokens,"
    " sum(v.output_tokens) AS output_tokens, countIf(NOT (v.status IN ('error', 'blocked')"
    " AND ifNull(v.input_tokens, 0) + ifNull(v.output_tokens, 0) = 0)) AS requests,"
    " sum(toDecimal128(v.cost_usd, 12)) AS cost_usd"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison; `drift` is None where theirs is missing or zero; `coverage` is our share of theirs, at most 1."""

    day: date
    model: str
    measure: Measure
    theirs: Decimal | None
    ours: Decimal | None
    drift: Decimal | None
    coverage: Decimal | None
    verdict: Verdict


def ours_between(provider: str, spans: Sequence[Span]) -> Query:
    """Our sums by bucket of time and model over all that the spans cover; of calls that reached the provider.

    Columns: `t` (start of an hour, or of a minute where the spans need it), `model`, the classes. What the gateway
    answered from its own cache is left out: the provider never saw it. Nor is a call that failed without using
    anything a request.
    """
    whole_hours = all(_on_hour(one.start) and _on_hour(one.end) for one in spans)
    bucket = "toStartOfHour(v.ts)" if whole_hours else "toStartOfMinute(v.ts)"
    sql = (
        f"SELECT {bucket} AS t, v.model AS model, {_SUMS} FROM usage_events AS v"  # noqa: S608  texts of this file
        " WHERE v.provider = {provider:String} AND v.ts >= {since:DateTime64(6, 'UTC')}"
        " AND v.ts < {until:DateTime64(6, 'UTC')} AND NOT ifNull(v.gateway_cache_hit, false) GROUP BY t, model"
        " ORDER BY t, model"
    )
    bounds = {"since": min(one.start for one in spans), "until": max(one.end for one in spans)}
    return Query(sql, {"provider": provider, **bounds})


def ours_from(rows: Iterable[Mapping[str, Any]], report: ProviderReport) -> list[Figure]:
    """Our figures by day from the rows of `ours_between`, of the time that the report's buckets cover."""
    covered = {kind: _Covered(one for one in report.spans if (one.report == COST) == kind) for kind in (True, False)}
    sums: dict[tuple[date, str, Measure], Decimal] = {}
    for row in rows:
        for measure in MEASURES:
            amount = row[measure]
            if amount is not None and covered[measure == "cost_usd"].holds(row["t"]):
                key = (row["t"].date(), str(row["model"]), measure)
                sums[key] = sums.get(key, Decimal(0)) + Decimal(amount)
    return [Figure(day, model, measure, amount) for (day, model, measure), amount in sums.items()]


def compare(report: ProviderReport, ours: Iterable[Figure], *, max_drift: Decimal) -> list[Line]:
    """Every comparison that can be made, by day, model and class."""
    mine: dict[tuple[date, Measure], dict[str | None, Decimal | None]] = {}
    for one in ours:
        mine.setdefault((one.day, one.measure), {})[one.model] = one.amount
    theirs: dict[tuple[date, Measure], dict[str | None, Decimal | None]] = {}
    for figure in report.figures:
        theirs.setdefault((figure.day, figure.measure), {})[figure.model] = figure.amount
    said = {measure for _, measure in theirs}
    lines: list[Line] = []
    for day, measure in sorted({*theirs, *(key for key in mine if key[1] in said)}):
        left, right = theirs.get((day, measure), {}), mine.get((day, measure), {})
        for model, sides in _paired(left, right):
            line = _line(Line(day, model, measure, None, None, None, None, "ok"), sides, max_drift=max_drift)
            lines.extend([] if line is None else [line])
    return sorted(lines, key=lambda one: (one.day, one.model, MEASURES.index(one.measure)))


@dataclass(frozen=True)
class _Side:
    """What one side says of a model; `said` is false where it names the model and does not give the number."""

    amount: Decimal | None
    said: bool = True


def _paired(
    theirs: Mapping[str | None, Decimal | None], ours: Mapping[str | None, Decimal | None]
) -> Iterator[tuple[str, tuple[_Side, _Side]]]:
    """Each model with both sides (law 3); a report that names no model is compared with the sum of ours."""
    if None in theirs:
        yield ALL_MODELS, (_sum(theirs.values()), _sum(ours.values()))
        return
    both = {name for name in theirs if name in ours}
    for name in sorted(map(str, both)):
        yield name, (_sum([theirs[name]]), _sum([ours[name]]))
    left, right = ({n: v for n, v in side.items() if n not in both} for side in (theirs, ours))
    families = sorted({family(str(name)) for name in (*left, *right)})
    for name in families:
        there = _sum(value for model, value in left.items() if family(str(model)) == name)
        yield name, (there, _sum(value for model, value in right.items() if family(str(model)) == name))


def family(model: str) -> str:
    """A model's name without its provider and its date: gpt-4o of gpt-4o-2024-08-06."""
    return _DATE.sub("", _PREFIX.sub("", model))


def _sum(amounts: Iterable[Decimal | None]) -> _Side:
    found = list(amounts)
    known = [one for one in found if one is not None]
    if not found:
        return _Side(None)
    return _Side(sum(known, Decimal(0))) if len(known) == len(found) else _Side(None, said=False)


def _line(empty: Line, sides: tuple[_Side, _Side], *, max_drift: Decimal) -> Line | None:
    """The comparison of both sides; None where there is nothing to compare."""
    there, here = sides[0].amount, sides[1].amount
    if not sides[0].said or (there or Decimal(0)) == (here or Decimal(0)) == 0:
        return None
    if there is None:
        return replace(empty, ours=here, verdict="missing_there")
    difference = (here or Decimal(0)) - there
    drift = difference / there if there else None
    coverage = min(max(here or Decimal(0), Decimal(0)) / there, Decimal(1)) if there > 0 else None
    fits = abs(difference) <= max_drift * abs(there)
    verdict: Verdict = "ok" if fits else "missing_here" if here is None else "drift"
    return replace(empty, theirs=there, ours=here, drift=drift, coverage=coverage, verdict=verdict)


def coverage_of(lines: Iterable[Line], measure: Measure) -> Decimal | None:
    """Our share of all that they report of a class, each line at most whole; None where they report nothing of it."""
    some = [one for one in lines if one.measure == measure and one.theirs is not None and one.theirs > 0]
    total = sum((one.theirs or Decimal(0) for one in some), Decimal(0))
    found = sum(((one.theirs or Decimal(0)) * (one.coverage or Decimal(0)) for one in some), Decimal(0))
    return found / total if total else None


def _on_hour(at: datetime) -> bool:
    return at.minute == at.second == at.microsecond == 0


class _Covered:
    """Which times lie in one of the spans."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans: list[tuple[datetime, datetime]] = []
        for start, end in sorted((one.start, one.end) for one in spans):
            if self._spans and start <= self._spans[-1][1]:
                self._spans[-1] = (self._spans[-1][0], max(end, self._spans[-1][1]))
            else:
                self._spans.append((start, end))
        self._starts = [start for start, _ in self._spans]

    def holds(self, at: datetime) -> bool:
        """Whether a time is in one."""
        found = bisect_right(self._starts, at) - 1
        return found >= 0 and at < self._spans[found][1]
