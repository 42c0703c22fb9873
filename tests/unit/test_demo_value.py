"""What the demo says of what the day bought."""

from decimal import Decimal
from typing import Any

from deploy.demo.checks import stop_and_feed, value_checks

TRUTH: dict[str, Any] = {
    "outcomes": {"merged": {"outcomes": 5, "succeeded": 3, "cost_pico_usd": 2_500_000_000_001}},
    "planted": {"asked_twice": {"requests": 2, "cost_pico_usd": 700_000_000_000}},
}
UNIT: dict[str, Any] = {"outcome_type": "merged", "outcomes": 5, "failed": 2, "cost_usd": Decimal("2.500000000001")}
FINDING: dict[str, Any] = {"kind": "duplicate", "evidence": "proven", "events": 2, "recoverable_usd": Decimal("0.7")}


def line(use_case: str, cost: str, value: str | None, value_is: str = "high") -> dict[str, Any]:
    """A use case as its quadrant says."""
    known = None if value is None else Decimal(value)
    return {"use_case": use_case, "cost_usd": Decimal(cost), "value_usd": known, "value_is": value_is}


def test_a_pico_dollar_is_wrong() -> None:
    """Costs of outcomes and proven waste are compared exactly; what is likely only is no part of it."""
    likely = FINDING | {"kind": "empty_input", "evidence": "likely"}
    assert all(check.passed for check in value_checks(TRUTH, [UNIT], [FINDING, likely]))
    pico = Decimal("1e-12")
    for units, findings in (
        ([UNIT | {"cost_usd": UNIT["cost_usd"] + pico}], [FINDING]),
        ([UNIT | {"failed": 1}], [FINDING]),
        ([], [FINDING]),
        ([UNIT], [FINDING | {"recoverable_usd": Decimal("0.7") + pico}]),
        ([UNIT], [FINDING, FINDING | {"kind": "failed_attempt"}]),
        ([UNIT], []),
    ):
        assert [check.passed for check in value_checks(TRUTH, units, findings)].count(False) == 1


def test_what_to_stop_and_to_feed_is_told_by_what_is_known() -> None:
    """The greatest loss is stopped, the best ratio fed; whose value is not known is neither."""
    lines = [
        line("dear", "90", "10", "low"), line("cheap", "20", "1", "low"), line("good", "5", "50"),
        line("big", "100", "500"),
        line("unknown", "900", None, "uncertain"), line("half known", "900", "1", "uncertain"), line("free", "0", "9"),
    ]  # fmt: skip
    stop, feed = stop_and_feed(lines)
    assert (stop or {})["use_case"] == "dear"
    assert (feed or {})["use_case"] == "good"
    assert stop_and_feed([line("even", "5", "5")]) == (None, None)
