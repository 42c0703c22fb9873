"""What a provider's own usage and cost reports say, and what our ledger says in the same terms."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

Measure = Literal[
    "input_tokens", "input_uncached_tokens", "input_cache_read_tokens", "input_cache_write_tokens", "output_tokens",
    "requests", "cost_usd",
]  # fmt: skip
MEASURES: tuple[Measure, ...] = (
    "input_tokens", "input_uncached_tokens", "input_cache_read_tokens", "input_cache_write_tokens", "output_tokens",
    "requests", "cost_usd",
)  # fmt: skip
"""What can be compared: input with everything in it, its three parts (uncached with audio and images), output with
reasoning, requests, and money."""


COST = "cost"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of one side: a day of UTC, a model (None: all of them together), a class; None: it is not said."""

    day: date
    model: str | None
    measure: Measure
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Span:
    """A bucket of a report, [start, end), within one day of UTC; `report` is COST or names a report of usage."""

    start: datetime
    end: datetime
    report: str


@dataclass(frozen=True)
class ProviderReport:
    """The figures of a provider's reports, the time that they cover, and what a reader of them should know."""

    provider: str
    figures: tuple[Figure, ...]
    spans: tuple[Span, ...]
    notes: tuple[str, ...]
