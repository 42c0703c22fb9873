"""The charge, version 1: money that passes no gateway, for a service period. pydantic is the contract.

Laws
1. An amount is exact decimal text in USD; its sign says what it does to budgets. Seats, subscriptions, commitments and
   taxes are not below zero, credits and refunds not above; an adjustment is either.
2. A service period is whole local days, [service_from, service_until), in the charge's time zone.
3. (org, source, id) is its identity; a higher revision replaces the whole charge, an amount of 0 takes it back.
4. No field is a description: names are short, so that none can carry a prompt.
5. Fields of `data` that this version does not know are ignored.
Source: CloudEvents 1.0 (envelope), FOCUS 1.2 (charge category, service period).
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from schemas.envelope import decoded
from schemas.errors import InvalidMessage, Reason
from schemas.money import pico_usd
from schemas.usage import EARLIEST, NO_CONTROL_CHARACTERS, Name, Text

CHARGE_TYPE = "burnline.charge.v1"
KINDS = ("seat", "subscription", "commitment", "credit", "refund", "tax", "adjustment")
MAX_SERVICE_DAYS = 3660
_FIRST_DAY = date(2000, 1, 1)
_LAST_DAY = date(2200, 1, 1)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_NEVER_ABOVE = ("credit", "refund")
_EITHER = ("adjustment",)

ShortName = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=NO_CONTROL_CHARACTERS)]
SignedUsdText = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,10}(\.[0-9]{1,12})?$")]
QuantityText = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$")]
PriceText = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,12})?$")]


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


class ChargeData(BaseModel):
    """What a charge says; the `data` of its CloudEvent."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    revision: Annotated[int, Field(ge=1, le=2**31 - 1)] = 1
    import_id: Name | None = None

    org: Name
    business_unit: Name | None = None
    cost_center: Name | None = None
    team: Name | None = None
    project: Name | None = None
    user: Name | None = None
    credential: Name | None = Field(None, description="an identifier of the key, never the secret itself")
    agent: Name | None = None
    service: Name | None = None
    environment: Name | None = None
    use_case: Name | None = None
    purpose: Name | None = None
    spend_class: Name | None = None
    pool: Name | None = None
    provider: Name | None = None
    model: Name | None = None

    kind: Literal["seat", "subscription", "commitment", "credit", "refund", "tax", "adjustment"]
    amount_usd: SignedUsdText = Field(description="of the whole service period, decimal as text; a credit is negative")
    service_from: date = Field(description="the first local day of the service period")
    service_until: date = Field(description="the local day after its last")
    timezone: str = Field("UTC", description="where the days of the service period begin; an IANA name")
    contract: ShortName | None = Field(None, description="what is renewed: the same in each of its periods")
    vendor: ShortName | None = None
    item: ShortName | None = Field(None, description="what of a contract: a product or a plan, in a word or two")
    quantity: QuantityText | None = Field(None, description="seats, licences, units")
    unit_price_usd: PriceText | None = Field(None, description="per unit, for the whole service period")

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        if name not in _zones():
            raise PydanticCustomError("unknown_zone", "no IANA time zone; write one like Europe/Berlin or UTC")
        return name

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if not _FIRST_DAY <= self.service_from < self.service_until <= _LAST_DAY:
            raise PydanticCustomError(
                "no_period", "service_until must be a day after service_from, both from 2000-01-01 to 2200-01-01"
            )
        if self.days > MAX_SERVICE_DAYS:
            raise PydanticCustomError(
                "no_period", "a service period has at most {days} days", {"days": MAX_SERVICE_DAYS}
            )
        amount = Decimal(self.amount_usd)
        if (amount > 0 and self.kind in _NEVER_ABOVE) or (amount < 0 and self.kind not in (*_NEVER_ABOVE, *_EITHER)):
            wanted = "not be above 0: it takes away" if self.kind in _NEVER_ABOVE else "not be below 0"
            raise PydanticCustomError(
                "wrong_sign", "the amount of a {kind} must {wanted}", {"kind": self.kind, "wanted": wanted}
            )
        return self

    @property
    def days(self) -> int:
        """How many local days the service period has."""
        return (self.service_until - self.service_from).days

    @property
    def amount_pico_usd(self) -> int:
        """The amount, exact."""
        return pico_usd(Decimal(self.amount_usd))


class ChargeEvent(BaseModel):
    """A charge as it travels: a CloudEvent in structured mode, keyed by its org. (org, source, id) is its identity."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    specversion: Literal["1.0"]
    type: Literal["burnline.charge.v1"]
    source: Name
    id: Name
    time: AwareDatetime = Field(description="when it was billed or agreed, RFC 3339 with an offset")
    subject: Text | None = None
    partitionkey: Text | None = None
    datacontenttype: Text | None = None
    dataschema: Text | None = None
    data: ChargeData

    @field_validator("time")
    @classmethod
    def _of_our_times(cls, at: datetime) -> datetime:
        if not EARLIEST <= at < _LATEST:
            raise PydanticCustomError("no_time", "time must be from 2000-01-01 to before 2200-01-01, UTC")
        return at


def charge_key(org: str) -> bytes:
    """The record key of a charge: its org, so that one lane knows all charges of a contract."""
    return org.encode()


def decode_charge(raw: bytes, headers: Mapping[str, bytes] | None = None) -> ChargeEvent:
    """The charge in a record, structured mode, or binary mode where `ce_*` headers are given.

    Raises: InvalidMessage: the record is a dead letter, for its `reason`.
    """
    return decoded(ChargeEvent, raw, headers, event_type=CHARGE_TYPE, own=_own_verdict)


_DECIMALS = ("data.amount_usd", "data.quantity", "data.unit_price_usd")


def _own_verdict(kind: str, path: str, said: str) -> InvalidMessage | None:
    """What is said of charges alone."""
    del said
    if kind == "string_pattern_mismatch" and path in _DECIMALS:
        wanted = "decimal text like 1234.50, at most 12 digits after the point"
        return InvalidMessage(Reason.OUT_OF_RANGE, path, f"{path} must be {wanted}")
    return None
