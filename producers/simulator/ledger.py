"""What is true of a simulated day, in exact integers, computed apart from everything that Burnline computes.

Laws
1. Each event counts once, however often it was sent.
2. The leaves of an event add up to its totals; its cost is the sum of tokens x rate over its leaves.
3. An event of a model without a price has no cost; it is counted as unpriced and adds nothing to any sum of money.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from producers.simulator.prices import LEAVES, pico_usd_per_token

DIMENSIONS = ("org", "business_unit", "team", "user", "agent", "credential", "model")
_REST = {"input_tokens": "input_uncached_tokens", "output_tokens": "output_text_tokens"}


@dataclass(slots=True)
class Sums:
    """What one entity, or everything, amounts to."""

    requests: int = 0
    errors: int = 0
    unpriced_requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    leaves: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LEAVES, 0))
    cost_pico_usd: int = 0

    def add(self, data: Mapping[str, Any], leaves: Mapping[str, int], cost_pico_usd: int | None) -> None:
        """One more event."""
        self.requests += 1
        self.errors += data.get("status") == "error"
        self.input_tokens += data["input_tokens"]
        self.output_tokens += data["output_tokens"]
        for name, count in leaves.items():
            self.leaves[name] += count
        if cost_pico_usd is None:
            self.unpriced_requests += 1
        else:
            self.cost_pico_usd += cost_pico_usd

    def as_json(self) -> dict[str, Any]:
        """The sums by the names of the columns that they are compared with."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "unpriced_requests": self.unpriced_requests,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            **self.leaves,
            "cost_pico_usd": self.cost_pico_usd,
        }


class Ledger:
    """Sums over everything, and by each dimension and hour (UTC, named by its start)."""

    def __init__(self) -> None:
        self.total = Sums()
        self.by: dict[str, dict[str, Sums]] = {name: {} for name in (*DIMENSIONS, "hour")}

    def add(self, data: Mapping[str, Any], at: datetime) -> int | None:
        """One more event, which must not have been added before; returns its cost in pico-USD."""
        leaves = leaves_of(data)
        hour = at.replace(minute=0, second=0, microsecond=0)
        cost = cost_pico_usd(data, leaves, hour)
        keys = [(name, data[name]) for name in DIMENSIONS if name in data]
        for name, key in [*keys, ("hour", hour.strftime("%Y-%m-%dT%H:%M:%SZ"))]:
            self.by[name].setdefault(key, Sums()).add(data, leaves, cost)
        self.total.add(data, leaves, cost)
        return cost

    def as_json(self) -> dict[str, Any]:
        """The whole ledger, keys sorted."""
        return {
            "total": self.total.as_json(),
            "by": {name: {key: sums[key].as_json() for key in sorted(sums)} for name, sums in self.by.items()},
        }


def leaves_of(data: Mapping[str, Any]) -> dict[str, int]:
    """The disjoint leaves of an event; what is not said of a total is uncached input, or text output."""
    leaves = {name: data.get(name, 0) for name in LEAVES}
    for total, rest in _REST.items():
        side = total.partition("_")[0]
        said = sum(count for name, count in leaves.items() if name.startswith(side) and name != rest)
        leaves[rest] = data[total] - said
    return leaves


def cost_pico_usd(data: Mapping[str, Any], leaves: Mapping[str, int], at: datetime) -> int | None:
    """The exact cost of an event in pico-USD; None where its model has no price."""
    rates = {name: pico_usd_per_token(data["provider"], data["model"], name, at) for name in leaves}
    if any(rate is None for rate in rates.values()):
        return None
    return sum(count * (rates[name] or 0) for name, count in leaves.items())


def sums_of(events: Iterable[tuple[Mapping[str, Any], datetime]]) -> Ledger:
    """The ledger of events that are all different."""
    ledger = Ledger()
    for data, at in events:
        ledger.add(data, at)
    return ledger
