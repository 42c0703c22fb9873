"""The directory of an organisation, as policies: who belongs to whom, since when. Rating attributes events by it.

Laws
1. An entry holds from `valid_from`, on a quarter of an hour UTC (always, where it says none), until the next entry of
   the same kind and id. Nothing else ends it: who belongs nowhere from some time on has an entry that names no team.
2. Levels are fixed: user, agent, credential -> team -> business unit -> cost centre. So nothing can go in a circle. An
   identity is a user's name elsewhere, and leads to a user in one step.
3. Every name that an entry refers to has an entry of its own (`strays_of`); nothing is made by mistyping.
4. What cannot be attributed stands under the name `unattributed`, which no entry may have.
"""

import difflib
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.secrets import holds_secret
from schemas.usage import Name

DIRECTORY_KINDS = ("cost_center", "business_unit", "team", "user", "agent", "credential", "identity")
UNATTRIBUTED = "unattributed"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUARTER_SEC = 900
_LIKE_A_KEY = re.compile(r"@\d{4}-\d\d-\d\d|>$")
"""How the key of an entry with a time or a source ends; an id that does could be taken for one."""


class DirectoryEntry(BaseModel):
    """What all entries share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    org: Name
    id: Name
    valid_from: datetime | None = Field(None, description="event time from which on it holds; always, if left out")

    @field_validator("valid_from", mode="before")
    @classmethod
    def _midnight(cls, value: Any) -> Any:  # noqa: ANN401  anything may stand in a file
        """A date is its midnight UTC."""
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime.combine(value, time(), UTC)
        return value

    @field_validator("valid_from")
    @classmethod
    def _on_a_quarter(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("say the offset: 2026-01-01T09:00:00+01:00")
        at = value.astimezone(UTC)
        if at < _EPOCH:
            raise ValueError("leave it out for always")
        if at.microsecond or int(at.timestamp()) % _QUARTER_SEC:
            raise ValueError("people move on a quarter of an hour: :00, :15, :30 or :45")
        return at

    @model_validator(mode="after")
    def _sound_id(self) -> Self:
        if holds_secret(self.id.encode()):
            raise ValueError("write the id of the key, not the key itself: burnline key-id")
        if _LIKE_A_KEY.search(self.id):
            raise ValueError("an id has no @ with a date, nor > at its end; the time stands in valid_from")
        return self

    @property
    def policy_id(self) -> str:
        """What a later entry must share with this one to replace it: id, and since when."""
        return self.subject if self.valid_from is None else f"{self.subject}@{_moment(self.valid_from)}"

    @property
    def subject(self) -> str:
        """Whom the entry is about, among those of its kind."""
        return self.id

    def since_us(self) -> int:
        """`valid_from` in microseconds since 1970; 0 for always: no event is that old."""
        return 0 if self.valid_from is None else int((self.valid_from - _EPOCH).total_seconds()) * 1_000_000

    def refers_to(self) -> Iterator[tuple[str, str]]:
        """The kinds and ids that it names: each must have an entry."""
        for kind in ("user", "agent", "team", "business_unit", "cost_center"):
            name = getattr(self, kind, None)
            if name is not None:
                yield kind, name


class _Named(DirectoryEntry):
    name: Name | None = Field(None, description="for people to read")
    owner: Name | None = Field(None, description="whom to ask about it")


_COHORT = Field(None, description="whose work is like theirs, across teams: peers that their spend is held against")


class _Level(_Named):
    @model_validator(mode="after")
    def _not_reserved(self) -> Self:
        if self.id == UNATTRIBUTED:
            raise ValueError(f'"{UNATTRIBUTED}" is the name of what belongs to nobody; choose another id')
        return self


class CostCenter(_Level):
    """Where it is booked."""

    kind: Literal["cost_center"] = "cost_center"


class BusinessUnit(_Level):
    """A part of the organisation, and where its spend is booked."""

    kind: Literal["business_unit"] = "business_unit"
    cost_center: Name | None = None


class Team(_Level):
    """A team: its business unit; its cost centre where that is another than the unit's."""

    kind: Literal["team"] = "team"
    business_unit: Name | None = None
    cost_center: Name | None = None


class User(_Named):
    """A person, or whoever stands in `user` of events."""

    kind: Literal["user"] = "user"
    team: Name | None = None
    cohort: Name | None = _COHORT


class Agent(_Named):
    """An agent, and the team that answers for it."""

    kind: Literal["agent"] = "agent"
    team: Name | None = None
    cohort: Name | None = _COHORT


class Credential(_Named):
    """A key, by its id: whom it was given to. What it says goes before what agent and user say."""

    kind: Literal["credential"] = "credential"
    team: Name | None = None
    user: Name | None = None
    agent: Name | None = None


class Identity(DirectoryEntry):
    """What a user is called elsewhere: `id` in `user` of events, of any source or of those that match `source`."""

    kind: Literal["identity"] = "identity"
    user: Name
    source: Name | None = Field(None, description="only in events whose source matches; * and ? stand for anything")

    @property
    def subject(self) -> str:
        """The name, and where it is one."""
        return self.id if self.source is None else f"{self.id} <{self.source}>"

    @model_validator(mode="after")
    def _two_names(self) -> Self:
        if self.id == self.user:
            raise ValueError("id and user are the same name")
        return self


class EntryHistory:
    """The entries of one kind and id: which of them holds when."""

    def __init__(self, entries: Iterable[DirectoryEntry]) -> None:
        self._entries = sorted(entries, key=DirectoryEntry.since_us)
        self._since = [entry.since_us() for entry in self._entries]

    def at(self, event_us: int) -> DirectoryEntry | None:
        """The entry that holds at this time."""
        place = bisect_right(self._since, event_us)
        return self._entries[place - 1] if place else None


def histories_of(entries: Iterable[DirectoryEntry]) -> dict[tuple[str, str, str], EntryHistory]:
    """The history of each (organisation, kind, subject)."""
    grouped: dict[tuple[str, str, str], list[DirectoryEntry]] = defaultdict(list)
    for entry in entries:
        grouped[entry.org, entry.kind, entry.subject].append(entry)
    return {key: EntryHistory(some) for key, some in grouped.items()}


class Owners:
    """Whom to ask about an entity: its own owner, else that of its team, unit or cost centre, whoever comes first."""

    def __init__(self, entries: Iterable[DirectoryEntry] = ()) -> None:
        self._histories = histories_of(entries)

    def of(self, org: str, kind: str, id_: str, *, at_us: int) -> str | None:
        """The owner at this time; None where the directory names nobody."""
        history = self._histories.get((org, kind, id_))
        entry = history.at(at_us) if history is not None else None
        if entry is None:
            return None
        own: str | None = getattr(entry, "owner", None)
        above = (self.of(org, *one, at_us=at_us) for one in entry.refers_to() if one[0] not in {"user", "agent"})
        given_to = (self.of(org, *one, at_us=at_us) for one in entry.refers_to() if one[0] in {"user", "agent"})
        return own or next((one for one in (*above, *given_to) if one is not None), None)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d}" if at.hour == at.minute == 0 else f"{at:%Y-%m-%dT%H:%MZ}"


def strays_of(entries: Iterable[DirectoryEntry]) -> list[str]:
    """What is wrong with these entries together, a sentence for each: names without an entry, users under two names."""
    found = list(entries)
    known: dict[tuple[str, str], set[str]] = {}
    for entry in found:
        known.setdefault((entry.org, entry.kind), set()).add(entry.id)
    mistakes = []
    for entry in found:
        where = f'{entry.org}: [[{entry.kind}]] "{entry.id}"'
        for kind, name in entry.refers_to():
            ids = known.get((entry.org, kind), set())
            if name not in ids:
                near = difflib.get_close_matches(name, sorted(ids), n=1, cutoff=0.7)
                meant = f'did you mean "{near[0]}"?' if near else "write one"
                mistakes.append(f'{where}: {kind} = "{name}": there is no [[{kind}]] of that id; {meant}')
        if isinstance(entry, Identity) and entry.source is None and entry.id in known.get((entry.org, "user"), ()):
            mistakes.append(f"{where}: this is the id of a user itself; remove one of both")
    return mistakes
