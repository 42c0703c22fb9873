"""What a usage event may say: the fields of `data` of `burnline.usage.v1`, with their bounds. No prompt, no answer.

`input_tokens` and `output_tokens` are inclusive totals; the other token fields are disjoint parts of them. A total may
be given without parts, parts without a total; what is given must add up. None is the same as not given.
"""

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

MAX_TOKENS = 10**12
PLAIN = r"\A[^\x00-\x1f]*\Z"

Name = Annotated[str, Meta(min_length=1, max_length=256, pattern=PLAIN)]
Text = Annotated[str, Meta(max_length=1024, pattern=PLAIN)]
Tokens = Annotated[int, Meta(ge=0, le=MAX_TOKENS)]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Ordinal = Annotated[int, Meta(ge=1, le=2**31 - 1)]
HttpStatus = Annotated[int, Meta(ge=100, le=599)]
Amount = Annotated[float, Meta(ge=0, le=1e15)]
UsdText = Annotated[str, Meta(pattern=r"\A[0-9]{1,6}(\.[0-9]{1,12})?\Z")]
Strings = Annotated[dict[Name, Text], Meta(max_length=64)]
Amounts = Annotated[dict[Name, Amount], Meta(max_length=64)]


class UsageFields(TypedDict, total=False):
    """The fields of an event; `org`, `provider` and `model` are required, from the call or from the defaults."""

    revision: Ordinal  # of one source and id the highest counts
    void: bool | None  # in a revision of 2 or more: the event does not count
    import_id: Name | None

    org: Name
    business_unit: Name | None
    cost_center: Name | None
    team: Name | None
    project: Name | None
    user: Name | None
    end_user: Name | None
    credential: Name | None  # an identifier of the key, never the secret itself
    agent: Name | None
    service: Name | None
    environment: Name | None
    auth_type: Name | None
    identity_trust: Literal["authenticated", "asserted"] | None
    asserted: Strings | None

    run: Name | None
    session: Name | None
    task: Name | None
    task_class: Name | None
    task_template: Name | None
    use_case: Name | None
    purpose: Name | None
    spend_class: Name | None
    pool: Name | None
    operation: Name | None
    operation_id: Name | None  # equal for all attempts of one operation
    attempt: Ordinal | None
    parent_event_id: Name | None
    request_kind: Name | None
    step: Count | None
    tool: Name | None
    tool_call_hash: Name | None
    language: Name | None

    provider: Name
    requested_model: Name | None
    model: Name  # the model that served; prices follow it
    service_tier: Name | None
    hosting: Name | None
    region: Name | None
    data_region: Name | None
    inference_region: Name | None
    data_class: Name | None
    client_address_hash: Name | None
    user_agent: Text | None

    input_tokens: Tokens | None
    output_tokens: Tokens | None
    input_uncached_tokens: Tokens | None
    input_cache_read_tokens: Tokens | None
    input_cache_write_5m_tokens: Tokens | None
    input_cache_write_30m_tokens: Tokens | None
    input_cache_write_1h_tokens: Tokens | None
    input_cache_write_12h_tokens: Tokens | None
    input_cache_write_other_tokens: Tokens | None
    input_audio_tokens: Tokens | None
    input_image_tokens: Tokens | None
    output_text_tokens: Tokens | None
    output_reasoning_tokens: Tokens | None
    output_audio_tokens: Tokens | None
    output_image_tokens: Tokens | None
    units: Amounts | None  # billed non-tokens
    estimated_tokens: Tokens | None  # what the caller said beforehand that it would use
    usage_source: Literal["reported", "estimated", "missing"] | None
    gateway_cache_hit: bool | None

    status: Literal["ok", "error", "cancelled", "blocked"] | None
    http_status: HttpStatus | None
    finish_reason: Name | None
    latency_ms: Count | None
    ttft_ms: Count | None

    prompt_fingerprint: Name | None
    prefix_fingerprint: Name | None

    reported_cost_usd: UsdText | None  # the gateway's own claim, decimal as text
    tags: Strings | None


KNOWN = frozenset(UsageFields.__annotations__)
REQUIRED = ("org", "provider", "model")
_TOTALS = {"input_tokens", "output_tokens"}
INPUT_LEAVES = tuple(name for name in UsageFields.__annotations__ if name.startswith("input_") and name not in _TOTALS)
OUTPUT_LEAVES = tuple(
    name for name in UsageFields.__annotations__ if name.startswith("output_") and name not in _TOTALS
)
