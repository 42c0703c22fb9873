"""What is true of a simulated day, in exact integers, computed apart from everything that Burnline computes.

Laws
1. Each event counts once, however often it was sent.
2. The leaves of an event add up to its totals; its cost is the sum of tokens x rate over its leaves.
3. An event of a model without a price has no cost; it is counted as unpriced and adds nothing to any sum of money.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from operator import add
from typing import Any

from producers.simulator.prices import LEAVES, pico_usd_per_token

DIMENSIONS = ("org", "business_unit", "team", "user", "agent", "credential", "model")
SUMS = ("requests", "errors", "unpriced_requests", "input_tokens", "output_tokens", *LEAVES, "cost_pico_usd")
"""What is summed, by the names of the columns that the sums are compared with."""

_INPUT = tuple(name for name in LEAVES if name.startswith("input_"))
_OUTPUT = tuple(name for name in LEAVES if name.startswith("output_"))


class Ledger:
    """Sums over everything, and by each dimension and hour (UTC, named by its start), in the order of `SUMS`."""

    def __init__(self) -> None:
        self.total = [0] * len(SUMS)
        self.by: dict[str, dict[str, list[int]]] = {name: {} for name in (*DIMENSIONS, "hour")}

    def add(self, data: Mapping[str, Any], at: datetime) -> int | None:
        """One more event, which must not have been added before; returns its cost in pico-USD."""
        hour = at.replace(minute=0, second=0, microsecond=0)
        leaves = leaves_of(data)
        cost = cost_pico_usd(data, leaves, hour)
        error = data.get("status") == "error"
        row = [1, int(error), int(cost is None), data["input_tokens"], data["output_tokens"], *leaves, cost or 0]
        self.total = list(map(add, self.total, row))
        keys = [(name, data[name]) for name in DIMENSIONS if name in data]
        for name, key in [*keys, ("hour", hour.strftime("%Y-%m-%dT%H:%M:%SZ"))]:
            sums = self.by[name]
            sums[key] = list(map(add, sums[key], row)) if key in sums else row
        return cost

    def as_json(self) -> dict[str, Any]:
        """The whole ledger, keys sorted."""
        return {
            "total": dict(zip(SUMS, self.total, strict=True)),
            "by": {
                name: {key: dict(zip(SUMS, sums[key], strict=True)) for key in sorted(sums)}
                for name, sums in self.by.items()
            },
        }


def leaves_of(data: Mapping[str, Any]) -> tuple[int, ...]:
    """The disjoint leaves of an event in the order of `LEAVES`; what no leaf says is uncached input, or text output."""
    inputs = [data.get(name, 0) for name in _INPUT]
    outputs = [data.get(name, 0) for name in _OUTPUT]
    inputs[0] = data["input_tokens"] - sum(inputs[1:])
    outputs[0] = data["output_tokens"] - sum(outputs[1:])
    return (*inputs, *outputs)


def cost_pico_usd(data: Mapping[str, Any], leaves: tuple[int, ...], hour: datetime) -> int | None:
    """The exact cost of an event in pico-USD; None where its model has no price."""
    rates = _rates(data["provider"], data["model"], hour)
    return None if rates is None else sum(count * rate for count, rate in zip(leaves, rates, strict=True))


@lru_cache(maxsize=10_000)
def _rates(provider: str, model: str, hour: datetime) -> tuple[int, ...] | None:
    rates = [pico_usd_per_token(provider, model, leaf, hour) for leaf in LEAVES]
    return None if None in rates else tuple(rate or 0 for rate in rates)
