"""A provider's figures against ours: missing is not zero, drift is exact, and only covered time is compared."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from deploy.cli.reconcile_provider import share
from schemas.errors import InputError
from schemas.provider_usage import COST, Figure, Measure, ProviderReport, Span
from sinks.provider_reconcile import ALL_MODELS, Line, compare, coverage_of, family, ours_between, ours_from

DAY = date(2026, 11, 22)
START = datetime(2026, 11, 22, tzinfo=UTC)
ONE_PERCENT = Decimal("0.01")


def figure(model: str | None, amount: int | str | None, measure: Measure = "input_tokens") -> Figure:
    """A figure of the day."""
    return Figure(DAY, model, measure, None if amount is None else Decimal(amount))


def lines(theirs: list[Figure], ours: list[Figure], max_drift: Decimal = ONE_PERCENT) -> list[Line]:
    """The comparison of both sides over the whole day."""
    report = ProviderReport("openai", tuple(theirs), (Span(START, START + timedelta(days=1), "usage"),), ())
    return compare(report, ours, max_drift=max_drift)


@pytest.mark.parametrize(("ours", "verdict"), [(9_900, "ok"), (9_899, "drift"), (10_100, "ok"), (10_101, "drift")])
def test_the_threshold_is_exact_on_both_sides(ours: int, verdict: str) -> None:
    """A drift of the threshold itself passes, one token more does not."""
    (line,) = lines([figure("gpt-4o", 10_000)], [figure("gpt-4o", ours)])
    assert (line.verdict, line.drift) == (verdict, Decimal(ours - 10_000) / 10_000)


def test_what_one_side_lacks_is_missing_and_not_zero() -> None:
    """A model that only one side knows fails the comparison; its other side is empty."""
    found = lines([figure("a", 5)], [figure("b", 7)])
    assert [(line.model, line.theirs, line.ours, line.verdict) for line in found] == [
        ("a", Decimal(5), None, "missing_here"), ("b", None, Decimal(7), "missing_there"),
    ]  # fmt: skip


def test_what_the_report_does_not_say_is_not_compared() -> None:
    """Null is neither zero nor a drift; zero on both sides is nothing to compare."""
    said_nothing = [figure("a", None, "input_cache_read_tokens"), figure("b", 0)]
    assert lines(said_nothing, [figure("a", 9, "input_cache_read_tokens"), figure("b", 0)]) == []


def test_zero_there_and_something_here_is_a_drift() -> None:
    """A share of zero is not defined, and any use that the provider does not know fails."""
    (line,) = lines([figure("a", 0)], [figure("a", 1)])
    assert (line.verdict, line.drift, line.coverage) == ("drift", None, None)


def test_names_left_over_are_compared_without_their_date() -> None:
    """A name that both sides use is compared as it is; what is left over by its family."""
    theirs = [figure("gpt-4o-2024-08-06", 10), figure("gpt-4o-2024-11-20", 20), figure("o3", 5)]
    ours = [figure("gpt-4o-2024-08-06", 10), figure("openai/gpt-4o", 20), figure("o3", 5)]
    assert [(line.model, line.verdict) for line in lines(theirs, ours)] == [
        ("gpt-4o", "ok"), ("gpt-4o-2024-08-06", "ok"), ("o3", "ok"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [("gpt-4o-2024-08-06", "gpt-4o"), ("claude-sonnet-4-20250514", "claude-sonnet-4"), ("gpt-4o", "gpt-4o"),
     ("chatgpt-4o-latest", "chatgpt-4o"), ("anthropic/claude-3-5-haiku@20241022", "claude-3-5-haiku")],
)  # fmt: skip
def test_family_is_the_name_without_provider_and_date(name: str, expected: str) -> None:
    """Numbers that are part of a name stay."""
    assert family(name) == expected


def test_a_report_without_models_is_compared_with_all_of_ours() -> None:
    """An ungrouped report is one line for each class."""
    (line,) = lines([figure(None, 12)], [figure("a", 5), figure("b", 7)])
    assert (line.model, line.ours, line.verdict) == (ALL_MODELS, Decimal(12), "ok")


def test_coverage_is_our_share_of_theirs() -> None:
    """What we have too much of one model hides nothing of what is missing of another."""
    found = lines([figure("a", 60), figure("b", 40)], [figure("a", 90), figure("b", 10)])
    assert coverage_of(found, "input_tokens") == Decimal("0.7")
    assert coverage_of(found, "cost_usd") is None


def test_only_covered_time_counts() -> None:
    """Our hours outside the report's buckets are left out; cost is held to the cost report's buckets alone."""
    report = ProviderReport(
        "openai",
        (),
        (Span(START, START + timedelta(hours=2), "usage"), Span(START, START + timedelta(hours=1), COST)),
        (),
    )
    row: dict[str, Any] = dict.fromkeys(
        (
            "input_tokens",
            "input_uncached_tokens",
            "input_cache_read_tokens",
            "input_cache_write_tokens",
            "output_tokens",
        )
    )
    rows = [
        row | {"t": START + timedelta(hours=hour), "model": "a", "requests": 1, "cost_usd": Decimal("0.5")}
        for hour in (-1, 0, 1, 2)
    ]
    found = {one.measure: one.amount for one in ours_from(rows, report)}
    assert found == {"requests": Decimal(2), "cost_usd": Decimal("0.5")}


def test_our_side_is_asked_by_hours_or_by_minutes() -> None:
    """Minutes are asked only where a bucket needs them; the provider's name is a parameter."""
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    by_hour = ours_between("x'; DROP", [Span(START, START + hour, "usage")])
    assert "toStartOfHour" in by_hour.sql
    assert "DROP" not in by_hour.sql
    assert "toStartOfMinute" in ours_between("openai", [Span(START, START + minute, "usage")]).sql


def test_max_drift_is_a_share() -> None:
    """Per cent and plain shares are exact; what is no share from 0 to 1 is refused."""
    assert [share(text) for text in ("1%", "0.01", "0", "0.5%")] == [
        Decimal("0.01"), Decimal("0.01"), Decimal(0), Decimal("0.005"),
    ]  # fmt: skip
    for text in ("", "x", "-1%", "101%", "nan"):
        with pytest.raises(InputError, match="--max-drift"):
            share(text)
