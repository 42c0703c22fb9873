"""Keys that took over from other keys, as policies: a rotated key goes on under its first id.

Laws
1. An event under the key that an alias `becomes`, at or after `valid_from`, counts as that of `credential`, and so on
   back to the first key; so budgets, baselines and peers see one key without end. They name the first id.
2. A key takes over from one key; several may take over from the same.
3. Chains have an end: rating stops where it has been before, and `burnline apply` refuses what leads there.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.secrets import holds_secret
from schemas.usage import Name

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Alias(BaseModel):
    """The key `credential` becomes the key `becomes`: what comes under the new id counts as the old one's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["alias"] = "alias"
    org: Name
    credential: Name = Field(description="the id of the key that was in use, never the key itself")
    becomes: Name = Field(description="the id of the key that took over")
    valid_from: datetime | None = Field(None, description="event time from which on the new id is the old one's")

    @property
    def id(self) -> str:
        """What a later alias must share with this one to replace it: a new key takes over from one key."""
        return self.becomes

    @field_validator("valid_from", mode="before")
    @classmethod
    def _midnight(cls, value: Any) -> Any:  # noqa: ANN401  anything may stand in a file
        """A date is its midnight UTC."""
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime.combine(value, time(), UTC)
        return value

    @field_validator("valid_from")
    @classmethod
    def _with_offset(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("say the offset: 2026-01-01T09:00:00+01:00")
        return value

    @model_validator(mode="after")
    def _two_ids(self) -> Self:
        if self.credential == self.becomes:
            raise ValueError("credential and becomes are the same key")
        for said in (self.credential, self.becomes):
            if holds_secret(said.encode()):
                raise ValueError("write the ids of the keys, not the keys themselves: burnline key-id")
        return self

    def since_us(self) -> int | None:
        """`valid_from` in microseconds since 1970; None for always."""
        return None if self.valid_from is None else int((self.valid_from - _EPOCH).total_seconds() * 1_000_000)


class Aliases:
    """The aliases in force at one policy offset."""

    def __init__(self, policies: Iterable[object] = ()) -> None:
        found = [one for one in policies if isinstance(one, Alias)]
        self._before = {(one.org, one.becomes): (one.credential, one.since_us()) for one in found}

        self.ids = frozenset(one.becomes for one in found)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._before)

    def first(self, *, org: str, credential: str, event_us: int) -> str:
        """The id under which an event of this key counts."""
        seen = {credential}
        while (before := self._before.get((org, credential))) is not None:
            older, since_us = before
            if older in seen or (since_us is not None and event_us < since_us):
                break
            seen.add(older)
            credential = older
        return credential

    def rings(self) -> list[tuple[str, str]]:
        """Keys (org, id) that took over from themselves in the end."""
        found = []
        for org, credential in self._before:
            at, steps = credential, 0
            while (before := self._before.get((org, at))) is not None and steps <= len(self._before):
                at, steps = before[0], steps + 1
                if at == credential:
                    found.append((org, credential))
                    break
        return sorted(found)


NO_ALIASES = Aliases()
