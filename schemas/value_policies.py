"""What an organisation says about value: the business case of a use case, and how much may be tried out. Policies.

Laws
1. A business case is what was promised; what came is measured beside it, never written into it.
2. An allowance protects discovery: what a team tries out within it is no finding, of waste or of performing.
3. Missing is not zero: what a case does not promise is not compared.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_serializer, model_validator

from schemas.charges import ShortName
from schemas.money import plain
from schemas.usage import Name

VALUE_KINDS = ("business_case", "allowance")
Amount = Annotated[Decimal, Field(ge=0, le=10**13, max_digits=26, decimal_places=12)]
Measure = Annotated[Decimal, Field(ge=-(10**13), le=10**13, max_digits=26, decimal_places=12)]


class ValuePolicy(BaseModel):
    """What both share; the days are of UTC, `ends` is the day after the last one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    id: Name
    org: Name
    starts: date
    ends: date | None = None

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.ends is not None and self.ends <= self.starts:
            raise ValueError(f"ends = {self.ends} must lie after starts = {self.starts}")
        return self


class BusinessCase(ValuePolicy):
    """What a use case was promised to cost and to bring in a month, who answers for it, and from where it began."""

    kind: Literal["business_case"] = "business_case"
    use_case: Name
    owner: Name | None = None
    cost_usd_per_month: Amount | None = None
    value_usd_per_month: Amount | None = None
    minutes_per_month: Amount | None = Field(None, description="of working time, captured: put to other use")
    metric: ShortName | None = Field(None, description="a metric of outcomes by which it is judged, like cycle_time")
    baseline: Measure | None = Field(None, description="the metric before the use case began")
    target: Measure | None = Field(None, description="the metric as it was promised")

    @model_validator(mode="after")
    def _measures_something(self) -> Self:
        if self.metric is None and (self.baseline is not None or self.target is not None):
            raise ValueError("baseline and target are of a metric; write metric = ..., too")
        if self.metric is not None and self.baseline is None:
            raise ValueError("a metric without baseline proves nothing; write what it was before")
        return self

    @field_serializer("cost_usd_per_month", "value_usd_per_month", "minutes_per_month", "baseline", "target")
    def _plain(self, amount: Decimal | None) -> str | None:
        return None if amount is None else plain(amount)


class Allowance(ValuePolicy):
    """So much a month may be spent on discovery (`spend_class = discovery`) by a team; by each, if none is named."""

    kind: Literal["allowance"] = "allowance"
    team: Name | None = None
    usd_per_month: Amount

    @field_serializer("usd_per_month")
    def _plain(self, amount: Decimal) -> str:
        return plain(amount)
