"""What Burnline concludes, as CloudEvents in JSON: alerts, advice, burn rates, budget states, dead letters.

Amounts of money are exact decimals as text, in the unit that `unit` names; times are RFC 3339 in UTC.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from schemas.errors import Reason
from schemas.money import plain

ALERT_TYPE = "burnline.alert.v1"
RATES_TYPE = "burnline.rates.v1"
BUDGET_STATES_TYPE = "burnline.budget_states.v1"
DEAD_LETTER_TYPE = "burnline.dead_letter.v1"
ADVICE_TYPE = "burnline.advice.v1"

Money = Annotated[Decimal, PlainSerializer(plain, return_type=str)]
Unit = Literal["usd", "tokens", "requests", "usd_per_hour", "count"]
Why = Literal[
    "period_over", "calmed_down", "late_events", "limit_changed", "limit_reached", "budget_changed", "budget_removed",
    "budget_added", "heartbeat_back",
]  # fmt: skip
"""Why an episode is over. `budget_changed`: the budget matches something else now and was opened anew.

`heartbeat_back`: Burnline itself works again. `limit_reached`: what was forecast has come true, and thresholds say so.
"""


def rfc3339(at: datetime) -> str:
    """A time as our JSON writes it: UTC, microseconds, `Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Time = Annotated[AwareDatetime, PlainSerializer(rfc3339, return_type=str)]


class Signal(BaseModel):
    """What all signals share; frozen, unknown fields ignored so that newer writers can be read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Contributor(Signal):
    """What one entity, never a person, added to the spend behind an alert."""

    entity_type: str
    entity_id: str
    after: Money


class AlertBridge(Signal):
    """The spend behind an alert as burn's own sums know it: [since, until) against as long a time right before.

    The last 24 hours or a little less, from a whole second hour on; exact, without charges and what has no price.
    """

    since: Time
    until: Time
    baseline_since: Time
    unit: Literal["usd", "tokens", "requests"]
    before: Money
    after: Money
    terms: dict[Literal["calls", "tokens_per_call", "cost_per_token"], Money] | None = Field(
        description="what each has changed; the sum is after - before to the last digit. null: nothing to compare with"
    )
    contributors: list[Contributor] = Field(description="who spent most of `after`, of those that burn can tell apart")
    left_open: str = Field(description="what this does not know, and how to ask for it")


class Alert(Signal):
    """One transition of one alert episode. `alert_id` names the episode, `seq` counts its transitions from 1."""

    alert_id: str
    seq: int = Field(ge=1)
    status: Literal["firing", "acknowledged", "resolved", "corrected", "restated"]
    topic: Literal["alerts.budgets", "alerts.anomalies", "alerts.governance", "alerts.value"]
    mode: Literal["live", "backfill"]
    basis: Literal["actual", "estimated", "forecast"] = Field(
        description="what `value` rests on: cost, or cost and what calls without a known price may have cost at most"
    )
    notify: bool = Field(description="false where a higher level of the same tick already says it")
    rule: str = Field(description="the rule's name: threshold, burn_rate, spike, shared_credential, ...")
    kind: str = Field(description="the family of the rule: budget, anomaly, governance, value")
    level: str = Field(description="the rung of the rule: 0.8 of a budget, 14.4x, ...")
    severity: Literal["info", "warning", "critical"]
    org: str
    entity_type: str
    entity_id: str
    budget_id: str | None
    member: str | None = Field(None, description="the member, where a budget is for each member of a scope")
    period_start: Time | None
    period_end: Time | None
    at: Time = Field(description="log time of this transition")
    opened_at: Time
    resolved_at: Time | None
    reason: Why | None = Field(None, description="why it is over; null while it is not")
    unit: Unit
    value: Money
    threshold: Money
    estimated_usd: Money | None = Field(
        None,
        description="what calls without a known price may have cost at most: within `value` where basis is estimated, "
        "beside it where it is actual; null where no money is judged",
    )
    owner: str | None
    labels: dict[str, str]
    evidence: dict[str, str] = Field(description="the numbers behind it, each as text")
    bridge: AlertBridge | None = Field(
        None, description="the change of spend behind it, as known when it opened; null where it is about none"
    )
    message: str
    runbook_url: str | None


class Window(Signal):
    """What an entity burnt in one rolling window that ends at `window_end`."""

    window_sec: int
    requests: int
    tokens: int
    cost_usd: Money
    usd_per_hour: Money
    tokens_per_min: Money


class Rate(Signal):
    """The rolling windows of one entity."""

    entity_type: str
    entity_id: str
    windows: list[Window]


class Rates(Signal):
    """The rates of one org that changed since they were last said."""

    org: str
    window_end: Time
    rates: list[Rate]


class BudgetState(Signal):
    """How one budget (or one member of it) stands in one of its periods."""

    budget_id: str
    member: str | None
    period_start: Time
    period_end: Time
    unit: Unit
    limit: Money
    spent: Money = Field(description="what has a price, exact")
    estimated_usd: Money | None = Field(
        None, description="what the rest may have cost at most, not in `spent`; null where the unit is not usd"
    )
    spent_to_limit_ratio: float | None = Field(description="null where the limit is zero")
    requests: int
    unpriced_requests: int
    highest_threshold: Money | None = Field(description="the highest threshold crossed, as a share of the limit")
    forecast: Money | None = Field(
        None,
        description="P50 of the end of the period as judged last; null without alerts by forecast or two days of use",
    )
    status: Literal["ok", "warned", "breached", "closed"] = Field(
        description="breached by `spent` alone; warned from a threshold on, estimates included"
    )
    policy_offset: int
    owner: str | None


class BudgetStates(Signal):
    """The budget states of one org that changed since they were last said."""

    org: str
    at: Time
    states: list[BudgetState]


class DeadLetter(Signal):
    """A record that could not be counted: where it stood, why, and its bytes without what may be text or a secret."""

    dead_letter_id: str = Field(description="topic/partition/offset of the record")
    topic: str
    partition: int
    offset: int
    append_time: Time
    reason: Reason
    path: str
    message: str
    key_base64: str | None
    value_base64: str = Field(description="the bytes as schemas/redaction.py keeps them, at most 1 MiB")
    value_bytes: int = Field(description="how many bytes the record had")
    headers: dict[str, str]
    dialect: str = Field("burnline", description="what was read: burnline for events, else the format of a replay")
    redacted_values: int = Field(0, description="how many values were taken out: they may hold text or secrets")
    cut: bool = Field(default=False, description="bytes at the end are missing; a retry needs them")


class Advice(Signal):
    """What whoever runs an agent or a gateway may want to do; never a block: who does not hear it goes on.

    The newest advice about a run or use case holds until `valid_until`; after that, or without any, the advice is to
    continue. `low_value`: the use case cost much and brought little; it may wait, or use what is cheaper.
    """

    org: str
    entity_type: Literal["run", "use_case"]
    entity_id: str = Field(description="the run or use case, as its events name it")
    advice: Literal["continue", "ask_owner", "stop", "low_value"]
    rule: str = Field(description="why: runaway, dear_run, prediction, low_value")
    alert_id: str | None = Field(description="the episode that it comes from; null for a prediction alone")
    at: Time
    valid_until: Time
    calls: int
    spent_usd: Money
    expected_usd: Money | None = Field(description="what the run will likely have cost in the end; null: not known")
    high_usd: Money | None = Field(description="what it costs in the end in one of ten cases or more")
    like_runs: int = Field(description="of how many finished runs of its template that is known")
    agent: str | None
    owner: str | None
    message: str


class CloudSignal(Signal):
    """The CloudEvents envelope of every signal; `data` is one of the models above."""

    specversion: Literal["1.0"] = "1.0"
    type: str
    source: str = "burnline"
    id: str
    time: Time
    subject: str | None = None
    datacontenttype: Literal["application/json"] = "application/json"
    data: Alert | Rates | BudgetStates | DeadLetter | Advice
