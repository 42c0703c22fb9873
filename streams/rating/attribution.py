"""Whom an event is attributed to: what the directory says at the event's own time, else what the event says. Pure.

Laws
1. The result depends on the directory and the event alone: not on the order of entries, nor on other events.
2. What the directory says goes before what the event says. Where they differ, the event's word is kept in `asserted`;
   and of the levels above, the event's word then counts no more: a claim about another team's unit is no claim.
3. A name is first what its identity says (the source that matches closest), then the user of that id. A credential's
   user and agent go before the event's. The team is the credential's, else the agent's, else the user's, else what the
   event says: a key was given out for a purpose, a user is often only said. The unit is the team's; the cost centre
   the team's, else the unit's.
4. Of an organisation whose directory knows any team, an event without one stands under `unattributed`, so that teams
   add up to the whole; likewise for units and cost centres. Other organisations see no change at all.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import repeat
from typing import Any, NamedTuple, TypeVar

import numpy as np

from schemas.directory import (
    UNATTRIBUTED,
    Agent,
    BusinessUnit,
    Credential,
    DirectoryEntry,
    Identity,
    Team,
    User,
    histories_of,
)
from schemas.policies import Policies
from streams.rating.groups import Ints

STRANGER = "\0stranger"
"""In the place of a user, an agent or a key of whom no entry speaks; they differ by their names alone.

No name holds NUL. Where everybody is a stranger, most of what is asked is the same question.
"""
PEOPLE = ("user", "agent", "credential")
_CACHED = 32_768
LEVELS = ("team", "business_unit", "cost_center")
_CLAIMED = ("user", "agent", *LEVELS)
_Entry = TypeVar("_Entry", bound=DirectoryEntry)
_KINDS: dict[type[DirectoryEntry], str] = {
    kind: kind.model_fields["kind"].default for kind in (Agent, BusinessUnit, Credential, Identity, Team, User)
}


class Said(NamedTuple):
    """What an event says about who it is."""

    org: str
    source: str
    user: str | None
    agent: str | None
    credential: str | None
    team: str | None
    business_unit: str | None
    cost_center: str | None


class Attributed(NamedTuple):
    """Who it is. `named_user` is whom the event named, under his one id, though the key may be another's."""

    user: str | None
    agent: str | None
    team: str | None
    business_unit: str | None
    cost_center: str | None
    named_user: str | None
    asserted: dict[str, str] | None  # what the event said, where it differs


class _Org:
    """The directory of one organisation."""

    def __init__(self, entries: Sequence[DirectoryEntry]) -> None:
        self._histories = {key[1:]: history for key, history in histories_of(entries).items()}
        patterns: dict[str, set[str | None]] = defaultdict(set)
        for entry in entries:
            if isinstance(entry, Identity):
                patterns[entry.id].add(entry.source)
        self._patterns = {name: sorted(some, key=_closeness) for name, some in patterns.items()}
        self._levels = {entry.kind for entry in entries} & set(LEVELS)

    def attributed(self, said: Said, event_us: int) -> Attributed:
        """Who an event of this time is."""
        named = self._named(said, event_us)
        key = self._at(Credential, said.credential, event_us)
        user = key.user if key is not None and key.user is not None else named
        agent = key.agent if key is not None and key.agent is not None else said.agent
        team = next(
            (one.team for one in (key, self._at(Agent, agent, event_us), self._at(User, user, event_us))
             if one is not None and one.team is not None),
            None,
        )  # fmt: skip
        team, differs = self._settled("team", team, said.team, differs=False)
        of_team = self._at(Team, team, event_us)
        unit = of_team.business_unit if of_team is not None else None
        unit, differs = self._settled("business_unit", unit, said.business_unit, differs=differs)
        of_unit = self._at(BusinessUnit, unit, event_us)
        center = next((one.cost_center for one in (of_team, of_unit) if one is not None and one.cost_center), None)
        center, _ = self._settled("cost_center", center, said.cost_center, differs=differs)
        pairs = zip(_CLAIMED, (user, agent, team, unit, center), strict=True)
        asserted = {name: word for name, now in pairs if (word := getattr(said, name)) is not None and word != now}
        return Attributed(user, agent, team, unit, center, named, asserted or None)

    def _named(self, said: Said, event_us: int) -> str | None:
        for pattern in self._patterns.get(said.user or "", ()):
            if pattern is None or fnmatchcase(said.source, pattern):
                subject = said.user if pattern is None else f"{said.user} <{pattern}>"
                entry = self._histories["identity", str(subject)].at(event_us)
                if isinstance(entry, Identity):
                    return entry.user
        return said.user

    def _at(self, kind: type[_Entry], id_: str | None, event_us: int) -> _Entry | None:
        history = self._histories.get((_KINDS[kind], id_)) if id_ is not None else None
        found = history.at(event_us) if history is not None else None
        return found if isinstance(found, kind) else None

    def _settled(self, level: str, word: str | None, said: str | None, *, differs: bool) -> tuple[str | None, bool]:
        """Who is right about a level, and whether the event was wrong about it or one below."""
        said = None if said == UNATTRIBUTED else said
        if word is not None:
            return word, differs or said not in {None, word}
        found = None if differs else said
        return (UNATTRIBUTED if found is None and level in self._levels else found), differs


def _closeness(pattern: str | None) -> tuple[bool, bool, int, str]:
    """What sorts patterns of sources: a source itself, then the pattern that says most of it, then any source."""
    if pattern is None:
        return (True, True, 0, "")
    wild = sum(pattern.count(sign) for sign in "*?[")
    return (False, wild > 0, wild - len(pattern), pattern)


class Directory:
    """The directories in force at one policy offset, of all organisations; what was resolved is remembered."""

    def __init__(self, entries: Iterable[DirectoryEntry] = ()) -> None:
        self._entries = tuple(entries)
        grouped: dict[str, list[DirectoryEntry]] = defaultdict(list)
        for entry in self._entries:
            grouped[entry.org].append(entry)
        self._orgs = {org: _Org(some) for org, some in grouped.items()}
        self._changes = np.array(sorted({entry.since_us() for entry in self._entries}), np.int64)
        # Whatever an entry says of anything: of another name it is not even asked whose it is.
        self.mentioned = frozenset(
            word for entry in self._entries for word in entry.__dict__.values() if isinstance(word, str)
        )
        self.by_source = any(isinstance(entry, Identity) and entry.source is not None for entry in self._entries)
        self._known: dict[tuple[object, ...], Attributed] = {}  # by span of time and what an event says

    def __bool__(self) -> bool:
        """Whether there is any entry."""
        return bool(self._entries)

    def under(self, policies: Policies) -> "Directory":
        """The directory that other policies hold; this very object where it is the same."""
        entries = tuple(entry.policy for entry in policies.values() if isinstance(entry.policy, DirectoryEntry))
        return self if entries == self._entries else Directory(entries)

    def knows_any(self, orgs: Iterable[str]) -> bool:
        """Whether one of these organisations has a directory."""
        return not self._orgs.keys().isdisjoint(orgs)

    def spans(self, event_us: Ints) -> Ints:
        """Which span each time falls into: between two changes of the directory time does not matter."""
        return np.searchsorted(self._changes, event_us, side="right")

    def attributed(self, said: Said, event_us: int) -> Attributed:
        """Who one event is."""
        org = self._orgs.get(said.org)
        if org is None:
            levels = (said.team, said.business_unit, said.cost_center)
            return Attributed(said.user, said.agent, *levels, named_user=said.user, asserted=None)
        return org.attributed(said, event_us)

    def all_attributed(self, said: Mapping[str, Sequence[str | None]], event_us: Ints) -> list[Attributed]:
        """Who each event is; `said` has a column for each field of Said."""
        spans = self.spans(event_us).tolist()  # what was resolved once holds for all of its span
        columns = [said[name] if name != "source" or self.by_source else repeat("") for name in Said._fields]
        keys = list(zip(spans, *columns, strict=False))
        found: list[Any] = list(map(self._known.get, keys))
        missing = [at for at, one in enumerate(found) if one is None]
        if missing and len(self._known) + len(missing) > _CACHED:
            self._known.clear()
        for at in missing:
            one = Said(*(said[name][at] for name in Said._fields))  # type: ignore[arg-type]  # org and source are there
            found[at] = self._known[keys[at]] = self.attributed(one, int(event_us[at]))
        return found


NO_DIRECTORY = Directory()
