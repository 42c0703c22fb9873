"""A batch of events as columns: text as codes, numbers as numpy; nothing is looked at row by row.

A column of text is coded once, when it is made of Python's strings; whatever renames (secrets, keys that took over, the
directory) works on the distinct values, and sums, prices and rows take the codes.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.aliases import NO_ALIASES, Aliases
from schemas.internal import CODED_ROWS
from schemas.usage import INPUT_LEAVES, OUTPUT_LEAVES
from streams.rating.attribution import LEVELS, NO_DIRECTORY, PEOPLE, STRANGER, Directory, Said
from streams.rating.cleaning import clean_agents, clean_credentials, clean_maps
from streams.rating.decoding import Column, Decoded
from streams.rating.groups import Codes, Ints, combine, first_rows, groups_of
from streams.rating.texts import Text, nothing, sorted_codes, spread, text_of, words
from streams.rating.tokens import Tokens, complete_tokens

_SENT = {"sent_credential": "credential", "sent_team": "team", "named_user": "user"}
"""Columns as events sent them, before aliases and directory, by the column that they are where nothing was changed."""


class Columns:
    """The columns of decoded events, leaves completed; rows are in log order.

    `sent` has the columns as Python has them, as they were sent; `data` likewise, maps as they count. Neither has a
    column that no event says.
    """

    def __init__(self, decoded: Decoded, aliases: Aliases = NO_ALIASES, directory: Directory = NO_DIRECTORY) -> None:
        records = decoded.records
        self.rows = len(records)
        self.sent: Mapping[str, Column] = decoded.data
        self.data: dict[str, Column] = {**decoded.data, **clean_maps(decoded.data)}
        self.source, self.id = decoded.source, decoded.id
        self.event_us = decoded.event_us
        self.append_us: Ints = np.fromiter([record.append_time_us for record in records], np.int64, self.rows)
        self.offset: Ints = np.fromiter([record.offset for record in records], np.int64, self.rows)
        self._as_sent: dict[str, Text] = {}
        self._now: dict[str, Text] = {}  # columns of text that are not what was sent
        self._codes: dict[str, Codes] = {}
        self._numbers: dict[str, Ints] = {}
        self._no_numbers: Ints = np.full(self.rows, -1, np.int64)
        self._rename("credential", clean_credentials)
        self._rename("user_agent", clean_agents)
        if aliases and "credential" in self.sent:
            self._take_over(aliases)
        if directory and "org" in self.sent and directory.knows_any(self.codes("org").values):
            self._attribute(directory)

    def _rename(self, name: str, rename: Callable[[list[str]], list[str]]) -> None:
        """A column of text has other names for its values, where it has to."""
        if name in self.sent:
            sent = self.text(name)
            values = sent.names
            now = rename(values)
            if now != values:
                self._set(name, sent.renamed(now))

    def _take_over(self, aliases: Aliases) -> None:
        """Keys that took over count as the first one; what was sent stands in `asserted`, beside what else does."""
        credential = self.text("credential")
        if aliases.ids.isdisjoint(credential.names):
            return
        sent, orgs, times = credential.words(), self.text("org").words(), self.event_us.tolist()
        first = [
            None if name is None or org is None else aliases.first(org=org, credential=name, event_us=at)
            for org, name, at in zip(orgs, sent, times, strict=True)
        ]
        self._set("credential", text_of(first))
        moved = [row for row, (old, new) in enumerate(zip(sent, first, strict=True)) if old != new]
        self._claim(moved, [{"credential": sent[row]} for row in moved])

    def _attribute(self, directory: Directory) -> None:
        """Events are whose the directory says; what they said otherwise stands in `asserted`, beside what else does."""
        told = {name: self.codes(name) for name in Said._fields if name != "source" or directory.by_source}
        told |= {name: _known_apart(told[name], directory.mentioned) for name in PEOPLE}
        # Events that say the same at times between which the directory does not change are one question.
        span = directory.spans(self.event_us)
        keys = ((codes.codes + 1, len(codes.values) + 1) for codes in told.values())
        distinct, group = groups_of(*combine(*keys, (span, int(span.max()) + 1)))
        rows = first_rows(group, len(distinct))
        said = {name: words([*codes.values, None], codes.codes[rows]) for name, codes in told.items()}
        found = directory.all_attributed({"source": [""] * len(rows), **said}, self.event_us[rows])
        *who, named, claims = (list(column) for column in zip(*found, strict=True))
        own = {name: self.text(name) for name in ("user", "agent")}
        if named != said["user"]:
            self._set("named_user", spread(named, group, but=STRANGER, own=own["user"]))
        for name, now in zip(("user", "agent", *LEVELS), who, strict=True):
            if now != said[name]:
                self._set(name, spread(now, group, but=STRANGER, own=own.get(name)))
        disputed = np.flatnonzero(np.array([bool(claim) for claim in claims], np.bool_)[group]).tolist()
        self._claim(disputed, [_by_name(claims[group[row]], own, row) for row in disputed])

    def _set(self, name: str, text: Text) -> None:
        self._now[name] = text
        self._codes.pop(name, None)

    def _claim(self, rows: Sequence[int], claims: Sequence[Mapping[str, str | None]]) -> None:
        """`asserted` of some rows has these words, too; those that stand there already go before."""
        if not rows:
            return
        asserted = list(self.data.get("asserted", (None,) * self.rows))
        for row, claim in zip(rows, claims, strict=True):
            asserted[row] = {**claim, **(asserted[row] or {})}
        self.data["asserted"] = tuple(asserted)

    def missing(self, name: str) -> bool:
        """Whether no row has this field."""
        return name not in self.data and name not in self._now

    def text(self, name: str) -> Text:
        """A column of text as it counts."""
        return self._now[name] if name in self._now else self.text_as_sent(_SENT.get(name, name))

    def text_as_sent(self, name: str) -> Text:
        """A column of text as it was sent."""
        if name not in self._as_sent:
            column = self.source if name == "source" else self.sent.get(name)
            self._as_sent[name] = nothing(self.rows) if column is None else text_of(column)
        return self._as_sent[name]

    def codes(self, name: str) -> Codes:
        """A column of text as codes; those as they were sent are `sent_credential`, `sent_team`, `named_user`."""
        now = _SENT.get(name, name)
        if name != now and name not in self._now and now not in self._now:
            return self.codes(now)
        if name not in self._codes:
            self._codes[name] = sorted_codes(self.text(name))
        return self._codes[name]

    def numbers(self, name: str) -> Ints:
        """A column of whole numbers, -1 where missing; no field of an event can be negative. Not to be written to."""
        if name not in self._numbers:
            column = self.data.get(name)
            self._numbers[name] = self._no_numbers if column is None else _whole(column)
        return self._numbers[name]

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


def _known_apart(codes: Codes, mentioned: frozenset[str]) -> Codes:
    """The column with one word in the place of all that no entry of a directory mentions."""
    known = [value in mentioned for value in codes.values]
    if all(known):
        return codes
    place = np.cumsum([*known, False]) - 1
    strangers = place[-1] + 1
    table = np.where([*known, True], place, strangers)
    table[-1] = -1
    return Codes(table[codes.codes], [*(value for value in codes.values if value in mentioned), STRANGER])


def _by_name(claim: Mapping[str, str], own: Mapping[str, Text], row: int) -> dict[str, str]:
    """The claim of a row, with strangers as it called them."""
    return {name: word if word != STRANGER else own[name].names[own[name].codes[row]] for name, word in claim.items()}


def _whole(column: Column) -> Ints:
    """Whole numbers, -1 where there is none."""
    if len(column) < CODED_ROWS:
        return np.array([-1 if number is None else number for number in column], np.int64)
    whole = pa.array(column, pa.int64())
    numbers: Ints = (whole.fill_null(-1) if whole.null_count else whole).to_numpy(zero_copy_only=False)
    return numbers
