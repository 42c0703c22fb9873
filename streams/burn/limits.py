"""What budgets demand, as exact integers: amounts are pairs (high, low) that compare like the amount itself.

USD: high = micro-USD, low = pico remainder. Tokens and requests: high = the count, low = 0.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

from schemas.money import PICO_PER_MICRO, PICO_PER_USD, plain, usd
from schemas.periods import Calendar
from schemas.policies import Budget, InForce

Unit = Literal["usd", "tokens", "requests"]
Pair = tuple[int, int]
BudgetKey = tuple[str, str]
"""org, budget id."""

NEVER: Pair = (2**62, 0)
"""More than any amount: what a budget needs whose last threshold is crossed."""
MOST_LIMITS = 4096
"""Plans under limits of their own that are kept at hand for one budget."""
_EXACT = Context(prec=60)
SHARE_PARTS = 1_000_000
"""Thresholds have at most six decimals: as whole millionths of the limit they are exact."""


@dataclass(frozen=True, slots=True)
class Step:
    """A threshold of a budget: a share of its limit, or an amount of its own, and what crosses it."""

    level: str  # its name in alerts
    share: Decimal | None  # None of an amount
    share_millionths: int
    amount: Decimal
    need: Pair


class Marks(NamedTuple):
    """Up to where thresholds are crossed: shares of the limit in millionths, and amounts by what they need.

    Two marks, because an edit of the limit moves shares past amounts.
    """

    shares: int
    amounts: Pair

    def hold(self, step: Step) -> bool:
        """Whether the threshold is crossed."""
        return step.share_millionths <= self.shares if step.share is not None else step.need <= self.amounts

    def past(self, steps: Iterable[Step]) -> "Marks":
        """With these thresholds crossed."""
        shares, amounts = self
        for step in steps:
            if step.share is not None:
                shares = max(shares, step.share_millionths)
            else:
                amounts = max(amounts, step.need)
        return Marks(shares, amounts)


UNMARKED = Marks(0, (0, 0))


@dataclass(frozen=True, slots=True)
class Increase:
    """So much more than the limit from `starts_us` until `ends_us`, for one member ('' = for each)."""

    amount: Decimal
    member: str
    starts_us: int
    ends_us: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A budget in force with its thresholds as exact amounts, ascending by what they need.

    Where its limit is not the same in every period (allowances.py), `under` has the plan with the one of a period.
    """

    budget: Budget
    since: int
    matched_since: int
    steps: tuple[Step, ...]
    increases: tuple[Increase, ...] = ()
    known: dict[Decimal, "Plan"] = field(default_factory=dict, compare=False, repr=False)
    limit: Pair = field(init=False)  # the whole limit; what is too large for a pair is NEVER
    calendar: Calendar = field(init=False)
    varies: bool = field(init=False)  # its limit is not the same in every period
    rolls_over: bool = field(init=False)
    is_rolling: bool = field(init=False)

    def __post_init__(self) -> None:
        """What is asked for each row is at hand."""
        budget = self.budget
        derived = {
            "limit": _pair(Fraction(budget.limit), budget.unit),
            "calendar": budget.calendar(),
            "varies": budget.prorate or budget.roll_over or bool(self.increases),
            "rolls_over": budget.roll_over,
            "is_rolling": budget.period == "rolling",
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def under(self, limit: Decimal) -> "Plan":
        """The plan with another limit."""
        if limit == self.budget.limit:
            return self
        if len(self.known) >= MOST_LIMITS:
            self.known.clear()
        found = self.known.get(limit)
        if found is None:
            budget = self.budget.model_copy(update={"limit": limit})
            found = self.known[limit] = replace(self, budget=budget, steps=_steps(budget), known={})
        return found

    def next_need(self, marks: Marks) -> Pair:
        """The least amount that crosses a threshold that is not crossed yet."""
        return min((step.need for step in self.steps if not marks.hold(step)), default=NEVER)

    def step(self, level: str) -> Step | None:
        """The threshold of that name."""
        return next((step for step in self.steps if step.level == level), None)

    def highest(self, amount: Pair) -> Step | None:
        """The highest threshold that an amount reaches."""
        return next((step for step in reversed(self.steps) if amount >= step.need), None)

    def highest_share(self, amount: Pair) -> Decimal | None:
        """The highest threshold that is a share of the limit, of those that an amount reaches."""
        return max((s.share for s in self.steps if s.share is not None and amount >= s.need), default=None)


def plan_of(budget: Budget, entry: InForce, *, increases: Sequence[Increase] = ()) -> Plan:
    """A budget's thresholds as exact amounts."""
    order = tuple(sorted(increases, key=lambda one: (one.starts_us, one.ends_us, one.member, one.amount)))
    return Plan(budget, entry.since, entry.matched_since, _steps(budget), order)


def _steps(budget: Budget) -> tuple[Step, ...]:
    shares = [
        Step(
            level=plain(share),
            share=share,
            share_millionths=int(share * SHARE_PARTS),
            amount=_EXACT.multiply(share, budget.limit),
            need=need_of(Fraction(share) * Fraction(budget.limit), budget.unit),
        )
        for share in budget.thresholds
    ]
    amounts = [
        Step(f"{plain(amount)} {budget.unit}", None, 0, amount, need_of(Fraction(amount), budget.unit))
        for amount in budget.threshold_amounts
    ]
    return tuple(sorted([*shares, *amounts], key=lambda step: (step.need, step.share or 0)))


def need_of(amount: Fraction, unit: Unit) -> Pair:
    """The least amount that reaches `amount`; nothing spent reaches nothing, so a limit of zero needs any spend."""
    smallest = Fraction(1, PICO_PER_USD) if unit == "usd" else Fraction(1)
    return _pair(max(amount, smallest), unit)


def _pair(amount: Fraction, unit: Unit) -> Pair:
    whole = -(-amount * (PICO_PER_USD if unit == "usd" else 1) // 1)
    return min(divmod(whole, PICO_PER_MICRO) if unit == "usd" else (whole, 0), NEVER)


def amount_of(pair: Pair, unit: Unit) -> Decimal:
    """The amount of a pair, exact: USD with all its places, or a count."""
    return usd(pair[0] * PICO_PER_MICRO + pair[1]) if unit == "usd" else Decimal(pair[0])
