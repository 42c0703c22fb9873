"""What must come out of the demo, held against the simulator's ledger. Pure.

Laws
1. A check passes only when both sides are equal as exact integers or as sets of names; nothing is rounded.
2. What was not found is a failed check, never a missing line.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from schemas.money import pico_usd, plain, usd
from schemas.usage import LEAVES

COUNTS = ("requests", "errors", "unpriced_requests", "input_tokens", "output_tokens", *LEAVES)


@dataclass(frozen=True)
class Check:
    """One sentence about the outcome: what the ledger says, what Burnline says."""

    what: str
    expected: str
    actual: str

    @property
    def passed(self) -> bool:
        """Whether both say the same."""
        return self.expected == self.actual


def total_checks(truth: Mapping[str, Any], found: Mapping[str, Any], *, view: str) -> list[Check]:
    """The totals of one view, count by count, and the cost to the pico-dollar."""
    total = truth["total"]
    checks = [
        Check(f"{view}: {name}", f"{total.get(name, 0):,}", f"{int(found[name]):,}")
        for name in COUNTS
        if total.get(name, 0) or int(found[name])
    ]
    cost = Check(
        f"{view}: cost_usd",
        plain(usd(total["cost_pico_usd"])),
        plain(usd(pico_usd(found["cost_usd"]))),
    )
    return [*checks, cost]


def entity_checks(truth: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]], *, entity_type: str) -> list[Check]:
    """Requests and cost of every entity of a type, as one check: the entities that disagree are named."""
    expected = {
        name: f"{sums['requests']} requests, {plain(usd(sums['cost_pico_usd']))} USD"
        for name, sums in truth["by"][entity_type].items()
    }
    actual = {
        name: f"{row['requests']} requests, {plain(usd(pico_usd(row['cost_usd'])))} USD" for name, row in found.items()
    }
    wrong = [
        f"{name}: {expected.get(name, 'nothing')} in the ledger, {actual.get(name, 'nothing')} found"
        for name in sorted(expected.keys() | actual.keys())
        if expected.get(name) != actual.get(name)
    ]
    return [Check(f"every {entity_type} ({len(expected)})", "all equal", "; ".join(wrong[:3]) or "all equal")]


def budget_checks(
    truth: Mapping[str, Any], states: Iterable[Mapping[str, Any]], alerts: Iterable[Mapping[str, Any]]
) -> list[Check]:
    """What each budget has spent, to the pico-dollar, and which of its thresholds fired."""
    spent = {row["budget_id"]: plain(row["spent"]) for row in states}
    fired: dict[str, set[str]] = {}
    for row in alerts:
        if row["rule"] == "threshold":
            fired.setdefault(row["budget_id"], set()).add(row["level"])
    checks = []
    for budget in truth["budgets"]:
        name = budget["id"]
        checks += [
            Check(f"budget {name}: spent", plain(usd(budget["spent_pico_usd"])), spent.get(name, "not said")),
            Check(f"budget {name}: thresholds", _names(budget["crossed"]), _names(fired.get(name, ()))),
        ]
    return checks


def planted_checks(truth: Mapping[str, Any], alerts: Iterable[Mapping[str, Any]]) -> list[Check]:
    """The planted agent, its run, key and team are named by an alert; and nobody else is."""
    planted = truth["planted"]
    found = list(alerts)
    agents = {row["entity_id"] for row in found if row["rule"] == "spike" and row["entity_type"] == "agent"}
    runs = {row["entity_id"] for row in found if row["rule"] == "runaway"}
    keys = {row["entity_id"] for row in found if row["rule"] == "shared_credential"}
    teams = {row["entity_id"] for row in found if row["rule"] == "threshold" and row["level"] == "1"}
    return [
        Check("the agent that ran away", planted["runaway_agent"]["agent"], _names(agents)),
        Check("the run that goes round", planted["runaway_agent"]["run"], _names(runs)),
        Check("the key that is shared", planted["shared_key"]["credential"], _names(keys)),
        Check("the team over its budget", planted["over_budget_team"]["team"], _names(teams)),
    ]


def value_checks(
    truth: Mapping[str, Any], units: Iterable[Mapping[str, Any]], findings: Iterable[Mapping[str, Any]]
) -> list[Check]:
    """What outcomes cost and how many succeeded, by type, and what the planted waste cost: to the pico-dollar."""
    found = {row["outcome_type"]: row for row in units}
    checks = []
    for kind, line in truth["outcomes"].items():
        row = found.get(kind)
        said = (
            "not said"
            if row is None
            else _brought(row["outcomes"], row["outcomes"] - row["failed"], plain(row["cost_usd"] or Decimal(0)))
        )
        expected = _brought(line["outcomes"], line["succeeded"], plain(usd(line["cost_pico_usd"])))
        checks.append(Check(f"outcome {kind}", expected, said))
    twice = truth["planted"]["asked_twice"]
    wasted = {
        row["kind"]: f"{row['events']} calls, {plain(row['recoverable_usd'])} USD"
        for row in findings
        if row["evidence"] == "proven"
    }
    planted = f"{twice['requests']} calls, {plain(usd(twice['cost_pico_usd']))} USD"
    told = ", ".join(f"{kind}: {said}" for kind, said in sorted(wasted.items())) or "none"
    return [*checks, Check("proven waste", f"duplicate: {planted}", told)]


def stop_and_feed(lines: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Of use cases whose value is known: the one that costs most beyond its value, and the one with most for its cost.

    None where none costs more than it brings, or none brings more than it costs.
    """
    known = [line for line in lines if line["value_is"] != "uncertain" and line["cost_usd"] > 0]
    losing = [line for line in known if line["value_usd"] < line["cost_usd"]]
    winning = [line for line in known if line["value_usd"] > line["cost_usd"]]
    stop = max(losing, key=lambda line: line["cost_usd"] - line["value_usd"], default=None)
    return stop, max(winning, key=lambda line: line["value_usd"] / line["cost_usd"], default=None)


def _brought(outcomes: int, succeeded: int, cost_usd: str) -> str:
    return f"{outcomes} of which {succeeded} succeeded, {cost_usd} USD"


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
