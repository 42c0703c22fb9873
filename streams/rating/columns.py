"""A batch of events as columns: text as Arrow, numbers as numpy; nothing is looked at row by row."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.aliases import NO_ALIASES, Aliases
from schemas.secrets import pseudonym
from schemas.usage import INPUT_LEAVES, OUTPUT_LEAVES
from schemas.usage_codec import UsageDataStruct
from streams.rating.attribution import LEVELS, NO_DIRECTORY, Directory, Said
from streams.rating.cleaning import without_secrets
from streams.rating.decoding import Decoded
from streams.rating.groups import Codes, Ints, codes_of
from streams.rating.tokens import Tokens, complete_tokens

DATA_FIELDS: tuple[str, ...] = UsageDataStruct.__struct_fields__
_BEFORE = {"sent_credential": "credential", "sent_team": "team", "named_user": "user"}
"""Columns as events sent them, before aliases and directory, by the column that they are where nothing was changed."""


class Columns:
    """The columns of decoded events, leaves completed; rows are in log order."""

    def __init__(self, decoded: Decoded, aliases: Aliases = NO_ALIASES, directory: Directory = NO_DIRECTORY) -> None:
        events, records = decoded.events, decoded.records
        self.rows = len(events)
        self.tuples: list[tuple[Any, ...]] = [msgspec.structs.astuple(event.data) for event in events]
        transposed = zip(*self.tuples, strict=True) if events else ((),) * len(DATA_FIELDS)
        self.data: dict[str, tuple[Any, ...]] = dict(zip(DATA_FIELDS, transposed, strict=True))
        self.data |= {before: self.data[name] for before, name in _BEFORE.items()}
        self.data["credential"] = _without_secrets(self.data["credential"])
        self.data |= without_secrets(self.data)
        self.source = [event.source for event in events]
        self.id = [event.id for event in events]
        self.event_us = decoded.event_us
        if aliases:
            self._rename(aliases)
        if directory.knows_any(self.data["org"]):
            self._attribute(directory)
        self.append_us: Ints = np.array([record.append_time_us for record in records], np.int64)
        self.offset: Ints = np.array([record.offset for record in records], np.int64)
        self._text: dict[str, pa.Array] = {}
        self._codes: dict[str, Codes] = {}
        self._missing: dict[str, bool] = {}

    def _rename(self, aliases: Aliases) -> None:
        """Keys that took over count as the first one; what was sent stands in `asserted`, beside what else does."""
        sent, orgs = self.data["credential"], self.data["org"]
        if aliases.ids.isdisjoint(sent):
            return
        times = self.event_us.tolist()
        first = tuple(
            None if name is None else aliases.first(org=org, credential=name, event_us=at)
            for org, name, at in zip(orgs, sent, times, strict=True)
        )
        self.data["credential"] = first
        self.data["asserted"] = tuple(
            said if old == new else {"credential": old, **(said or {})}
            for said, old, new in zip(self.data["asserted"], sent, first, strict=True)
        )

    def _attribute(self, directory: Directory) -> None:
        """Events are whose the directory says; what they said otherwise stands in `asserted`, beside what else does."""
        found = directory.all_attributed({name: self._said(name) for name in Said._fields}, self.event_us)
        *who, named, claims = zip(*found, strict=True)
        for name, column in zip(("user", "agent", *LEVELS), who, strict=True):
            if column != self.data[name]:  # what is as it was sent stays the same column, and is coded once
                self.data[name] = column
        self.data["named_user"] = self.data["user"] if named == self.data["user"] else named
        if any(claims):
            self.data["asserted"] = tuple(
                {**claim, **(said or {})} if claim else said
                for said, claim in zip(self.data["asserted"], claims, strict=True)
            )

    def _said(self, name: str) -> Sequence[str | None]:
        return self.source if name == "source" else self.data[name]

    def missing(self, name: str) -> bool:
        """Whether no row has this field."""
        if name not in self._missing:
            column = self.data[name]
            # Counting compares, which is slow unless all is None; `any` stops at the first that is something.
            self._missing[name] = not any(column) and column.count(None) == self.rows
        return self._missing[name]

    def text(self, name: str) -> pa.Array:
        """A column of strings."""
        if name not in self._text:
            none = self.missing(name)
            self._text[name] = pa.nulls(self.rows, pa.string()) if none else pa.array(self.data[name], pa.string())
        return self._text[name]

    def codes(self, name: str) -> Codes:
        """A column of strings as codes; those as they were sent are `sent_credential`, `sent_team`, `named_user`."""
        now = _BEFORE.get(name)
        if now is not None and self.data[name] is self.data[now]:
            return self.codes(now)
        if name not in self._codes:
            none = self.missing(name)
            self._codes[name] = Codes(np.full(self.rows, -1, np.int64), []) if none else codes_of(self.text(name))
        return self._codes[name]

    def numbers(self, name: str) -> Ints:
        """A column of whole numbers, -1 where missing; no field of an event can be negative."""
        if self.missing(name):
            return np.full(self.rows, -1, np.int64)
        column = pa.array(self.data[name], pa.int64())
        filled = column.fill_null(-1) if column.null_count else column
        numbers: Ints = filled.to_numpy(zero_copy_only=False)
        return numbers

    def equal(self, name: str, value: str) -> npt.NDArray[np.bool_]:
        """Which rows have this very string."""
        codes = self.codes(name)
        equal: npt.NDArray[np.bool_] = codes.codes == (codes.values.index(value) if value in codes.values else -2)
        return equal

    def true(self, name: str) -> npt.NDArray[np.bool_]:
        """Which rows say yes."""
        if self.missing(name):
            return np.zeros(self.rows, np.bool_)
        return np.array([said is True for said in self.data[name]], np.bool_)

    @cached_property
    def input(self) -> Tokens:
        """The input side."""
        return complete_tokens(self.numbers("input_tokens"), [self.numbers(name) for name in INPUT_LEAVES])

    @cached_property
    def output(self) -> Tokens:
        """The output side."""
        return complete_tokens(self.numbers("output_tokens"), [self.numbers(name) for name in OUTPUT_LEAVES])


def _without_secrets(credentials: tuple[str | None, ...]) -> tuple[str | None, ...]:
    """The ids of keys; a key itself, sent as its own id, gets a name that does not give it away."""
    named = {one: pseudonym(one) for one in set(credentials) if one is not None}
    if all(one == name for one, name in named.items()):
        return credentials
    return tuple(None if one is None else named[one] for one in credentials)
