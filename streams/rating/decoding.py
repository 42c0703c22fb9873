"""Records of `usage.events` as the columns of their events, and the records that are none, each with its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np

from schemas.errors import InvalidMessage, Reason
from schemas.usage_codec import UsageDataStruct, UsageStruct, read, skim, skimmer, with_time
from streams.ports import Headers, SourceRecord
from streams.rating.groups import Ints
from streams.rating.times import plain_times_us

DATA_FIELDS: tuple[str, ...] = UsageDataStruct.__struct_fields__
_DEFAULTS = dict(zip(reversed(DATA_FIELDS), reversed(UsageDataStruct.__struct_defaults__), strict=False))
_REQUIRED = frozenset(name for name in DATA_FIELDS if name not in _DEFAULTS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BINARY = "ce_id"
"""A header that only records in binary mode have."""
Refused = tuple[SourceRecord, InvalidMessage]
Column = tuple[Any, ...]


@dataclass(frozen=True)
class Decoded:
    """What a batch of records says: event i, of time `event_us[i]`, was read from `records[i]`.

    `data` has a column for each field of UsageData that an event says; leaves are not completed yet.
    """

    source: list[str]
    id: list[str]
    data: Mapping[str, Column]
    event_us: Ints
    records: list[SourceRecord]
    refused: list[Refused]


def binary_attributes(headers: Headers) -> dict[str, bytes] | None:
    """The CloudEvents headers of a record in binary mode; None in structured mode."""
    if not _is_binary(headers):
        return None
    return {name: value for name, value in headers if value is not None and name.startswith("ce_")}


def _is_binary(headers: Headers) -> bool:
    return any(name == _BINARY and value is not None for name, value in headers)


class Reader:
    """Reads records; it knows which fields events had so far, so that what it makes of an event is no wider than that.

    What it knows changes the cost, never what is read.
    """

    def __init__(self) -> None:
        self._fields = _REQUIRED

    def read(self, records: Sequence[SourceRecord]) -> Decoded:
        """Each record as an event or as a refusal, in order."""
        raws = [record.value for record in records]
        if _BINARY in {name for record in records for name, _ in record.headers}:
            raws = [None if _is_binary(record.headers) else record.value for record in records]
        events = skimmer(self._fields)(raws)
        for at in [at for at, event in enumerate(events) if event is None]:
            raw = raws[at]
            if raw is not None:
                events[at] = skim(raw)
        event_us, plain = plain_times_us([" " if event is None else str(event.time) for event in events])
        refused: list[Refused] = []
        for at in np.flatnonzero(~plain).tolist():
            try:
                event = events[at] = _read(records[at], events[at])
                event_us[at] = (event.time - _EPOCH) // _MICROSECOND
            except InvalidMessage as refusal:
                events[at] = None
                refused.append((records[at], refusal))
        if not refused:
            return self._decoded(events, event_us, list(records), refused)  # type: ignore[arg-type]  # none is None
        kept = [at for at, event in enumerate(events) if event is not None]
        read_events: list[Any] = [events[at] for at in kept]
        return self._decoded(read_events, event_us[kept], [records[at] for at in kept], refused)

    def _decoded(
        self, events: list[UsageStruct], event_us: Ints, records: list[SourceRecord], refused: list[Refused]
    ) -> Decoded:
        found = decoded_of(events, event_us, records, refused, usual=self._fields)
        self._fields = self._fields.union(found.data)
        return found


def decoded_of(
    events: Sequence[UsageStruct],
    event_us: Ints,
    records: list[SourceRecord],
    refused: Sequence[Refused] = (),
    *,
    usual: frozenset[str] = frozenset(DATA_FIELDS),
) -> Decoded:
    """The columns of these events, each with every field of data, or with the `usual` ones."""
    columns = columns_of([event.data for event in events], usual)
    source, id_ = [event.source for event in events], [event.id for event in events]
    return Decoded(source, id_, columns, event_us, records, list(refused))


def decode_all(records: Sequence[SourceRecord]) -> Decoded:
    """Each record as an event or as a refusal, in order."""
    return Reader().read(records)


def columns_of(data: Sequence[Any], usual: frozenset[str] = frozenset(DATA_FIELDS)) -> dict[str, Column]:
    """The columns of events' data: structs with every field, or with the `usual` ones. A column of nothing is left out.

    Raises: AttributeError: one has neither.
    """
    if not data:
        return {}
    wide = [at for at, one in enumerate(data) if type(one) is UsageDataStruct]
    usual = frozenset(DATA_FIELDS) if len(wide) == len(data) else usual | _REQUIRED
    names = tuple(name for name in DATA_FIELDS if name in usual)
    astuple = msgspec.structs.astuple
    if wide and len(names) < len(DATA_FIELDS):
        of_wide = attrgetter(*names)
        tuples = [of_wide(one) if type(one) is UsageDataStruct else astuple(one) for one in data]
    else:
        tuples = list(map(astuple, data))
    found: dict[str, Column] = dict(zip(names, zip(*tuples, strict=True), strict=True))
    for name in [name for name in DATA_FIELDS if wide and name not in usual]:
        told = {at: getattr(data[at], name) for at in wide}
        found[name] = tuple(told.get(at, _DEFAULTS[name]) for at in range(len(data)))
    # A comparison of tuples stops at the first difference: whether a column says nothing costs nothing where it does.
    nothing = (None,) * len(data)
    return {name: found[name] for name in DATA_FIELDS if name in found and found[name] != nothing}


def _read(record: SourceRecord, skimmed: UsageStruct | None) -> UsageStruct:
    """The event of a record that is not plain. Raises: InvalidMessage: there is none."""
    if record.value is None:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "", "the record has no value (a tombstone)")
    if skimmed is not None:
        try:
            return with_time(skimmed)
        except ValueError:
            pass
    return read(record.value, binary_attributes(record.headers))
