"""Groups: which messages of `internal.rated` one insert stores, and under which tokens.

Laws
1. The spans of successive groups meet without gap or overlap in each partition, whatever the order of arrival.
2. Every message lies in exactly one group; a span may reach past its last message, over the markers of transactions.
3. A group's name tells its content: spans and topic id are part of it, so a token never means two things.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec
import pyarrow as pa

from schemas.errors import CorruptStateError
from schemas.internal import BatchHeaders
from schemas.requests import Correction


@dataclass(frozen=True, slots=True)
class RatedMessage:
    """One message of `internal.rated`, decoded."""

    partition: int
    offset: int
    header: BatchHeaders
    rows: pa.RecordBatch


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """The offsets [first, next) of one partition of `internal.rated`."""

    partition: int
    first: int
    next: int


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one message that are not stored, since the ledger has their event already."""

    partition: int
    offset: int
    indexes: tuple[int, ...]


def left_out_of(places: Iterable[tuple[int, int, int]]) -> list[LeftOut]:
    """The places (partition, offset, index) by message, in order."""
    found: dict[tuple[int, int], list[int]] = {}
    for partition, offset, index in sorted(places):
        found.setdefault((partition, offset), []).append(index)
    return [LeftOut(partition=at[0], offset=at[1], indexes=tuple(indexes)) for at, indexes in found.items()]


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a correction: an import's rows behind `after`, up to and with `upto`; or those of record `offset`."""

    request: Correction
    after: tuple[int, str, str] | None = None
    upto: tuple[int, str, str] | None = None
    offset: int = -1


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded in `internal.groups` before it is inserted, as JSON."""

    group_id: str
    epoch: int  # which life of the sink made it
    attempt: int = 0  # how often a later life repeated it
    topic_id: str
    spans: tuple[Span, ...]
    rows: int  # in the messages of the spans
    left_out: tuple[LeftOut, ...] = ()
    tokens: tuple[str, ...]  # one for each insert
    correction: Slice | None = None  # it is no group of messages, but this


def group_bytes(group: Group) -> bytes:
    """Its JSON."""
    return msgspec.json.encode(group)


def group_from_bytes(raw: bytes) -> Group:
    """The group of a record. Raises: CorruptStateError: it is none."""
    try:
        return msgspec.json.decode(raw, type=Group)
    except msgspec.MsgspecError as error:
        raise CorruptStateError(f"a record of internal.groups is not a group: {error}") from error


def group_name(*, epoch: int, number: int, topic_id: str, spans: Sequence[Span]) -> str:
    """A name that no other content has: the life and number for people, a hash of topic and spans for certainty."""
    content = f"{topic_id}|" + "|".join(f"{span.partition}:{span.first}-{span.next}" for span in spans)
    return f"{epoch}.{number}-{blake2b(content.encode(), digest_size=8).hexdigest()}"


def part_tokens(group_id: str, parts: int) -> tuple[str, ...]:
    """The deduplication token of each insert of a group."""
    return tuple(f"{group_id}/{part}" for part in range(parts))


def heal_token(token: str, *, attempt: int, heal: int) -> str:
    """The token of an insert that is repeated although the engine says that it knows it."""
    return f"{token}#heal-{attempt}.{heal}"


def covered(group: Group, next_offsets: Mapping[int, int]) -> bool:
    """Whether progress says that all of the group is stored."""
    return all(next_offsets.get(span.partition, 0) >= span.next for span in group.spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a group is closed: at so many rows or Arrow bytes, or when its oldest message has waited so long."""

    rows: int
    nbytes: int
    wait_us: int


@dataclass(frozen=True, slots=True)
class Gathered:
    """The messages and spans of one closed group; without messages, only progress moves."""

    spans: tuple[Span, ...]
    messages: tuple[RatedMessage, ...]

    def rows(self) -> int:
        """How many events are in the messages."""
        return sum(message.rows.num_rows for message in self.messages)


class Gatherer:
    """Gathers messages into groups; `next_offsets` is where each partition's first group begins."""

    def __init__(self, next_offsets: Mapping[int, int], limits: Limits) -> None:
        self._limits = limits
        self._begin = dict(next_offsets)
        self._end = dict(next_offsets)
        self._messages: list[RatedMessage] = []
        self._rows = 0
        self._nbytes = 0
        self._oldest_us = 0

    def add(self, message: RatedMessage, *, now_us: int) -> None:
        """The message is in the open group. Raises: CorruptStateError: its offset came before."""
        if message.offset < self._end[message.partition]:
            raise CorruptStateError(
                f"internal.rated/{message.partition}: offset {message.offset} came after {self._end[message.partition]}"
            )
        if not self._messages:
            self._oldest_us = now_us
        self._messages.append(message)
        self._rows += message.rows.num_rows
        self._nbytes += message.rows.nbytes
        self._end[message.partition] = message.offset + 1

    def reach(self, partition: int, offset: int) -> None:
        """Nothing stands between the last message and this offset, which is the end of the partition for now."""
        self._end[partition] = max(self._end[partition], offset)

    def full(self) -> bool:
        """Whether the open group takes no more."""
        return self._rows >= self._limits.rows or self._nbytes >= self._limits.nbytes

    def due(self, *, now_us: int) -> bool:
        """Whether the open group is to be stored now."""
        return bool(self._messages) and (self.full() or now_us - self._oldest_us >= self._limits.wait_us)

    def waiting(self) -> bool:
        """Whether the open group has messages."""
        return bool(self._messages)

    def position(self, partition: int) -> int:
        """Where the open group ends in a partition."""
        return self._end[partition]

    def moved(self) -> bool:
        """Whether the ends moved since the last group was closed."""
        return self._end != self._begin

    def close(self) -> Gathered:
        """The open group, and a new one begins where it ends; messages by partition and offset."""
        spans = tuple(
            Span(partition=partition, first=self._begin[partition], next=self._end[partition])
            for partition in sorted(self._end)
            if self._end[partition] > self._begin[partition]
        )
        messages = tuple(sorted(self._messages, key=lambda message: (message.partition, message.offset)))
        self._begin = dict(self._end)
        self._messages = []
        self._rows = self._nbytes = 0
        return Gathered(spans, messages)
