"""Rows of the ledger priced anew: as rating prices their events; what differs is told by day, model, budget."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from deploy.budget_changes import Moved, budget_changes, fields_of
from deploy.rerating import Preview, differing
from schemas.policies import Budget, InForce, Key, Policies, key_of
from schemas.prices import PriceOverride
from streams.rating.price_rules import Prices
from streams.rating.repricing import repriced
from tests.laws.rating_events import BOOK, PRICES, event, new_lane, raw, rows_of, step

NOW = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)
SOME = [
    event("plain"), event("unknown", model="no-such"), event("cached", gateway_cache_hit=True),
    event("silent", input_tokens=None, output_tokens=None, input_cache_read_tokens=None, output_reasoning_tokens=None),
    event("search", units={"web_searches": 3}), event("batch", service_tier="batch"),
    event("claude", provider="anthropic", model="claude-sonnet-4-5", input_cache_write_1h_tokens=7),
]  # fmt: skip


def rows() -> list[dict[str, Any]]:
    """What rating makes of them, as views show it: missing names are ''."""
    rated = rows_of(step(new_lane(), [raw(one) for one in SOME]))
    names = ("service_tier", "region", "inference_region", "team", "user")
    return [
        row | {name: row[name] or "" for name in names} | {"units": dict(row["units"] or {}), "correction": 0}
        for row in rated
    ]


def in_force(*policies: Any) -> Policies:
    """These, since the beginning."""
    found: dict[Key, InForce] = {key_of(one): InForce(policy=one, since=0, matched_since=0) for one in policies}
    return found


def test_under_the_same_prices_every_row_costs_what_it_cost() -> None:
    """Cost, list, ceiling and status of all kinds of rows: nothing differs."""
    preview = Preview(("org",))
    assert list(differing(rows(), PRICES, preview)) == []
    assert (preview.looked_at, preview.differ) == (len(SOME), 0)
    assert repriced([], PRICES) == []


def test_what_differs_is_told_with_the_version_that_was_priced() -> None:
    """An override of one model changes its rows, and their sums by day and model."""
    half = PriceOverride(id="o", org="acme", provider="openai", model="gpt-4o", usd_per_mtok={"output": Decimal(1)})
    preview = Preview(fields_of(in_force()))
    new = list(differing(rows(), Prices(BOOK, [half]), preview))
    before = {row["id"]: row for row in rows()}
    assert {one["id"] for one in new} == {"plain", "search", "batch"}
    assert {one["version"] for one in new} == {1 << 32}
    assert {one["pricing_status"] for one in new} == {"overridden"}
    [((_, model), line)] = preview.lines.items()
    assert (model, line.events, line.before_usd) == ("gpt-4o", 3, sum(before[one["id"]]["cost_usd"] for one in new))
    assert line.after_usd == sum(one["cost_usd"] for one in new)
    assert sum(moved.cost_usd for moved in preview.budgets()) == line.after_usd - line.before_usd


def test_budgets_of_open_periods_are_told_by_member() -> None:
    """Scope, each and the period of the budget's own zone decide; what is over is not told."""
    month = Budget(id="month", org="acme", limit=1)
    india = Budget(
        id="india", org="acme", scope={"team": "code"}, each="user", period="day", timezone="Asia/Kolkata", limit=1
    )
    calls = Budget(id="calls", org="acme", unit="requests", period="hour", limit=1)
    other = Budget(id="other", org="other", limit=1)
    policies = in_force(month, india, calls, other)
    assert fields_of(policies) == ("org", "team", "user")
    names = {"org": "acme", "team": "code", "user": "ana"}
    midnight = datetime(2026, 11, 21, 18, 30, tzinfo=UTC)
    moved = [
        Moved(names, midnight, -1, -10, Decimal("-0.5")),
        Moved(names, midnight - timedelta(minutes=15), -1, -10, Decimal("-0.25")),
        Moved({**names, "user": ""}, NOW, -1, -10, Decimal(-2)),
        Moved(names, datetime(2026, 10, 31, 23, 45, tzinfo=UTC), -1, -10, Decimal(-7)),
    ]
    found = budget_changes(policies, moved, now=NOW)
    assert [(one.budget_id, one.member, one.change) for one in found] == [
        ("calls", "", -1), ("india", "ana", Decimal("-0.5")), ("month", "", Decimal("-2.75")),
    ]  # fmt: skip
