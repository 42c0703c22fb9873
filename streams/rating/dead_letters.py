"""Dead letters of rating: a record that it refused, as the message that says so. Pure."""

from schemas.dead_letters import TOPIC, RefusedRecord
from schemas.dead_letters import dead_letter as letter_of
from schemas.errors import InvalidMessage
from streams.ports import Output, SourceRecord


def dead_letter(record: SourceRecord, refusal: InvalidMessage, *, topic: str, partition: int) -> Output:
    """The message to `usage.dead_letters` for a record that was refused."""
    refused = RefusedRecord(
        topic=topic,
        partition=partition,
        offset=record.offset,
        append_time_us=record.append_time_us,
        key=record.key,
        value=record.value or b"",
        headers=record.headers,
    )
    key, value = letter_of(refused, refusal)
    return Output(topic=TOPIC, value=value, key=key)
