"""What alerts about spenders and credentials say; messages.py has those about budgets, and how drafts are made."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from schemas.money import plain
from schemas.policies import SharedCredentialRule
from schemas.signals import Alert
from streams.burn.amounts import shown
from streams.burn.messages import draft


@dataclass(frozen=True, slots=True)
class Spike:
    """An entity that spends far above its usual; rates in USD per hour."""

    org: str
    entity_type: str
    entity_id: str
    usd_per_hour: Decimal
    expected_usd_per_hour: Decimal
    threshold_usd_per_hour: Decimal
    score: float
    history_buckets: int
    window_sec: int


def spike_alert(found: Spike, *, at: datetime, owner: str | None) -> Alert:
    """An entity's spending is not normal for it."""
    now, usually = shown(found.usd_per_hour, "usd"), shown(found.expected_usd_per_hour, "usd")
    times = found.usd_per_hour / found.expected_usd_per_hour if found.expected_usd_per_hour else Decimal(0)
    return draft(
        at=at,
        topic="alerts.anomalies",
        notify=True,
        rule="spike",
        kind="anomaly",
        level="spike",
        severity="warning",
        org=found.org,
        entity_type=found.entity_type,
        entity_id=found.entity_id,
        budget_id=None,
        member=None,
        period_start=None,
        period_end=None,
        unit="usd_per_hour",
        value=found.usd_per_hour,
        threshold=found.threshold_usd_per_hour,
        owner=owner,
        labels={found.entity_type: found.entity_id},
        evidence={
            "expected": plain(found.expected_usd_per_hour),
            "score": f"{found.score:.1f}",
            "history_buckets": str(found.history_buckets),
            "window_sec": str(found.window_sec),
        },
        message=f"{found.entity_type} {found.entity_id} burns {now} USD/h, {times:.0f} times its usual "
        f"{usually} USD/h when active",
        runbook_url=None,
    )


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
