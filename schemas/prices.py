"""Price rules of an organisation, as policies: own prices, discounts, and the ceiling of what has no price.

Laws
1. A rule holds from `valid_from` to before `valid_until`, both on a quarter of an hour UTC; without them, always.
2. Patterns know `*` and `?` and no case; `tier` is the one that served ("standard" where none is said, and whatever
   else a provider calls that: default, auto, on_demand ...), `region` the place of inference, else the region.
3. Prices are what is said, in USD; nothing is guessed for what is not said.
"""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator, model_validator

from schemas.money import plain
from schemas.usage import INPUT_LEAVES, OUTPUT_LEAVES, Name

_WRITES = tuple(leaf for leaf in INPUT_LEAVES if "cache_write" in leaf)
OVERRIDE_LEAVES: dict[str, tuple[str, ...]] = {
    "input": INPUT_LEAVES,
    "output": OUTPUT_LEAVES,
    "cache_write": _WRITES,
    "cache_read": ("input_cache_read_tokens",),
    **{leaf.removesuffix("_tokens"): (leaf,) for leaf in (*INPUT_LEAVES, *OUTPUT_LEAVES)},
}
"""What a name in `usd_per_mtok` sets the price of; of two names that set the same, the later one here wins."""

_QUARTER_SEC = 900
Rate = Annotated[Decimal, Field(ge=0, le=10**6, max_digits=18, decimal_places=12)]


class PriceRule(BaseModel):
    """What all price rules share: whose calls of which models."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    id: Name
    org: Name
    provider: Name = Field("*", description="a pattern of provider names")
    model: Name = Field("*", description="a pattern of model names")


class DatedPriceRule(PriceRule):
    """A rule that holds for a time, a tier and a place."""

    tier: Name = Field("*", description="a pattern of served tiers; standard where none is said")
    region: Name = Field("*", description="a pattern of places of inference, else of regions")
    valid_from: datetime | None = Field(None, description="from then on, inclusive")
    valid_until: datetime | None = Field(None, description="up to then, exclusive")

    @field_validator("valid_from", "valid_until", mode="before")
    @classmethod
    def _midnight(cls, value: Any) -> Any:  # noqa: ANN401  anything may stand in a file
        """A date is its midnight UTC."""
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime.combine(value, time(), UTC)
        return value

    @field_validator("valid_from", "valid_until")
    @classmethod
    def _on_a_quarter(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("say the offset: 2026-01-01T09:00:00+01:00")
        at = value.astimezone(UTC)
        if at.microsecond or int(at.timestamp()) % _QUARTER_SEC:
            raise ValueError("prices change on a quarter of an hour: :00, :15, :30 or :45")
        return at

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.valid_from is not None and self.valid_until is not None and self.valid_until <= self.valid_from:
            raise ValueError(f"valid_until = {self.valid_until:%Y-%m-%d %H:%M} must be later than valid_from")
        return self


class PriceOverride(DatedPriceRule):
    """Own prices: they stand in place of list prices, and price what has none."""

    kind: Literal["price_override"] = "price_override"
    usd_per_mtok: dict[str, Rate] = Field(default_factory=dict, description="USD per million tokens, by leaf")
    usd_per_request: Rate | None = Field(None, description="USD for the call itself")
    usd_per_unit: dict[Name, Rate] = Field(
        default_factory=dict, description="USD for one of what is billed beside tokens"
    )

    @field_validator("usd_per_mtok")
    @classmethod
    def _known_leaves(cls, rates: dict[str, Decimal]) -> dict[str, Decimal]:
        for name in rates:
            if name not in OVERRIDE_LEAVES:
                raise ValueError(f"usd_per_mtok.{name} is not known; allowed are {', '.join(OVERRIDE_LEAVES)}")
        return rates

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.usd_per_mtok and self.usd_per_request is None and not self.usd_per_unit:
            raise ValueError("says no price; write usd_per_mtok = { input = 2.5, output = 10 }")
        return self

    @field_serializer("usd_per_mtok", "usd_per_unit")
    def _plain_rates(self, rates: dict[str, Decimal]) -> dict[str, str]:
        return {name: plain(rate) for name, rate in rates.items()}

    @field_serializer("usd_per_request")
    def _plain_rate(self, rate: Decimal | None) -> str | None:
        return None if rate is None else plain(rate)


class Discount(DatedPriceRule):
    """So many percent off every list price; it does not touch what a price override prices."""

    kind: Literal["discount"] = "discount"
    percent: Annotated[Decimal, Field(gt=0, le=100, decimal_places=4)]

    @field_serializer("percent")
    def _plain_percent(self, percent: Decimal) -> str:
        return plain(percent)


class PriceCeiling(PriceRule):
    """What a call without a known price is taken to cost at most: budgets count it, kept apart as estimated."""

    kind: Literal["price_ceiling"] = "price_ceiling"
    input_usd_per_mtok: Rate
    output_usd_per_mtok: Rate

    @field_serializer("input_usd_per_mtok", "output_usd_per_mtok")
    def _plain_rates(self, rate: Decimal) -> str:
        return plain(rate)
