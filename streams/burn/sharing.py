"""Which credentials are shared now, by their org's rule, and which are no more."""

import numpy as np

from schemas.periods import instant
from schemas.policies import SharedCredentialRule
from schemas.signals import Alert
from streams.burn import anomaly_messages, shared_credential
from streams.burn.anomaly_messages import Shared
from streams.burn.state import BurnState


def judge(state: BurnState, *, moments_us: list[int]) -> list[Alert]:
    """Alerts of credentials with too many users or addresses at one of the moments; judged until their next row."""
    table = state.credentials
    unjudged = np.flatnonzero(table.column("unjudged"))
    if len(unjudged) == 0 or state.policies is None:
        return []
    table.will_change(unjudged)
    table.columns["unjudged"][unjudged] = 0
    found: dict[tuple[str, str], Alert] = {}
    at = instant(state.clock.lead_us)
    for at_us in moments_us:
        counts = shared_credential.distinct(table, unjudged, at_us=at_us)
        many = (counts.users >= 2) | (counts.addresses >= 2)
        for index in np.flatnonzero(many).tolist():
            key = table.keys[int(unjudged[index])]
            if key is None or key in found:
                continue
            if ("shared_credential", key[0], f"credential/{key[1]}", "", "", "shared") in state.episodes.open:
                continue
            rule = state.policies.shared_credential(key[0])
            shared = Shared(int(counts.users[index]), int(counts.addresses[index]))
            if rule.enabled and _many(rule, shared):
                owner = state.policies.owners.of(key[0], "credential", key[1], at_us=at_us)
                found[key] = anomaly_messages.shared_credential_alert(rule, key[1], shared, at=at, owner=owner)
    fired = (state.episodes.fire(found[key]) for key in sorted(found))
    return [alert for alert in fired if alert is not None]


def resolve(state: BurnState, *, floor_us: int) -> list[Alert]:
    """Closing alerts of credentials that are below the rule's minimum for the hour that ends at the floor."""
    alerts = []
    for key in state.episodes.of_rule("shared_credential"):
        credential = key[2].partition("/")[2]
        if not _shared(state, key[1], credential, floor_us=floor_us):
            at = instant(state.clock.lead_us)
            because = "used by fewer for an hour"
            alerts.append(state.episodes.resolve(key, at=at, why="calmed_down", because=because))
    return alerts


def _shared(state: BurnState, org: str, credential: str, *, floor_us: int) -> bool:
    slot = state.credentials.slots.get((org, credential))
    if slot is None or state.policies is None:
        return False
    rule = state.policies.shared_credential(org)
    if not rule.enabled:
        return False
    slots = np.array([slot])
    if not shared_credential.covered(state.credentials, slots, at_us=floor_us)[0]:
        return True
    counts = shared_credential.distinct(state.credentials, slots, at_us=floor_us)
    return _many(rule, Shared(int(counts.users[0]), int(counts.addresses[0])))


def _many(rule: SharedCredentialRule, found: Shared) -> bool:
    return found.users >= rule.min_distinct_users or found.addresses >= rule.min_distinct_addresses
