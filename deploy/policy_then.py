"""The policy that an alert was judged by: as it was in force then, since when, and who brought it there. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.policy_log import Logged
from schemas.policies import Budget, BudgetIncrease, Key, OnePolicy, Policies, fold, key_of
from schemas.signals import rfc3339

_RULES = {
    "shared_credential": ("shared_credential_rule", "shared_credential"),
    "renewal": ("renewal_rule", "renewal"),
    **dict.fromkeys(("spike", "leak", "silence"), ("spike_rule", "spike")),
    **dict.fromkeys(("runaway", "dear_run"), ("run_rule", "run")),
    **dict.fromkeys(
        ("stolen_key", "unapproved", "unregistered", "sovereignty", "claimed_identity", "shared_at_once",
         "first_seen", "ownership", "unpriced_share", "throttled"),
        ("governance_rule", "governance"),
    ),
}  # fmt: skip
"""Kind and id of the policy that a rule's alerts are judged by."""


@dataclass(frozen=True)
class PolicyThen:
    """A policy in force at some time, the change that made it what it was, and the next change of it, if any."""

    policy: OnePolicy
    by: Logged
    later: Logged | None
    increases: tuple[BudgetIncrease, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For scripts; who changed it, when, with which files, at which policy offset."""
        return {
            **self.policy.model_dump(mode="json"),
            "policy_offset": self.by.offset,
            "changed_by": self.by.change.actor,
            "changed_at": rfc3339(self.by.at),
            "files": list(self.by.change.files),
            "increases": [one.model_dump(mode="json") for one in self.increases],
            "changed_again": None if self.later is None else _change_of(self.later),
        }


def key_of_alert(*, org: str, rule: str, budget_id: str) -> Key | None:
    """The policy that an alert of this rule is judged by; None where the rule has none."""
    if budget_id:
        return ("budget", org, budget_id)
    if rule not in _RULES:
        return None
    kind, policy_id = _RULES[rule]
    return (kind, org, policy_id)


def policy_then(log: Sequence[Logged], key: Key, at: datetime, *, member: str = "") -> PolicyThen | None:
    """The policy as the log of changes had it at a time (of the log); None where none was in force: defaults held."""
    policies: Policies = {}
    found: Logged | None = None
    later: Logged | None = None
    for logged in log:
        touches = key in logged.change.removes or any(key_of(policy) == key for policy in logged.change.sets)
        if logged.at > at:
            later = later or (logged if touches else None)
            continue
        policies = fold(policies, logged.change, offset=logged.offset)
        held = policies.get(key)
        if held is not None and held.since == logged.offset:
            found = logged
    held = policies.get(key)
    if held is None or found is None:
        return None
    return PolicyThen(held.policy, found, later, _increases(policies, held.policy, at, member))


def _increases(policies: Policies, policy: OnePolicy, at: datetime, member: str) -> tuple[BudgetIncrease, ...]:
    """What was added to a budget's limit then."""
    if not isinstance(policy, Budget):
        return ()
    return tuple(
        one
        for one in (entry.policy for entry in policies.values())
        if isinstance(one, BudgetIncrease)
        and (one.org, one.budget) == (policy.org, policy.id)
        and one.member in {None, member}
        and (one.starts is None or one.starts <= at)
        and at < one.ends
    )


def _change_of(logged: Logged) -> dict[str, Any]:
    return {"policy_offset": logged.offset, "changed_by": logged.change.actor, "changed_at": rfc3339(logged.at)}
