"""The policies at one policy offset, as burn asks for them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

from schemas.directory import DirectoryEntry, Owners
from schemas.periods import micros
from schemas.policies import (
    ENTITY_TYPES,
    Acknowledgement,
    Budget,
    BudgetIncrease,
    PlannedEvent,
    Policies,
    SharedCredentialRule,
    SpikeRule,
)
from streams.burn.limits import BudgetKey, Increase, Plan, plan_of

FIRST_US = -(2**62)
"""Before everything: the beginning of what has none."""
SPENDERS = frozenset(ENTITY_TYPES) - {"org", "model"}
"""Kinds of entities of which it matters that one spends without a budget (uncapped.py)."""
Named = Mapping[tuple[str, str], frozenset[str]]

_BORROWS_AS = 1
"""Another number whenever who borrows from whom is found in another way: states of before are then placed anew."""


@dataclass(frozen=True, slots=True)
class InForceHere:
    """The policies at one policy offset, as burn asks for them."""

    offset: int
    plans: Mapping[BudgetKey, Plan]
    turns: tuple[tuple[BudgetKey, int], ...]  # when increases begin and end
    rolling: Mapping[BudgetKey, Plan]
    forecast: Mapping[BudgetKey, Plan]  # those that have alerts by forecast
    named: Named
    acknowledged: Mapping[tuple[str, str], Acknowledgement]  # by org and alert id
    escalating: bool  # a budget has somebody to escalate to
    spikes: Mapping[str, SpikeRule]
    shared: Mapping[str, SharedCredentialRule]
    owners: Owners  # of entities, as the directory says
    teams: Mapping[tuple[str, str, str], str]  # by org, kind and name, as the directory says last
    planned: tuple[PlannedEvent, ...]
    watched_as: int  # a number for who is watched, from what on, beside whom: another one when that changes

    def spike(self, org: str) -> SpikeRule:
        """The org's spike rule; the defaults where it has none."""
        return self.spikes.get(org) or _default_spike(org)

    def shared_credential(self, org: str) -> SharedCredentialRule:
        """The org's rule for shared credentials; the defaults where it has none."""
        return self.shared.get(org) or _default_shared(org)


@lru_cache(maxsize=4096)
def _default_spike(org: str) -> SpikeRule:
    return SpikeRule(org=org)


@lru_cache(maxsize=4096)
def _default_shared(org: str) -> SharedCredentialRule:
    return SharedCredentialRule(org=org)


def compiled(policies: Policies, *, offset: int) -> InForceHere:
    """The policies of an offset, budgets with exact thresholds and their increases."""
    inside = list(policies.values())
    more: dict[BudgetKey, list[Increase]] = defaultdict(list)
    for entry in inside:
        if isinstance(one := entry.policy, BudgetIncrease):
            more[one.org, one.budget].append(_increase(one))
    budgets = {(p.org, p.id): (p, entry) for entry in inside if isinstance(p := entry.policy, Budget)}
    plans = {key: plan_of(*found, increases=more.get(key, ())) for key, found in budgets.items()}
    directory = [p for entry in inside if isinstance(p := entry.policy, DirectoryEntry)]
    spikes = {p.org: p for entry in inside if isinstance(p := entry.policy, SpikeRule)}
    teams = teams_of(directory)
    return InForceHere(
        offset=offset,
        plans=plans,
        rolling={key: plan for key, plan in plans.items() if plan.is_rolling},
        forecast={key: plan for key, plan in plans.items() if plan.budget.is_forecast()},
        named=named_in(plan.budget for plan in plans.values()),
        acknowledged={(p.org, p.id): p for entry in inside if isinstance(p := entry.policy, Acknowledgement)},
        escalating=any(plan.budget.escalate_to for plan in plans.values()),
        turns=tuple((key, us) for key, some in more.items() for one in some for us in (one.starts_us, one.ends_us)),
        spikes=spikes,
        shared={p.org: p for entry in inside if isinstance(p := entry.policy, SharedCredentialRule)},
        owners=Owners(directory),
        teams=teams,
        planned=tuple(p for entry in inside if isinstance(p := entry.policy, PlannedEvent)),
        watched_as=crc32(repr((sorted(spikes.items()), sorted(teams.items()))).encode(), _BORROWS_AS),
    )


def teams_of(directory: Iterable[DirectoryEntry]) -> dict[tuple[str, str, str], str]:
    """The team of each user, agent and credential; a credential without one has that of its agent, else its user."""
    entries = sorted(directory, key=DirectoryEntry.since_us)
    teams = {(e.org, e.kind, e.subject): str(team) for e in entries if (team := getattr(e, "team", None))}
    for entry in entries:
        key = (entry.org, entry.kind, entry.subject)
        holders = [(entry.org, kind, name) for kind, name in entry.refers_to() if kind in {"agent", "user"}]
        if entry.kind == "credential" and key not in teams:
            found = [teams[holder] for holder in sorted(holders) if holder in teams]
            teams |= {key: found[0]} if found else {}
    return teams


def named_in(budgets: Iterable[Budget]) -> Named:
    """By organisation and kind: which entities have a budget, of those kinds of which others may have none."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    whole = set()
    for budget in budgets:
        if not budget.scope and budget.each is None:
            whole |= {(budget.org, kind) for kind in ENTITY_TYPES}
        if budget.each is not None:
            whole.add((budget.org, budget.each))
        for kind, name in budget.scope.items():
            found[budget.org, kind].add(name)
    return {key: frozenset(names) for key, names in found.items() if key not in whole and key[1] in SPENDERS}


def _increase(one: BudgetIncrease) -> Increase:
    starts_us = FIRST_US if one.starts is None else micros(one.starts)
    return Increase(one.amount, one.member or "", starts_us, micros(one.ends))
