"""The change of spend between two spans of the same length as three terms, from sums alone. Pure.

Laws
1. The terms add up to the difference, always; each is a whole number of the smallest unit: pico-USD, tokens, requests.
2. More calls of the same kind are `calls`; longer ones are `tokens_per_call`, at what a token cost before; the rest is
   `cost_per_token`: prices, models, how much came from a cache. `burnline explain` takes that apart.
3. Where there were no calls before, or are none now, all is `calls`.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from schemas.money import usd
from streams.burn.limits import Unit

Term = Literal["calls", "tokens_per_call", "cost_per_token"]


@dataclass(frozen=True, slots=True)
class Used:
    """What was used in a span."""

    requests: int
    tokens: int
    pico_usd: int

    def amount(self, unit: Unit) -> int:
        """In the smallest unit."""
        return {"usd": self.pico_usd, "tokens": self.tokens, "requests": self.requests}[unit]


def terms_of(before: Used, after: Used, unit: Unit) -> dict[Term, int]:
    """What each has changed, in the smallest unit."""
    whole = after.amount(unit) - before.amount(unit)
    if unit == "requests" or before.requests <= 0 or after.requests <= 0:
        calls, tokens = whole, 0
    else:
        per_call = Fraction(before.amount(unit), before.requests)
        calls = round((after.requests - before.requests) * per_call)
        tokens = whole - calls if unit == "tokens" else _of_tokens(before, after)
    return {"calls": calls, "tokens_per_call": tokens, "cost_per_token": whole - calls - tokens}


def _of_tokens(before: Used, after: Used) -> int:
    if before.tokens <= 0:
        return 0
    more = after.tokens - Fraction(after.requests * before.tokens, before.requests)
    return round(more * Fraction(before.pico_usd, before.tokens))


def told_amount(smallest: int, unit: Unit) -> Decimal:
    """An amount of the smallest unit as signals say it."""
    return usd(smallest) if unit == "usd" else Decimal(smallest)
