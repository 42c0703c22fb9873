"""The policies at one policy offset, as patterns asks for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from schemas.directory import Agent, Credential, DirectoryEntry, Owners
from schemas.governance import GovernanceRule, RunRule
from schemas.policies import Policies


@dataclass(frozen=True, slots=True)
class InForceHere:
    """The rules of each organisation, and who stands in its directory."""

    offset: int
    runs: Mapping[str, RunRule]
    governance: Mapping[str, GovernanceRule]
    registered: frozenset[tuple[str, str, str]]  # org, kind, name
    owners: Owners

    def run(self, org: str) -> RunRule:
        """The org's rule for runs; the defaults where it has none."""
        return self.runs.get(org) or _default_run(org)

    def rule(self, org: str) -> GovernanceRule:
        """The org's rule of governance; the defaults where it has none."""
        return self.governance.get(org) or _default_rule(org)


@lru_cache(maxsize=4096)
def _default_run(org: str) -> RunRule:
    return RunRule(org=org)


@lru_cache(maxsize=4096)
def _default_rule(org: str) -> GovernanceRule:
    return GovernanceRule(org=org)


def compiled(policies: Policies, *, offset: int) -> InForceHere:
    """The policies of an offset."""
    inside = [entry.policy for entry in policies.values()]
    return InForceHere(
        offset=offset,
        runs={p.org: p for p in inside if isinstance(p, RunRule)},
        governance={p.org: p for p in inside if isinstance(p, GovernanceRule)},
        registered=frozenset((p.org, p.kind, p.id) for p in inside if isinstance(p, Agent | Credential)),
        owners=Owners(p for p in inside if isinstance(p, DirectoryEntry)),
    )


@lru_cache(maxsize=65_536)
def matches(name: str, allowed: tuple[str, ...]) -> bool:
    """Whether one of the patterns (`*`, `?`, no case) means the name."""
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in allowed)
