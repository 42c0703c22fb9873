"""Saved pages of an admin API as one report: a page, a list of pages, JSON lines, or bare buckets, in any order.

Laws
1. A bucket counts once: the same bucket with the same content in two pages is a copy; with another content, or
   overlapping another one of its report, the files are refused, because a sum over both would mean nothing.
2. A bucket lies within one day of UTC, or the files are refused.
3. Of a class that one result of a model and day does not say, nothing is known for that model and day (null is not 0).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any

from producers.provider_reports import anthropic, openai
from schemas.errors import InputError
from schemas.provider_usage import Figure, Measure, ProviderReport, Span

PROVIDERS: Mapping[str, ModuleType] = {"openai": openai, "anthropic": anthropic}
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Bucket:
    span: Span
    results: list[dict[str, Any]]
    said: str


def read_reports(files: Mapping[str, str], *, provider: str | None = None) -> ProviderReport:
    """The report that these files (name -> text) make; `provider` where the files must be of that one.

    Raises: InputError: a file is none, or they contradict each other; the message names the file.
    """
    buckets: list[_Bucket] = []
    notes: list[str] = []
    found = provider
    for name, text in files.items():
        try:
            for page in _pages(text):
                found = _same_provider(found, page)
                buckets.extend(_buckets(page, found, notes))
                if page.get("has_more") is True:
                    notes.append(f"{name}: a page says that there are more; days without a bucket are not compared")
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
    if found is None:
        raise InputError("the files hold no bucket of usage or cost")
    once = _once(buckets)
    figures = list(_figures(once, PROVIDERS[found], notes))
    return ProviderReport(found, tuple(_summed(figures)), tuple(one.span for one in once), tuple(dict.fromkeys(notes)))


def _pages(text: str) -> Iterator[dict[str, Any]]:
    """The pages of a file. Raises: InputError: it holds something else."""
    try:
        yield from _pages_of(text)
    except RecursionError:
        raise InputError("it is nested too deeply for a report") from None
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"it holds a number that is none of a report: {error}") from None


def _pages_of(text: str) -> Iterator[dict[str, Any]]:
    try:
        yield from _flat(json.loads(text, parse_float=Decimal))
    except json.JSONDecodeError as whole:
        try:
            lines = [json.loads(line, parse_float=Decimal) for line in text.splitlines() if line.strip()]
        except json.JSONDecodeError:
            raise InputError(f"not JSON and not JSON lines: {whole.msg} at line {whole.lineno}") from None
        yield from _flat(lines)


def _flat(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for one in value:
            yield from _flat(one)
    elif isinstance(value, dict) and isinstance(value.get("data"), list):
        yield value
    elif isinstance(value, dict) and isinstance(value.get("results", value.get("result")), list):
        yield {"data": [value]}
    else:
        raise InputError(
            'write pages as the admin API gives them: {"data": [{..., "results": [...]}], "has_more": ...}'
        )


def _same_provider(known: str | None, page: Mapping[str, Any]) -> str | None:
    for bucket in page["data"]:
        if not isinstance(bucket, dict):
            raise InputError("a bucket of `data` is no object")
        here = "openai" if "start_time" in bucket else "anthropic" if "starting_at" in bucket else None
        if here is None:
            raise InputError("a bucket has neither start_time (OpenAI) nor starting_at (Anthropic)")
        if known is not None and here != known:
            raise InputError(f"this is a report of {here}, not of {known}; compare one provider at a time")
        known = here
    return known


def _buckets(page: Mapping[str, Any], provider: str | None, notes: list[str]) -> Iterator[_Bucket]:
    """The buckets of a page, which are all of one report; a page without any result does not say of which."""
    if provider is None or not page["data"]:
        return
    dialect = PROVIDERS[provider]
    lists = [_results(bucket) for bucket in page["data"]]
    reports = {dialect.report_of(one) for some in lists for one in some}
    if len(reports) != 1:
        said = f"a page mixes {', '.join(sorted(reports))}" if reports else ""
        if said:
            raise InputError(said)
        notes.append("a page has no result and so does not say what it reports; it is not compared")
        return
    (report,) = reports
    for bucket, results in zip(page["data"], lists, strict=True):
        start, end = dialect.bounds(bucket)
        if end <= start or (end - _MICROSECOND).date() != start.date():
            raise InputError(f"the bucket {start:%Y-%m-%dT%H:%M} to {end:%Y-%m-%dT%H:%M} is not within one day of UTC")
        yield _Bucket(Span(start, end, report), results, json.dumps(results, sort_keys=True, default=str))


def _results(bucket: Mapping[str, Any]) -> list[dict[str, Any]]:
    results = bucket.get("results", bucket.get("result"))
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        raise InputError("a bucket has no list of `results`")
    return results


def _once(buckets: Iterable[_Bucket]) -> list[_Bucket]:
    """The buckets in order, copies left out (law 1)."""
    kept: list[_Bucket] = []
    for bucket in sorted(buckets, key=lambda one: (one.span.report, one.span.start, one.span.end)):
        last = kept[-1] if kept and kept[-1].span.report == bucket.span.report else None
        if last is None or bucket.span.start >= last.span.end:
            kept.append(bucket)
        elif bucket.span != last.span or bucket.said != last.said:
            raise InputError(
                f"two reports ({bucket.span.report}) cover {bucket.span.start:%Y-%m-%dT%H:%M}Z and do not say the same;"
                " give one of them (one grouping, one bucket width)"
            )
    return kept


def _figures(buckets: Iterable[_Bucket], dialect: ModuleType, notes: list[str]) -> Iterator[Figure]:
    for bucket in buckets:
        for result in bucket.results:
            if not dialect.comparable(result):
                notes.append(f"not compared: {bucket.span.report}")
                continue
            yield from dialect.figures(bucket.span.start.date(), result)


def _summed(figures: Iterable[Figure]) -> Iterator[Figure]:
    sums: dict[tuple[date, str | None, Measure], Decimal | None] = {}
    for one in figures:
        key = (one.day, one.model, one.measure)
        held = sums.get(key, Decimal(0))
        sums[key] = None if held is None or one.amount is None else held + one.amount
    yield from (Figure(*key, amount) for key, amount in sums.items())


def within(report: ProviderReport, *, since: datetime | None, until: datetime | None) -> ProviderReport:
    """The part of a report in whole days of UTC within [since, until)."""
    first = date.min if since is None else since.astimezone(UTC).date()
    last = date.max if until is None else (until.astimezone(UTC) - _MICROSECOND).date()
    return ProviderReport(
        report.provider,
        tuple(one for one in report.figures if first <= one.day <= last),
        tuple(one for one in report.spans if first <= one.start.date() <= last),
        report.notes,
    )
