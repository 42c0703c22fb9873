"""What budgets demand, as exact integers: amounts are pairs (high, low) that compare like the amount itself.

USD: high = micro-USD, low = pico remainder. Tokens and requests: high = the count, low = 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from schemas.money import PICO_PER_MICRO, PICO_PER_USD, usd
from schemas.policies import Budget, InForce, Policies, SharedCredentialRule, SpikeRule

Unit = Literal["usd", "tokens", "requests"]
Pair = tuple[int, int]
BudgetKey = tuple[str, str]
"""org, budget id."""

NEVER: Pair = (2**62, 0)
"""More than any amount: what a budget needs whose last threshold is crossed."""
SHARE_PARTS = 1_000_000
"""Thresholds have at most six decimals: as whole millionths of the limit they are exact."""


@dataclass(frozen=True, slots=True)
class Step:
    """A threshold of a budget and the amount from which on it is crossed."""

    share: Decimal
    share_millionths: int
    need: Pair


@dataclass(frozen=True, slots=True)
class Plan:
    """A budget in force with its thresholds as exact amounts, ascending."""

    budget: Budget
    since: int
    matched_since: int
    steps: tuple[Step, ...]

    def next_need(self, crossed_millionths: int) -> Pair:
        """The amount that crosses the lowest threshold above the highest one crossed."""
        return next((step.need for step in self.steps if step.share_millionths > crossed_millionths), NEVER)

    def highest(self, amount: Pair) -> Step | None:
        """The highest threshold that an amount reaches."""
        return next((step for step in reversed(self.steps) if amount >= step.need), None)


@dataclass(frozen=True, slots=True)
class InForceHere:
    """The policies at one policy offset, as burn asks for them."""

    offset: int
    plans: Mapping[BudgetKey, Plan]
    spikes: Mapping[str, SpikeRule]
    shared: Mapping[str, SharedCredentialRule]

    def spike(self, org: str) -> SpikeRule:
        """The org's spike rule; the defaults where it has none."""
        return self.spikes.get(org) or _default_spike(org)

    def shared_credential(self, org: str) -> SharedCredentialRule:
        """The org's rule for shared credentials; the defaults where it has none."""
        return self.shared.get(org) or _default_shared(org)


@lru_cache(maxsize=4096)
def _default_spike(org: str) -> SpikeRule:
    return SpikeRule(org=org)


@lru_cache(maxsize=4096)
def _default_shared(org: str) -> SharedCredentialRule:
    return SharedCredentialRule(org=org)


def compiled(policies: Policies, *, offset: int) -> InForceHere:
    """The policies of an offset, budgets with exact thresholds."""
    inside = list(policies.values())
    return InForceHere(
        offset=offset,
        plans={(p.org, p.id): plan_of(p, entry) for entry in inside if isinstance(p := entry.policy, Budget)},
        spikes={p.org: p for entry in inside if isinstance(p := entry.policy, SpikeRule)},
        shared={p.org: p for entry in inside if isinstance(p := entry.policy, SharedCredentialRule)},
    )


def plan_of(budget: Budget, entry: InForce) -> Plan:
    """A budget's thresholds as exact amounts."""
    steps = tuple(
        Step(share, int(share * SHARE_PARTS), need_of(Fraction(share) * Fraction(budget.limit), budget.unit))
        for share in budget.thresholds
    )
    return Plan(budget, entry.since, entry.matched_since, steps)


def need_of(amount: Fraction, unit: Unit) -> Pair:
    """The least amount that reaches `amount`; nothing spent reaches nothing, so a limit of zero needs any spend."""
    least = max(1, -(-amount * (PICO_PER_USD if unit == "usd" else 1) // 1))
    pair = divmod(least, PICO_PER_MICRO) if unit == "usd" else (least, 0)
    return min(pair, NEVER)


def amount_of(pair: Pair, unit: Unit) -> Decimal:
    """The amount of a pair, exact: USD with all its places, or a count."""
    return usd(pair[0] * PICO_PER_MICRO + pair[1]) if unit == "usd" else Decimal(pair[0])
