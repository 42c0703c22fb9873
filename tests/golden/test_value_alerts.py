"""What is said of value stands beside the contract: an example of an alert, out of the rows of a night."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import schemas
from sinks.value_findings import Name, findings, questions
from sinks.value_verdicts import said_at_night

EXAMPLE = Path(schemas.__file__).parent / "examples" / "alert.low_value.json"
NIGHT = datetime(2026, 11, 23, 4, tzinfo=UTC)
ROW: dict[str, Any] = {
    "org": "acme", "use_case": "refactoring", "owner": "dana", "cost_usd": Decimal("412.2"), "cost_ratio": 0.31,
    "value_usd": Decimal(12), "things": 40, "valued": 38, "advice": "stop", "known": 40, "requests": 9120,
}  # fmt: skip


def test_what_is_said_is_the_example() -> None:
    """Every field, number and word of the checked-in example comes out of the rules; advice comes with it."""
    rows: dict[Name, list[dict[str, Any]]] = {name: [] for name, _ in questions(NIGHT)}
    rows["quadrants"] = [ROW]
    alert, advice = said_at_night({}, findings(rows, held=()), night=NIGHT)
    assert json.loads(EXAMPLE.read_text()) == json.loads(alert[2])
    assert (advice[0], json.loads(advice[2])["data"]["alert_id"]) == ("control.advice", alert[1].decode())
