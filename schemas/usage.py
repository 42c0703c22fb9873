"""The usage event, version 1: one call of a model, who made it, what it took. pydantic is the contract.

Laws
1. Leaves are disjoint; a total is the sum of its leaves. At most one leaf of a side may be left out, then it is
   `input_uncached_tokens` or `output_text_tokens`, and is what the others leave of the total.
2. Missing is not zero: a side with neither total nor leaves stays None.
3. No field holds prompt or completion text.
4. Fields of `data` that this version does not know are kept in `tags` as `x_<name>`, never refused: numbers and
   names of one word as they are, of what may be text only its size (law 3).
5. Of the revisions of one (source, id) the highest counts; one that is `void` counts as nothing.
Source: CloudEvents 1.0 (envelope), OTel GenAI semantic conventions (inclusive totals).
"""

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

USAGE_TYPE = "burnline.usage.v1"
MAX_TOKENS = 10**12
MAX_EVENT_BYTES = 1_048_576
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f]*$"
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=NO_CONTROL_CHARACTERS)]
Text = Annotated[str, StringConstraints(max_length=1024, pattern=NO_CONTROL_CHARACTERS)]
Tokens = Annotated[int, Field(ge=0, le=MAX_TOKENS)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
UsdText = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6}(\.[0-9]{1,12})?$")]
Strings = Annotated[dict[Name, Text], Field(max_length=64)]

_LIKE_A_NAME = re.compile(r"[\w.:/@+\-]{1,128}")
"""A text of one word: what an unknown field may say."""

INPUT_LEAVES = (
    "input_uncached_tokens",
    "input_cache_read_tokens",
    "input_cache_write_5m_tokens",
    "input_cache_write_30m_tokens",
    "input_cache_write_1h_tokens",
    "input_cache_write_12h_tokens",
    "input_cache_write_other_tokens",
    "input_audio_tokens",
    "input_image_tokens",
)
OUTPUT_LEAVES = ("output_text_tokens", "output_reasoning_tokens", "output_audio_tokens", "output_image_tokens")
LEAVES = INPUT_LEAVES + OUTPUT_LEAVES


class UsageData(BaseModel):
    """What a usage event says; the `data` of its CloudEvent."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    revision: Annotated[int, Field(ge=1, le=2**31 - 1)] = Field(
        1, description="of the events of one source and id the highest revision counts, whenever it comes"
    )
    void: bool | None = Field(
        None, description="true in a revision of 2 or more: the event does not count, nor does any lower revision"
    )
    import_id: Name | None = None

    org: Name
    business_unit: Name | None = None
    cost_center: Name | None = None
    team: Name | None = None
    project: Name | None = None
    user: Name | None = None
    end_user: Name | None = None
    credential: Name | None = Field(None, description="an identifier of the key, never the secret itself")
    agent: Name | None = None
    service: Name | None = None
    environment: Name | None = None
    auth_type: Name | None = Field(None, description="CloudEvents authtype: user, service_account, api_key, ...")
    identity_trust: Literal["authenticated", "asserted"] | None = None
    asserted: Strings | None = Field(None, description="identities that the caller claimed and nobody checked")

    run: Name | None = None
    session: Name | None = None
    task: Name | None = None
    task_class: Name | None = None
    task_template: Name | None = None
    use_case: Name | None = None
    purpose: Name | None = None
    spend_class: Name | None = None
    pool: Name | None = None
    operation: Name | None = Field(None, description="OTel gen_ai.operation.name: chat, embeddings, ...")
    operation_id: Name | None = Field(None, description="equal for all attempts of one operation")
    attempt: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    parent_event_id: Name | None = None
    request_kind: Name | None = None
    step: Count | None = None
    tool: Name | None = None
    tool_call_hash: Name | None = None
    language: Name | None = None

    provider: Name
    requested_model: Name | None = None
    model: Name = Field(description="the model that served; prices follow it")
    service_tier: Name | None = None
    hosting: Name | None = None
    region: Name | None = None
    data_region: Name | None = None
    inference_region: Name | None = None
    data_class: Name | None = None
    client_address_hash: Name | None = None
    user_agent: Text | None = None

    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    input_uncached_tokens: Tokens | None = None
    input_cache_read_tokens: Tokens | None = None
    input_cache_write_5m_tokens: Tokens | None = None
    input_cache_write_30m_tokens: Tokens | None = None
    input_cache_write_1h_tokens: Tokens | None = None
    input_cache_write_12h_tokens: Tokens | None = None
    input_cache_write_other_tokens: Tokens | None = None
    input_audio_tokens: Tokens | None = None
    input_image_tokens: Tokens | None = None
    output_text_tokens: Tokens | None = None
    output_reasoning_tokens: Tokens | None = None
    output_audio_tokens: Tokens | None = None
    output_image_tokens: Tokens | None = None
    units: Annotated[dict[Name, Amount], Field(max_length=64)] | None = Field(None, description="billed non-tokens")
    estimated_tokens: Tokens | None = Field(None, description="what the caller said beforehand that it would use")
    usage_source: Literal["reported", "estimated", "missing"] | None = None
    gateway_cache_hit: bool | None = Field(None, description="answered by the gateway's own cache: costs nothing")

    status: Literal["ok", "error", "cancelled", "blocked"] | None = None
    http_status: Annotated[int, Field(ge=100, le=599)] | None = None
    finish_reason: Name | None = None
    latency_ms: Count | None = None
    ttft_ms: Count | None = None

    prompt_fingerprint: Name | None = Field(None, description="keyed HMAC of the normalised prompt")
    prefix_fingerprint: Name | None = Field(None, description="keyed HMAC of the stable prefix")

    reported_cost_usd: UsdText | None = Field(None, description="the gateway's own claim, decimal as text")
    tags: Strings | None = None

    @model_validator(mode="before")
    @classmethod
    def _keep_unknown_fields(cls, value: Any) -> Any:  # noqa: ANN401  anything may arrive
        """Unknown fields are moved to `tags`, so that a newer emitter loses nothing with an older reader."""
        if not isinstance(value, dict):
            return value
        unknown = value.keys() - cls.model_fields.keys()
        if not unknown:
            return value
        known = {name: kept for name, kept in value.items() if name not in unknown}
        tags = known.get("tags")
        if tags is None or isinstance(tags, dict):
            known["tags"] = {**{f"x_{name}"[:256]: _as_tag(value[name]) for name in sorted(unknown)}, **(tags or {})}
        return known

    @model_validator(mode="after")
    def _totals_agree(self) -> Self:
        complete_side(self, "input_tokens", INPUT_LEAVES)
        complete_side(self, "output_tokens", OUTPUT_LEAVES)
        return self

    @model_validator(mode="after")
    def _void_revises(self) -> Self:
        if self.void and self.revision == 1:
            raise PydanticCustomError(
                "void_of_nothing", "void is said by a revision of 2 or more: a first one has nothing to take back"
            )
        return self


def _as_tag(value: object) -> str:
    """A value of an unknown field as a tag: numbers, a name of one word; of anything that may hold text its size."""
    if isinstance(value, str) and _LIKE_A_NAME.fullmatch(value):
        return value
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)[:256]
    return f"[redacted, {len(json.dumps(value, default=str))} characters]"


def complete_side(data: Any, total_name: str, leaf_names: tuple[str, ...]) -> list[int] | None:  # noqa: ANN401  two classes, one shape
    """The leaves of one side as they are counted, in the order of `leaf_names`; None where nothing is known.

    Takes anything with the fields of UsageData as attributes.
    Raises: PydanticCustomError: leaves and total do not agree.
    """
    total = getattr(data, total_name)
    leaves = [getattr(data, name) for name in leaf_names]
    known = sum(leaf for leaf in leaves if leaf is not None)
    if total is None:
        if all(leaf is None for leaf in leaves):
            return None
        total = known
    rest = total - known
    if leaves[0] is None and rest >= 0:
        leaves[0] = rest
    elif rest != 0:
        raise PydanticCustomError(
            "tokens_disagree",
            "{total_name} is {total} but its leaves add up to {known}; leaves are disjoint and must equal the total",
            {"total_name": total_name, "total": total, "known": known},
        )
    return [leaf or 0 for leaf in leaves]


class UsageEvent(BaseModel):
    """A usage event as it travels: a CloudEvent in structured mode. (source, id) is its identity."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    specversion: Literal["1.0"]
    type: Literal["burnline.usage.v1"]
    source: Name
    id: Name
    time: AwareDatetime = Field(description="when the call was made, RFC 3339 with an offset")
    subject: Text | None = None
    partitionkey: Text | None = None
    datacontenttype: Text | None = None
    dataschema: Text | None = None
    data: UsageData

    @field_validator("time")
    @classmethod
    def _not_before_2000(cls, value: datetime) -> datetime:
        if value < EARLIEST:
            raise PydanticCustomError("too_early", "time must be 2000-01-01T00:00:00Z or later")
        return value
