"""Policies: budgets, rules, prices and settings as they stand in `usage.policies`, and how changes fold into one.

Laws
1. A message of `usage.policies` is one change, taken or refused as a whole; its offset is the policy offset.
2. What is in force at offset O is the fold of all changes up to O, in order: `fold`. Nothing else.
3. Applying the same file twice is one change: a change that alters nothing is not sent.
Long because budgets and rules stand here side by side, each with what it refuses.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_serializer, field_validator, model_validator

from schemas.aliases import Alias
from schemas.directory import Agent, BusinessUnit, CostCenter, Credential, DirectoryEntry, Identity, Team, User
from schemas.governance import GovernanceRule, RunRule
from schemas.money import plain
from schemas.periods import Calendar
from schemas.prices import Discount, PriceCeiling, PriceOverride
from schemas.routes import Route
from schemas.terms import check_anchor, check_days, check_forecast, check_rolling, check_shares, check_whole
from schemas.usage import Name
from schemas.value_policies import Allowance, BusinessCase

POLICY_TYPE = "burnline.policy.v1"

ENTITY_TYPES = (
    "org", "business_unit", "cost_center", "team", "project", "user", "credential", "agent", "model", "use_case",
)  # fmt: skip
"""What money is summed for, live. `run` and finer grains are for queries and patterns."""

SCOPE_KEYS = (*ENTITY_TYPES, "provider", "environment", "service", "pool", "spend_class", "purpose")

BoundedDecimal = Annotated[Decimal, Field(ge=0, le=10**13, max_digits=26, decimal_places=12)]


@cache
def _zones() -> frozenset[str]:
    """The names of all time zones; to list them takes milliseconds, and a file may hold ten thousand budgets."""
    return frozenset(available_timezones())


class Policy(BaseModel):
    """What all policies share."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Budget(Policy):
    """A limit on what matches `scope` in each period. A budget of zero is breached by any spend."""

    kind: Literal["budget"] = "budget"
    id: Name
    org: Name
    scope: dict[str, Name] = Field(default_factory=dict, description="every condition must match; none = whole org")
    multipliers: dict[Name, Annotated[int, Field(ge=0, le=50)]] = Field(
        default_factory=dict, description="how many times what is used in a pool counts; other pools count once"
    )
    each: str | None = Field(None, description="a budget for each member: the entity type that tells them apart")
    unit: Literal["usd", "tokens", "requests"] = "usd"
    limit: BoundedDecimal
    period: Literal["hour", "day", "week", "month", "quarter", "year", "once", "rolling"] = "month"
    days: Annotated[int, Field(ge=1, le=366)] | None = Field(None, description="of a rolling period: today and so many")
    timezone: str = "UTC"
    anchor: str | None = Field(
        None, description="where periods begin: a weekday of weeks, a day of months (15), MM-DD of quarters and years"
    )
    starts: date | None = Field(None, description="the first day that counts, in its time zone; none = all")
    ends: date | None = Field(None, description="the day after the last one that counts; none = all")
    prorate: bool = Field(default=False, description="a first or last period that is cut has that share of the limit")
    roll_over: bool = Field(default=False, description="what is left of a period's own limit is added to the next one")
    roll_over_most: BoundedDecimal | None = Field(None, description="at most so much is carried over; none = all")
    commitment: bool = Field(default=False, description="also alert when less than the limit was spent in a period")
    thresholds: tuple[Annotated[Decimal, Field(gt=0, le=100, decimal_places=6)], ...] = (
        Decimal("0.5"), Decimal("0.8"), Decimal(1),
    )  # fmt: skip
    threshold_amounts: tuple[Annotated[Decimal, Field(gt=0, le=10**13, max_digits=26, decimal_places=12)], ...] = Field(
        (), description="thresholds as amounts of the unit, beside those that are shares of the limit"
    )
    burn_alerts: bool = Field(default=True, description="also alert when it burns too fast for its period")
    forecast_alerts: bool | None = Field(
        None,
        description="also alert when it will likely be used up before its period ends, or a commitment not be used; "
        "left out: yes, but of `each` and of periods below a week",
    )
    forecast_chance: Annotated[Decimal, Field(ge=Decimal("0.5"), le=Decimal("0.99"), decimal_places=2)] = Field(
        Decimal("0.9"), description="how likely that must be: 0.9 is P10 of what will be spent (of a commitment P90)"
    )
    forecast_after: Annotated[Decimal, Field(ge=0, le=Decimal("0.99"), decimal_places=2)] = Field(
        Decimal("0.2"), description="which share of the period must be over first"
    )
    owner: Name | None = None
    escalate_to: tuple[Name, ...] = Field((), description="who is told in turn while nobody acknowledges an alert")
    escalate_after_sec: Annotated[int, Field(ge=60, le=604_800)] = 1800
    runbook_url: Name | None = None

    @field_validator("scope")
    @classmethod
    def _known_scope(cls, scope: dict[str, str]) -> dict[str, str]:
        for key in scope:
            if key not in SCOPE_KEYS:
                raise ValueError(f"scope.{key} is not known; allowed are {', '.join(SCOPE_KEYS)}")
        return scope

    @field_validator("each")
    @classmethod
    def _known_each(cls, each: str | None) -> str | None:
        if each is not None and each not in SCOPE_KEYS:
            raise ValueError(f"each = {each!r} is not known; allowed are {', '.join(SCOPE_KEYS)}")
        return each

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        if name not in _zones():
            raise ValueError(f"{name!r} is no IANA time zone; write one like Europe/Berlin or UTC")
        return name

    @field_validator("thresholds")
    @classmethod
    def _ascending(cls, thresholds: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
        if not thresholds or list(thresholds) != sorted(set(thresholds)):
            raise ValueError("thresholds must be at least one share of the limit, ascending, none twice: [0.5, 0.8, 1]")
        return thresholds

    @field_validator("threshold_amounts")
    @classmethod
    def _ascending_amounts(cls, amounts: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
        if list(amounts) != sorted(set(amounts)):
            raise ValueError("threshold_amounts must be amounts of the unit, ascending, none twice: [500, 900]")
        return amounts

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check_whole("limit", (self.limit,), unit=self.unit)
        check_whole("threshold_amounts", self.threshold_amounts, unit=self.unit)
        check_anchor(self.period, self.anchor)
        check_days(self.period, self.starts, self.ends)
        check_rolling(self.period, self.days, self.starts, self.ends, commitment=self.commitment)
        check_shares(self.period, self.starts, self.ends, prorate=self.prorate, roll_over=self.roll_over)
        check_forecast(self.period, wanted=self.forecast_alerts is True)
        if self.roll_over_most is not None and not self.roll_over:
            raise ValueError("roll_over_most says how much roll_over carries over; write roll_over = true, too")
        return self

    @field_serializer("limit", "roll_over_most")
    def _plain_limit(self, limit: Decimal | None) -> str | None:
        return None if limit is None else plain(limit)

    @field_serializer("forecast_chance", "forecast_after")
    def _plain_share(self, share: Decimal) -> str:
        return plain(share)

    @field_serializer("thresholds", "threshold_amounts")
    def _plain_thresholds(self, thresholds: tuple[Decimal, ...]) -> list[str]:
        return [plain(threshold) for threshold in thresholds]

    def zone(self) -> ZoneInfo:
        """The time zone in which periods begin and end."""
        return ZoneInfo(self.timezone)

    def is_forecast(self) -> bool:
        """Whether it has alerts by forecast."""
        if self.forecast_alerts is not None:
            return self.forecast_alerts
        return self.each is None and self.period not in {"hour", "day", "rolling"}

    def calendar(self) -> Calendar:
        """How its periods follow each other."""
        return Calendar(self.period, self.timezone, self.anchor, self.starts, self.ends, self.days)


class BudgetIncrease(Policy):
    """So much more than its limit for a budget, or for one member, until `ends`; then the limit holds again."""

    kind: Literal["budget_increase"] = "budget_increase"
    id: Name
    org: Name
    budget: Name
    member: Name | None = None
    amount: Annotated[Decimal, Field(gt=0, le=10**13, max_digits=26, decimal_places=12)]
    starts: Annotated[datetime, AwareDatetime] | None = None
    ends: Annotated[datetime, AwareDatetime]
    reason: Name | None = None

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.starts is not None and self.ends <= self.starts:
            raise ValueError(f"ends = {self.ends.isoformat()} must lie after starts = {self.starts.isoformat()}")
        return self

    @field_serializer("amount")
    def _plain(self, amount: Decimal) -> str:
        return plain(amount)


class Acknowledgement(Policy):
    """Somebody has taken an alert on; `id` is the alert's, `seq` the transition that told of it."""

    kind: Literal["acknowledgement"] = "acknowledgement"
    id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    org: Name
    by: Name
    note: Name | None = None
    seq: Annotated[int, Field(ge=1)] | None = None


class SpikeRule(Policy):
    """Whose spending is watched for anomalies, and from which excess on it is told (streams/anomalies).

    How unusual it must be is found from what all spenders do, so that few alerts are false; nobody has to choose it.
    """

    kind: Literal["spike_rule"] = "spike_rule"
    id: Literal["spike"] = "spike"
    org: Name
    enabled: bool = True
    min_excess_usd_per_hour: BoundedDecimal = Decimal(5)
    entity_types: tuple[str, ...] = ("team", "user", "agent", "credential")

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, said: object) -> object:
        """What stands in logs of before: names that the first detector had."""
        if not isinstance(said, Mapping):
            return said
        return {name: value for name, value in said.items() if name not in {"min_score", "min_history_buckets"}}

    @field_validator("entity_types")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in ENTITY_TYPES:
                raise ValueError(f"entity_types: {name!r} is not known; allowed are {', '.join(ENTITY_TYPES)}")
        return names

    @field_serializer("min_excess_usd_per_hour")
    def _plain(self, amount: Decimal) -> str:
        return plain(amount)


class PlannedEvent(Policy):
    """Spending that somebody announced: anomalies of this entity, or of the whole organisation, notify nobody then."""

    kind: Literal["planned"] = "planned"
    id: Name
    org: Name
    entity: Annotated[str, Field(pattern="^[a-z_]+/.+$", max_length=300)] | None = Field(
        None, description="kind and name, as in team/code: with those whom the directory counts to it; none = all"
    )
    starts: Annotated[datetime, AwareDatetime]
    ends: Annotated[datetime, AwareDatetime]
    note: Name

    @field_validator("entity")
    @classmethod
    def _known_kind(cls, entity: str | None) -> str | None:
        kind = "" if entity is None else entity.partition("/")[0]
        if entity is not None and kind not in ENTITY_TYPES:
            raise ValueError(f"write kind/name, as in team/code; kinds are {', '.join(ENTITY_TYPES)}")
        return entity

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.ends <= self.starts:
            raise ValueError(f"ends = {self.ends.isoformat()} must lie after starts = {self.starts.isoformat()}")
        return self


class AlertLabel(Policy):
    """What somebody says of an alert: it was right, it was nothing, or it was planned; `id` is the alert's."""

    kind: Literal["alert_label"] = "alert_label"
    id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    org: Name
    label: Literal["confirm", "dismiss", "planned"]
    by: Name
    note: Name | None = None


class SharedCredentialRule(Policy):
    """When one credential counts as shared: so many users, or client addresses, within one hour."""

    kind: Literal["shared_credential_rule"] = "shared_credential_rule"
    id: Literal["shared_credential"] = "shared_credential"
    org: Name
    enabled: bool = True
    min_distinct_users: Annotated[int, Field(ge=2, le=16)] = 4
    min_distinct_addresses: Annotated[int, Field(ge=2, le=16)] = 6


class Horizon(Policy):
    """Events older than this at their append time are backfill: they count, but fire nothing of the past."""

    kind: Literal["horizon"] = "horizon"
    id: Literal["horizon"] = "horizon"
    org: Name
    live_horizon_sec: Annotated[int, Field(ge=60, le=172_800)] = 3600


class RenewalRule(Policy):
    """How many days before the service period of a contract ends it is said (streams/rating/renewals.py)."""

    kind: Literal["renewal_rule"] = "renewal_rule"
    id: Literal["renewal"] = "renewal"
    org: Name
    enabled: bool = True
    days_before: Annotated[int, Field(ge=1, le=365)] = 30


OnePolicy = (
    Budget | BudgetIncrease | Acknowledgement | SpikeRule | SharedCredentialRule | Horizon | PriceOverride | Discount
    | PriceCeiling | Route | Alias | RenewalRule | RunRule | GovernanceRule | CostCenter | BusinessUnit | Team | User
    | Agent | Credential | Identity | PlannedEvent | AlertLabel | BusinessCase | Allowance
)  # fmt: skip
AnyPolicy = Annotated[OnePolicy, Field(discriminator="kind")]
Key = tuple[str, str, str]
Policies = Mapping[Key, "InForce"]


def key_of(policy: OnePolicy) -> Key:
    """What a later policy must share with this one to replace it: kind, org, id; of the directory also since when."""
    return (policy.kind, policy.org, policy.policy_id if isinstance(policy, DirectoryEntry) else policy.id)


class InForce(BaseModel):
    """A policy and since which policy offset it is what it is.

    `matched_since` moves only when what it matches changes (a budget is then opened anew), not with a new limit.
    """

    model_config = ConfigDict(frozen=True)

    policy: AnyPolicy
    since: int
    matched_since: int


class PolicyChange(BaseModel):
    """One message of `usage.policies`: what is set and what is removed, by whom, taken as a whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["burnline.policy.v1"] = "burnline.policy.v1"
    change_id: str
    actor: str
    actor_verified: bool = False  # else the name is only what somebody said
    at: str
    files: tuple[str, ...]
    sets: tuple[AnyPolicy, ...] = ()
    removes: tuple[tuple[str, str, str], ...] = ()


def fold(policies: Policies, change: PolicyChange, *, offset: int) -> dict[Key, InForce]:
    """What is in force after a change that stands at `offset`."""
    removed = set(change.removes)
    after = {key: value for key, value in policies.items() if key not in removed}
    for policy in change.sets:
        key = key_of(policy)
        before = after.get(key)
        if before is not None and before.policy == policy:
            continue
        same_match = before is not None and _match_of(before.policy) == _match_of(policy)
        since = before.matched_since if before is not None and same_match else offset
        after[key] = InForce(policy=policy, since=offset, matched_since=since)
    return after


def _match_of(policy: OnePolicy) -> tuple[object, ...]:
    if not isinstance(policy, Budget):
        return ()
    weights = sorted(policy.multipliers.items())
    return (sorted(policy.scope.items()), weights, policy.each, policy.unit, policy.calendar(), policy.roll_over)
