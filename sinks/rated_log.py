"""The messages of `internal.rated` as they come from Kafka: one by one, all of some spans again, the last group."""

from collections.abc import Sequence

import msgspec

from schemas.errors import CorruptStateError, KafkaUnavailableError
from schemas.internal import batch_from_headers
from sinks.group_log import GROUPS
from sinks.groups import Group, RatedMessage, Span, group_from_bytes
from sinks.log_reader import TIMEOUT_SEC, End, LogReader, Record, Vanished
from sinks.rows import decoded

RATED = "internal.rated"


def rated_message(record: Record) -> RatedMessage:
    """The record, decoded. Raises: CorruptStateError: rating cannot have written it."""
    place = f"{record.topic}/{record.partition}@{record.offset}"
    try:
        header = batch_from_headers(record.headers)
    except (KeyError, msgspec.MsgspecError) as error:
        raise CorruptStateError(f"{place} has no header of a batch") from error
    return RatedMessage(record.partition, record.offset, header, decoded(record.value, place=place))


def read_spans(reader: LogReader, spans: Sequence[Span]) -> list[RatedMessage]:
    """The messages of the spans, by partition and offset.

    Raises: KafkaUnavailableError: begin anew.
            CorruptStateError: retention took some of them.
    """
    messages: list[RatedMessage] = []
    waiting = {span.partition: span.next for span in spans}
    reader.assign({(RATED, span.partition): span.first for span in spans})
    while waiting:
        fact = reader.take(wait_sec=TIMEOUT_SEC)
        if fact is None:
            raise KafkaUnavailableError(f"{RATED}: the last group did not come within {TIMEOUT_SEC:g} s")
        if isinstance(fact, Vanished):
            raise CorruptStateError(f"{RATED}/{fact.partition}: messages of the last group are no longer kept")
        end = waiting.get(fact.partition, 0)
        if isinstance(fact, Record) and fact.offset < end:
            messages.append(rated_message(fact))
        if isinstance(fact, End) or fact.offset + 1 >= end:
            waiting.pop(fact.partition, None)
    return sorted(messages, key=lambda message: (message.partition, message.offset))


def last_group(reader: LogReader) -> Group | None:
    """The group that was recorded last; None where none is kept. Raises: KafkaUnavailableError."""
    low, high = reader.bounds(GROUPS)
    back = 64
    while high > low:
        start = max(low, high - back)
        records = list(reader.read_to_end({GROUPS: start}))
        if records:
            return group_from_bytes(records[-1].value)
        if start == low:
            break
        back *= 8
    return None
