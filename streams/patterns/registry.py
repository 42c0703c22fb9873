"""Names that nobody approved, and callers who claim to be somebody whom nobody checked.

Laws
1. Models, providers, regions and agents are held against the lists of policy; keys and agents against the directory. A
   list that is left out allows everything: without a rule of governance there is no finding.
2. A name is told of when it is first used, once, until it was not used for a day.
"""

from streams.patterns.findings import Seen, see
from streams.patterns.in_force import InForceHere, matches
from streams.patterns.rows import Rows
from streams.patterns.state import PatternsState
from streams.ports import Output

_LISTS = (
    ("model", "approved_models"),
    ("provider", "approved_providers"),
    ("region", "approved_regions"),
    ("agent", "approved_agents"),
)
_WHO = frozenset({"user", "team", "business_unit", "cost_center"})


def take(state: PatternsState, rows: Rows) -> list[Output]:
    """What opens with these rows."""
    policies = state.policies
    if policies is None or policies.governance.keys().isdisjoint(rows.orgs):
        return []
    outputs: list[Output] = []
    for kind, listed in _LISTS:
        outputs += _unapproved(state, policies, rows, kind, listed)
    for kind in ("credential", "agent"):
        outputs += _unregistered(state, policies, rows, kind)
    return outputs + _claimed(state, policies, rows)


def _unapproved(state: PatternsState, policies: InForceHere, rows: Rows, kind: str, listed: str) -> list[Output]:
    outputs: list[Output] = []
    for (org, name), places in rows.groups(kind):
        rule = policies.rule(org)
        allowed: tuple[str, ...] | None = getattr(rule, listed)
        if not rule.enabled or allowed is None or matches(name, allowed):
            continue
        sentence = f"{kind} {name} is used and not approved: {{calls}}; add it to {listed}"
        outputs += see(state, rows, places, Seen("unapproved", kind, (org, kind, name), sentence, {}))
    return outputs


def _unregistered(state: PatternsState, policies: InForceHere, rows: Rows, kind: str) -> list[Output]:
    outputs: list[Output] = []
    for (org, name), places in rows.groups(kind):
        rule = policies.rule(org)
        if not rule.enabled or kind not in rule.registered or (org, kind, name) in policies.registered:
            continue
        sentence = f"{kind} {name} is used and not in the directory: {{calls}}"
        outputs += see(state, rows, places, Seen("unregistered", kind, (org, kind, name), sentence, {}))
    return outputs


def _claimed(state: PatternsState, policies: InForceHere, rows: Rows) -> list[Output]:
    """Keys whose callers say again and again that they are somebody, and nobody checks it."""
    outputs: list[Output] = []
    if not rows.has("claims"):
        return outputs
    for (org, key, claims), places in rows.groups("credential", "claims"):
        rule = policies.rule(org)
        said = sorted(_WHO.intersection(claims.split(",")))
        if not said or not rule.enabled or org not in policies.governance:
            continue
        sentence = f"callers of key {key} claim a {' and '.join(said)} that does not count, in {{calls}}"
        seen = Seen(
            "claimed_identity",
            "claims",
            (org, "credential", key),
            sentence,
            {},
            severity="info",
            least_calls=rule.most_claims_a_day + 1,
        )
        outputs += see(state, rows, places, seen)
    return outputs
