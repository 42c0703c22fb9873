"""What is open about something that policy does not ask for any more ends when policy says so, with that reason.

Laws
1. A rule that is switched off or taken out, a name that is approved or registered now, and a class of data without
   regions have no open alert from the message on that names the new policies.
2. Nothing of it is remembered as told: where policy asks again it is told again. A run may continue.
"""

from schemas.periods import instant
from streams.burn.episodes import EpisodeKey
from streams.burn.messages import output_of
from streams.patterns import first_seen, run_rules
from streams.patterns.in_force import InForceHere, matches
from streams.patterns.state import PatternsState
from streams.ports import Output

_BY_DEFAULT = frozenset({"stolen_key", "throttled", "first_seen"})
"""The rules of governance that hold without being written."""


def resolve(state: PatternsState) -> list[Output]:
    """Closing alerts of what is asked for no more."""
    if state.policies is None:
        return []
    at, outputs = instant(state.clock.lead_us), list[Output]()
    for key in sorted(key for key in state.episodes.open if not _is_asked(state.policies, key)):
        because = "policy has nothing against it any more"
        outputs.append(output_of(state.episodes.resolve(key, at=at, why="limit_changed", because=because)))
        rule, org, subject, _, _, level = key
        kind, _, name = subject.partition("/")
        state.findings.pop((rule, org, kind, name, level), None)
        if kind == "run":
            outputs += run_rules.advise(state, (org, name))
    return outputs


def _is_asked(policies: InForceHere, key: EpisodeKey) -> bool:
    rule, org, subject, _, _, level = key
    kind, _, name = subject.partition("/")
    if kind == "run":
        return policies.run(org).enabled
    asked = policies.rule(org)
    if not asked.enabled or (rule not in _BY_DEFAULT and org not in policies.governance):
        return False
    if rule == "stolen_key":
        return asked.stolen_keys
    if rule == "unapproved":
        allowed: tuple[str, ...] | None = getattr(asked, f"approved_{kind}s")
        return allowed is not None and not matches(name, allowed)
    if rule == "first_seen":
        return first_seen.asks(asked, kind) and (org, kind, name) not in policies.registered
    if rule == "shared_at_once":
        return not matches(name, asked.shared_keys)
    if rule == "unregistered":
        return kind in asked.registered and (org, kind, name) not in policies.registered
    if rule == "sovereignty":
        return any(level.startswith(f"{data_class} in ") for data_class in asked.data_regions)
    return True
