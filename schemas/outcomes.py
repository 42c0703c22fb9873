"""The outcome, version 1: what usage led to, and what became of it. pydantic is the contract.

Laws
1. (org, source, id) is its identity; a higher revision replaces the whole outcome, one that is `void` takes it back.
2. Missing is not zero, and not no: what is not said (accepted, minutes, value) stays None.
3. No field is a description: names are short, so that none can carry a prompt, a diff or a comment.
4. Amounts and minutes are exact decimal text; claimed and captured minutes are two facts and never one sum.
5. Fields of `data` that this version does not know are ignored.
Source: CloudEvents 1.0 (envelope).
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError, to_json

from schemas.charges import QuantityText, ShortName, SignedUsdText
from schemas.envelope import decoded
from schemas.errors import InvalidMessage, Reason
from schemas.usage import EARLIEST, Name, Text

OUTCOME_TYPE = "burnline.outcome.v1"
STAGES = ("suggested", "accepted", "merged", "released", "reverted")
"""The stages of a change on its way to production, in their order; what is reverted was released or merged before."""
METRIC, FINDING = "metric", "security_finding"
CORRELATED_BY = ("task", "run", "session", "call")
"""What joins an outcome to usage: fields of the same name; `call` to the id or the `operation_id` of usage events."""
FLAGS = ("void", "accepted", "intervention", "exception")
NOT_TEXT = frozenset({*FLAGS, "revision", "quality_score", "period_from", "period_until"})
"""Fields of `data` that are no names or decimal text."""
DECIMALS = ("value_usd", "minutes_claimed", "minutes_captured", "metric_value")

TypeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
DecimalText = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,18}(\.[0-9]{1,12})?$")]
_METRIC_FIELDS = ("metric", "metric_value", "metric_unit", "period_from", "period_until")
_FINDING_FIELDS = ("finding_rule", "finding_state")


class OutcomeData(BaseModel):
    """What an outcome says; the `data` of its CloudEvent."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    revision: Annotated[int, Field(ge=1, le=2**31 - 1)] = 1
    void: bool = Field(default=False, description="true: there is no such outcome, nor any lower revision of it")
    import_id: Name | None = None

    org: Name
    business_unit: Name | None = None
    cost_center: Name | None = None
    team: Name | None = None
    project: Name | None = None
    user: Name | None = None
    agent: Name | None = None
    service: Name | None = None
    environment: Name | None = None
    use_case: Name | None = None
    language: Name | None = None

    task: Name | None = Field(None, description="of the usage that led to it; likewise run and session")
    run: Name | None = None
    session: Name | None = None
    call: Name | None = Field(None, description="the id or operation_id of the usage events that it judges")
    artifact: Name | None = Field(
        None, description="what was made (a change, a ticket): the same at each of its stages"
    )
    commit: Name | None = None
    reverted_by: Name | None = Field(
        None,
        description="of a reverted: the artifact of the change that did it; where that is reverted, this stands again",
    )

    outcome_type: TypeName = Field(
        description="suggested, accepted, merged, released, reverted, resolved_ticket, qualified_lead, viewed, metric,"
        " security_finding, or a name of your own"
    )
    accepted: bool | None = Field(None, description="false: it was tried and failed, and its spend counts all the same")
    intervention: bool | None = Field(None, description="whether a person had to step in")
    exception: bool | None = Field(None, description="whether it left the usual way")
    reviewer: Name | None = None
    risk: ShortName | None = Field(None, description="low, medium, high, critical; of a finding its severity")
    minutes_claimed: QuantityText | None = Field(None, description="saved, as somebody says")
    minutes_captured: QuantityText | None = Field(None, description="saved and put to other use")
    value_usd: SignedUsdText | None = None
    quality_score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None

    metric: ShortName | None = Field(None, description="of a metric: its name, like cycle_time")
    metric_value: DecimalText | None = None
    metric_unit: ShortName | None = None
    period_from: date | None = Field(None, description="of a metric: the first day that it is about")
    period_until: date | None = Field(None, description="of a metric: the day after the last one")
    finding_rule: ShortName | None = Field(None, description="of a security finding: the rule that found it")
    finding_state: Literal["open", "fixed", "dismissed"] | None = None

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        wanted = {METRIC: ("metric", "metric_value"), FINDING: ("finding_state",)}.get(self.outcome_type, ())
        for name in wanted:
            if getattr(self, name) is None and not self.void:
                raise PydanticCustomError(
                    "missing_of_kind", "a {kind} must say {name}", {"kind": self.outcome_type, "name": name}
                )
        others = {METRIC: _FINDING_FIELDS, FINDING: _METRIC_FIELDS}.get(
            self.outcome_type, (*_METRIC_FIELDS, *_FINDING_FIELDS)
        )
        for name in others:
            if getattr(self, name) is not None:
                said = {"kind": self.outcome_type, "name": name}
                raise PydanticCustomError("not_of_kind", "an outcome of type {kind} has no {name}", said)
        if self.reverted_by is not None and self.outcome_type != STAGES[-1]:
            said = {"kind": self.outcome_type, "name": "reverted_by"}
            raise PydanticCustomError("not_of_kind", "an outcome of type {kind} has no {name}", said)
        if self.period_from and self.period_until and not self.period_from < self.period_until:
            raise PydanticCustomError("no_period", "period_until must be a day after period_from")
        return self


class OutcomeEvent(BaseModel):
    """An outcome as it travels: a CloudEvent, keyed by its org. (org, source, id) is its identity."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    specversion: Literal["1.0"]
    type: Literal["burnline.outcome.v1"]
    source: Name
    id: Name
    time: AwareDatetime = Field(description="when it happened, RFC 3339 with an offset")
    subject: Text | None = None
    partitionkey: Text | None = None
    datacontenttype: Text | None = None
    dataschema: Text | None = None
    data: OutcomeData

    @model_validator(mode="after")
    def _of_our_times(self) -> Self:
        if self.time < EARLIEST:
            raise PydanticCustomError("no_time", "time must be 2000-01-01 or later")
        return self


def outcome_key(org: str) -> bytes:
    """The record key of an outcome: its org, so that its revisions come in their order."""
    return org.encode()


def outcome_id(event: OutcomeEvent) -> str:
    """32 hex digits that stand for (org, source, id)."""
    return blake2b(f"{event.data.org}\0{event.source}\0{event.id}".encode(), digest_size=16).hexdigest()


def content_hash(event: OutcomeEvent) -> str:
    """16 hex digits that stand for what it says: equal for copies, whichever import brought them."""
    said = event.data.model_dump(mode="json", exclude={"import_id", "revision"}, exclude_none=True)
    return blake2b(to_json([event.time.timestamp(), sorted(said.items())]), digest_size=8).hexdigest()


def decode_outcome(raw: bytes, headers: Mapping[str, bytes] | None = None) -> OutcomeEvent:
    """The outcome in a record, structured mode, or binary mode where `ce_*` headers are given.

    Raises: InvalidMessage: the record is a dead letter, for its `reason`.
    """
    return decoded(OutcomeEvent, raw, headers, event_type=OUTCOME_TYPE, own=_own_verdict)


_DECIMALS = frozenset(f"data.{name}" for name in DECIMALS)


def _own_verdict(kind: str, path: str, said: str) -> InvalidMessage | None:
    """What is said of outcomes alone."""
    if kind == "string_pattern_mismatch" and path in _DECIMALS:
        return InvalidMessage(Reason.OUT_OF_RANGE, path, f"{path} must be decimal text like 12.50")
    if kind == "string_pattern_mismatch" and path == "data.outcome_type":
        wanted = "a name like merged or resolved_ticket: small letters, digits, underscores"
        return InvalidMessage(Reason.OUT_OF_RANGE, path, f"{path} must be {wanted}")
    if kind == "missing_of_kind":
        return InvalidMessage(Reason.MISSING_FIELD, path, said)
    if kind == "not_of_kind":
        return InvalidMessage(Reason.OUT_OF_RANGE, path, said)
    return None


def as_decimal(text: str | None) -> Decimal | None:
    """The exact value of decimal text; None where nothing is said."""
    return None if text is None else Decimal(text)


def in_order(at: datetime) -> int:
    """A revision that grows with time, for sources that have none: seconds since 1970, at least 1."""
    return max(1, int(at.timestamp()))
