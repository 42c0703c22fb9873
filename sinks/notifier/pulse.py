"""Heartbeats as their sender sees them: when one is due, which lanes answer no more, when that is an alert. Pure.

Laws
1. A lane is silent when no heartbeat came back through it for `PATIENCE` times the time between two.
2. Time in which nobody looked (Kafka was away, the machine slept) does not count: the wait begins anew.
3. While any lane is silent there is one episode; it is over when a heartbeat has come back through every lane since.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import blake2b

from pydantic import ValidationError

from schemas.heartbeats import OWN_ORG
from schemas.signals import Alert, CloudSignal

RULE = "heartbeat_missing"
ALERT_TOPIC = "alerts.governance"
PATIENCE = 2.5
MOST_GAP = timedelta(seconds=10)
"""Between two looks of a sender that can look; a longer one is time that does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What is remembered: since when each lane is waited for, when one came back through it, the open episode."""

    every: timedelta
    looked_at: datetime
    waited_since: Mapping[int, datetime]
    came_at: Mapping[int, datetime] = field(default_factory=dict)
    sent_at: datetime | None = None
    episode: Alert | None = None

    @property
    def patience(self) -> timedelta:
        """How long a lane may be silent."""
        return self.every * PATIENCE


def begun(*, lanes: int, every: timedelta, now: datetime, episode: Alert | None = None) -> Pulse:
    """A sender that has sent nothing yet; `episode` is one that an earlier life left open."""
    return Pulse(every=every, looked_at=now, waited_since=dict.fromkeys(range(lanes), now), episode=episode)


def open_episode(values: Iterable[bytes]) -> Alert | None:
    """The episode of missing heartbeats that is open at the end of an alert topic's records, if any."""
    found: Alert | None = None
    for raw in values:
        if RULE.encode() not in raw:
            continue
        try:
            alert = CloudSignal.model_validate_json(raw).data
        except ValidationError:
            continue
        if isinstance(alert, Alert) and alert.rule == RULE:
            found = None if alert.status == "resolved" else alert
    return found


def is_due(pulse: Pulse, *, now: datetime) -> bool:
    """Whether the next heartbeat is to be sent."""
    return pulse.sent_at is None or now - pulse.sent_at >= pulse.every


def sent(pulse: Pulse, *, now: datetime) -> Pulse:
    """After one was sent to every lane."""
    return replace(pulse, sent_at=now)


def came(pulse: Pulse, lane: int, *, now: datetime) -> Pulse:
    """After one came back through the lane; a lane that is not known is nobody's."""
    if lane not in pulse.waited_since:
        return pulse
    at = {lane: now}
    return replace(pulse, waited_since={**pulse.waited_since, **at}, came_at={**pulse.came_at, **at})


def looked(pulse: Pulse, *, now: datetime) -> tuple[Pulse, Alert | None]:
    """After a look, and the transition that follows from it."""
    if now - pulse.looked_at > MOST_GAP:
        return replace(pulse, looked_at=now, waited_since=dict.fromkeys(pulse.waited_since, now)), None
    after = replace(pulse, looked_at=now)
    open_one = pulse.episode
    if open_one is not None:
        opened_at = open_one.at
        if all(pulse.came_at.get(lane, opened_at) > opened_at for lane in pulse.waited_since):
            return replace(after, episode=None), _over(open_one, now=now)
        return after, None
    silent = [lane for lane, since in sorted(pulse.waited_since.items()) if now - since > pulse.patience]
    if not silent:
        return after, None
    alert = _missing(silent, since=min(pulse.waited_since[lane] for lane in silent), now=now)
    return replace(after, episode=alert), alert


def _missing(silent: list[int], *, since: datetime, now: datetime) -> Alert:
    lanes = ", ".join(map(str, silent))
    waited_sec = int((now - since).total_seconds())
    name = f"{OWN_ORG}|{RULE}|{now.isoformat()}"
    return Alert(
        alert_id=blake2b(name.encode(), digest_size=16).hexdigest(),
        seq=1,
        status="firing",
        topic=ALERT_TOPIC,
        mode="live",
        basis="actual",
        notify=True,
        rule=RULE,
        kind="health",
        level="missing",
        severity="critical",
        org=OWN_ORG,
        entity_type="stack",
        entity_id=OWN_ORG,
        budget_id=None,
        period_start=None,
        period_end=None,
        at=now,
        opened_at=now,
        resolved_at=None,
        unit="count",
        value=Decimal(len(silent)),
        threshold=Decimal(1),
        owner=None,
        labels={"partitions": lanes},
        evidence={"waited_sec": str(waited_sec)},
        message=(
            f"No heartbeat has come through partitions {lanes} of usage.events for {waited_sec} s: what is spent there "
            "is not rated or judged. burnline status says which part does not work."
        ),
        runbook_url=None,
    )


def _over(alert: Alert, *, now: datetime) -> Alert:
    changes = {
        "seq": alert.seq + 1,
        "status": "resolved",
        "at": now,
        "resolved_at": now,
        "reason": "heartbeat_back",
        "value": Decimal(0),
        "message": "Heartbeats come through every partition of usage.events again.",
    }
    return alert.model_copy(update=changes)
