"""What is said on `alerts.value` and `control.advice` after a night: findings beside the episodes that are open. Pure.

Laws
1. An episode is open from the night of its first finding until a night without it; its id and the numbers of its
   transitions follow from what was said before, so the same night judged twice changes no episode.
2. What lasts is said again after `AGAIN`: its owner hears of it, and it outlives what the topic keeps.
3. Low value is advice, never a block: it ends by itself `VALID` after the last night that said so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Literal

from pydantic import ValidationError

from schemas.signals import ADVICE_TYPE, ALERT_TYPE, Advice, Alert, CloudSignal, Why, rfc3339

ALERTS, ADVICE = "alerts.value", "control.advice"
AGAIN = timedelta(days=28)
VALID = timedelta(hours=48)
LOW_VALUE = "low_value"
_SPAN_SEC = str(28 * 86_400)
Key = tuple[str, str, str, str, str, str]
"""Rule, organisation, entity type and id, level, beginning of the period."""
Sent = tuple[str, bytes, bytes]
"""Topic, key, value of a record."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a night has found; `value` of `unit` was held against `threshold`. `calls` are those of its spend.

    notify: somebody is to be told; else it only stands in the topic and the views.
    """

    rule: str
    level: str
    org: str
    entity_type: Literal["use_case", "team", "user", "agent"]
    entity_id: str
    severity: Literal["info", "warning"]
    value: Decimal
    threshold: Decimal
    message: str
    unit: Literal["usd", "tokens", "count"] = "usd"
    owner: str | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)
    period: tuple[datetime, datetime] | None = None
    calls: int = 0
    notify: bool = True

    @property
    def key(self) -> Key:
        """Which episode it belongs to."""
        start = "" if self.period is None else rfc3339(self.period[0])
        return (self.rule, self.org, self.entity_type, self.entity_id, self.level, start)


def open_episodes(values: Iterable[bytes]) -> dict[Key, Alert]:
    """The episodes that are open at the end of the records of `alerts.value`, each with its last transition."""
    found: dict[Key, Alert] = {}
    for raw in values:
        try:
            alert = CloudSignal.model_validate_json(raw).data
        except ValidationError:
            continue  # of a later version
        if isinstance(alert, Alert):
            found.pop(_key_of(alert), None)
            if alert.status != "resolved":
                found[_key_of(alert)] = alert
    return found


def said_at_night(held: Mapping[Key, Alert], found: Iterable[Finding], *, night: datetime) -> list[Sent]:
    """The records that tell what changed, and what holds for another day, in a fixed order."""
    new = {one.key: one for one in found}
    said: list[Sent] = []
    for key in sorted(held.keys() | new.keys()):
        alert = _transition(held.get(key), new.get(key), night=night)
        if alert is not None:
            said.append((ALERTS, alert.alert_id.encode(), _signal(alert)))
        if key[0] == LOW_VALUE:
            episode = alert or held[key]
            said.append(_advised(episode, new.get(key), night=night))
    return said


def _transition(held: Alert | None, found: Finding | None, *, night: datetime) -> Alert | None:
    if held is None:
        return None if found is None else _opened(found, night=night)
    if found is None:
        over = held.period_end is not None
        why: Why = "period_over" if over else "calmed_down"
        told = "that was four weeks ago" if over else "that is over"
        return _next(held, night, status="resolved", resolved_at=night, reason=why, message=f"{held.message}: {told}")
    if night - held.at < AGAIN:
        return None
    return _next(held, night, value=found.value, threshold=found.threshold, message=found.message, owner=found.owner)


def _next(held: Alert, night: datetime, **changes: object) -> Alert:
    return held.model_copy(update={"seq": held.seq + 1, "at": night, **changes})


def _opened(found: Finding, *, night: datetime) -> Alert:
    name = "\0".join((*found.key, rfc3339(night)))
    starts, ends = found.period or (None, None)
    return Alert(
        alert_id=blake2b(name.encode(), digest_size=16).hexdigest(),
        seq=1,
        status="firing",
        topic=ALERTS,
        mode="live",
        basis="actual",
        notify=found.notify,
        rule=found.rule,
        kind="value",
        level=found.level,
        severity=found.severity,
        org=found.org,
        entity_type=found.entity_type,
        entity_id=found.entity_id,
        budget_id=None,
        period_start=starts,
        period_end=ends,
        at=night,
        opened_at=night,
        resolved_at=None,
        unit=found.unit,
        value=found.value,
        threshold=found.threshold,
        owner=found.owner,
        labels={found.entity_type: found.entity_id},
        evidence={"window_sec": _SPAN_SEC, **found.evidence},
        message=found.message,
        runbook_url=None,
    )


def _advised(episode: Alert, found: Finding | None, *, night: datetime) -> Sent:
    """Whoever runs a gateway may let the use case wait, or again no more."""
    what: Literal["continue", "low_value"] = "continue" if found is None else "low_value"
    said = Advice(
        org=episode.org,
        entity_type="use_case",
        entity_id=episode.entity_id,
        advice=what,
        rule=LOW_VALUE,
        alert_id=episode.alert_id,
        at=night,
        valid_until=night + VALID,
        calls=0 if found is None else found.calls,
        spent_usd=episode.value if found is None else found.value,
        expected_usd=None,
        high_usd=None,
        like_runs=0,
        agent=None,
        owner=episode.owner,
        message=episode.message if found is None else found.message,
    )
    name = f"{said.org}/use_case/{said.entity_id}"
    signal = CloudSignal(
        type=ADVICE_TYPE, id=f"{name}/{rfc3339(night)}/{what}", time=night, subject=f"org/{said.org}", data=said
    )
    return ADVICE, name.encode(), signal.model_dump_json().encode()


def _signal(alert: Alert) -> bytes:
    signal = CloudSignal(
        type=ALERT_TYPE, id=f"{alert.alert_id}/{alert.seq}", time=alert.at, subject=f"org/{alert.org}", data=alert
    )
    return signal.model_dump_json().encode()


def _key_of(alert: Alert) -> Key:
    start = "" if alert.period_start is None else rfc3339(alert.period_start)
    return (alert.rule, alert.org, alert.entity_type, alert.entity_id, alert.level, start)
