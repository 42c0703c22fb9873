"""What a dialect is: a pure reader of text lines that yields drafts of events, or rows that it skips and why.

Laws
1. Reading never raises for a row. In formats whose every row is a call, each row that is not blank is one Draft or
   one Skipped, in the order of the file. In others (logs, streams, traces) rows that tell of one call are one Draft, a
   row that tells of several is several, and what tells of no call (a prompt, a tool's answer) is passed over.
2. Only a file that cannot be of this format at all raises InputError, before its first row.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec


class Draft(msgspec.Struct, frozen=True):
    """A row that can become an event. `row` is its line number in the file, from 1; `content` is the line itself.

    `source` and `id` are None where the format has no identities: then they are made from content and row.
    `time` is None where the row does not say it: then it is what `--set time=...` says.
    """

    row: int
    content: str
    time: datetime | None
    data: dict[str, Any]
    source: str | None = None
    id: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that is not sent; `reason` is short and countable, `message` says what is wrong with this row."""

    row: int
    reason: str
    message: str
    file: str = ""


Row = Draft | Skipped
Lines = Iterable[str]


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """A format by its name on the command line; `needs` are the fields that it cannot know and `--set` has to give.

    `files` are patterns of the names that count in a folder, at any depth; without them every file directly in it does.
    `topic`: what the rows are: `usage.events`, `usage.charges`, or `usage.outcomes`.
    `beside`: a file whose name ends in the first has one beside it that ends in the second; both are read together, as
    `producers.files` says.
    `thinned`: of formats whose events are drawn, the same format with this share of them.
    `once`: the files hold copies of each other's calls, under the same id; all but the first are skipped.
    """

    name: str
    about: str
    read: Callable[[Lines], Iterator[Row]]
    needs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    once: bool = False
    topic: str = "usage.events"
    beside: tuple[str, str] | None = None
    thinned: "Callable[[float], Dialect] | None" = None
