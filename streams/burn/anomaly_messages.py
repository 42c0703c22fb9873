"""What alerts about spenders and credentials say; messages.py has those about budgets, and how drafts are made."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import exp

from schemas.money import plain
from schemas.policies import PlannedEvent, SharedCredentialRule
from schemas.signals import Alert, rfc3339
from streams.anomalies.flags import Flag
from streams.anomalies.page import VIEWS
from streams.burn.amounts import lasting, short, shown
from streams.burn.messages import draft


@dataclass(frozen=True, slots=True)
class Risen:
    """A group that spent so many USD more in the last hour than in an hour of the last day."""

    entity_type: str
    entity_id: str
    usd_per_hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """What a detector says of a spender (org, kind, name). `again`: it is told already, and is worse now."""

    key: tuple[str, str, str]
    flag: Flag
    since: datetime
    again: bool
    risen: tuple[Risen, ...]
    planned: PlannedEvent | None


def anomaly_alert(found: Anomaly, *, at: datetime, owner: str | None) -> Alert:
    """An entity's spending is not normal for it; rates in USD per hour within the detector's window."""
    org, kind, name = found.key
    flag = found.flag
    value, expected = _usd(flag.observed_usd_per_hour), _usd(flag.expected_usd_per_hour)
    evidence = {
        "expected": plain(expected),
        "score": f"{flag.score:.2f}",
        "fires_at": f"{flag.threshold:.2f}",
        "since": rfc3339(found.since),
        "window_sec": str(flag.window_min * 60),
    }
    if flag.p_value is not None:
        evidence["chance"] = f"{flag.p_value:.2g}"
    if flag.peers:
        evidence["peers"] = str(flag.peers)
    if found.risen:
        risen = (f"{one.entity_type} {one.entity_id} +{shown(_usd(one.usd_per_hour), 'usd')}" for one in found.risen)
        evidence["rose_too"] = ", ".join(risen)
    message = _SAYS[flag.kind](found, shown(value, "usd"), shown(expected, "usd"))
    if found.planned is not None:
        evidence |= {"planned": found.planned.note, "planned_id": found.planned.id}
        message += f"; planned: {found.planned.note}"
    severity = "info" if found.planned is not None else "critical" if found.again else "warning"
    return draft(
        at=at,
        topic="alerts.anomalies",
        notify=found.planned is None,
        rule=flag.kind,
        kind="anomaly",
        level=flag.kind,
        severity=severity,
        org=org,
        entity_type=kind,
        entity_id=name,
        budget_id=None,
        member=None,
        period_start=None,
        period_end=None,
        unit="usd_per_hour",
        value=value,
        threshold=_fires_at(flag),
        owner=owner,
        labels={kind: name},
        evidence=evidence,
        message=f"{kind} {name} {message}",
        runbook_url=None,
    )


def _spike(found: Anomaly, now: str, usually: str) -> str:
    flag = found.flag
    if flag.peers:
        times = exp(flag.score)
        most = f"{times:.1f} times the most that any of its {flag.peers} peers ever did"
        return f"is new and burns {now} USD/h over {flag.window_min} min, {most}; {usually} USD/h is usual among them"
    times = flag.observed_usd_per_hour / max(flag.expected_usd_per_hour, 1e-9)
    worse = "even more: " if found.again else ""
    return f"burns {worse}{now} USD/h over {flag.window_min} min, {times:.0f} times its usual {usually} USD/h"


def _leak(found: Anomaly, now: str, usually: str) -> str:
    since = f"{found.since:%Y-%m-%d %H:%M} UTC"
    return f"spends more than usual hour after hour since {since}: {now} USD in the last one, usually {usually} USD"


def _silence(found: Anomaly, now: str, usually: str) -> str:
    del now
    lasts = lasting(found.flag.window_min * 60)
    return f"spends nothing for {lasts} although others do; {usually} USD/h is usual at this hour"


_SAYS = {"spike": _spike, "leak": _leak, "silence": _silence}


def _fires_at(flag: Flag) -> Decimal:
    """About the rate that would just have been told: of a spike; what piles up has none but the usual one."""
    if flag.kind != "spike":
        return _usd(flag.expected_usd_per_hour)
    return _usd(flag.observed_usd_per_hour * exp((flag.threshold - flag.score) / (1 if flag.peers else VIEWS)))


def _usd(amount: float) -> Decimal:
    return short(Decimal(repr(amount)))


@dataclass(frozen=True, slots=True)
class Shared:
    """How many users and client addresses a credential had within one hour."""

    users: int
    addresses: int


def shared_credential_alert(
    rule: SharedCredentialRule, credential: str, found: Shared, *, at: datetime, owner: str | None
) -> Alert:
    """A credential was used by more users, or from more addresses, than one owner would."""
    by_users = found.users >= rule.min_distinct_users
    return draft(
        at=at,
        topic="alerts.governance",
        notify=True,
        rule="shared_credential",
        kind="governance",
        level="shared",
        severity="warning",
        org=rule.org,
        entity_type="credential",
        entity_id=credential,
        budget_id=None,
        member=None,
        period_start=None,
        period_end=None,
        unit="count",
        value=Decimal(found.users if by_users else found.addresses),
        threshold=Decimal(rule.min_distinct_users if by_users else rule.min_distinct_addresses),
        owner=owner,
        labels={"credential": credential},
        evidence={"distinct_users": str(found.users), "distinct_addresses": str(found.addresses), "window_sec": "3600"},
        message=f"credential {credential} was used by {found.users} users from {found.addresses} addresses "
        "within one hour",
        runbook_url=None,
    )
