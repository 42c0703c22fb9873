"""Rules over runs and over who uses what where: policies of the stage `streams/patterns`.

Names are compared by patterns with `*` and `?`, without case. A list that is left out allows everything.
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

from schemas.money import plain
from schemas.usage import Name

_Usd = Annotated[Decimal, Field(ge=0, le=10**9, max_digits=21, decimal_places=12)]
_Share = Annotated[Decimal, Field(ge=0, le=1, decimal_places=4)]
_Names = tuple[Name, ...] | None
Registered = Literal["agent", "credential"]


class RunRule(BaseModel):
    """When a run of an agent counts as a loop, and when as dearer than runs of its template are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["run_rule"] = "run_rule"
    id: Literal["run"] = "run"
    org: Name
    enabled: bool = True
    loop_least_sec: Annotated[int, Field(ge=10, le=86_400)] = Field(90, description="how long it must go round")
    loop_least_usd: _Usd = Field(Decimal("0.25"), description="what going round must have cost")
    times_median: Annotated[Decimal, Field(ge=Decimal("1.5"), le=1000, decimal_places=2)] = Field(
        Decimal(4), description="how many times the median of its template a run may cost"
    )
    dear_least_usd: _Usd = Field(Decimal(1), description="what a dear run must have cost")

    @field_serializer("loop_least_usd", "times_median", "dear_least_usd")
    def _plain(self, amount: Decimal) -> str:
        return plain(amount)


class GovernanceRule(BaseModel):
    """Who and what is known in an organisation, what data may go where, and which share of spending must be owned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["governance_rule"] = "governance_rule"
    id: Literal["governance"] = "governance"
    org: Name
    enabled: bool = True
    approved_models: _Names = None
    approved_providers: _Names = None
    approved_regions: _Names = None
    approved_agents: _Names = None
    registered: tuple[Registered, ...] = Field((), description="what must stand in the directory before it is used")
    data_regions: dict[Name, tuple[Name, ...]] = Field(
        default_factory=dict, description="by data class: the regions in which it may be processed"
    )
    least_owned_share: _Share = Field(Decimal("0.95"), description="of a day's spending: what names a team or a user")
    owned_least_usd: _Usd = Field(Decimal(10), description="how much must be nobody's before it is said")
    most_unpriced_share: _Share = Field(Decimal("0.05"), description="of a day's calls: those without a known price")
    most_throttled_share: _Share = Field(Decimal("0.1"), description="of a model's calls: refused with status 429")
    first_seen: bool = Field(default=True, description="tell of new names of kinds without a list, once they cost")
    first_seen_least_usd: _Usd = Field(Decimal(10), description="what a new name must have cost within a week")
    shared_keys: tuple[Name, ...] = Field((), description="keys that are meant to be used in many places at once")
    minutes_at_once: Annotated[int, Field(ge=5, le=60)] = Field(
        30, description="of an hour: in how many minutes a user's key may be used in several places at once"
    )
    stolen_keys: bool = Field(default=True, description="tell of keys with a model and a region that are both new")
    most_claims_a_day: Annotated[int, Field(ge=1, le=10**9)] = Field(
        100, description="calls of one key that claim to be somebody whom nobody checked"
    )

    @field_validator("data_regions")
    @classmethod
    def _some(cls, regions: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, allowed in regions.items():
            if not allowed:
                raise ValueError(f'data_regions.{name} is empty: name where it may go, like ["eu-*"]')
        return regions

    @field_serializer(
        "least_owned_share", "owned_least_usd", "most_unpriced_share", "most_throttled_share", "first_seen_least_usd"
    )
    def _plain(self, amount: Decimal) -> str:
        return plain(amount)
