"""Dead letters: records that cannot be counted, with the reason, what to do about it, and their bytes."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta

from schemas.errors import InvalidMessage, Reason
from schemas.signals import DEAD_LETTER_TYPE, CloudSignal, DeadLetter
from schemas.usage import MAX_EVENT_BYTES
from streams.ports import Output, SourceRecord

_MAX_KEY_BYTES = 65_536
_MAX_HEADERS = 64
_MAX_HEADER_CHARS = 1024
_MAX_MESSAGE_CHARS = 2000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

WHAT_TO_DO: dict[Reason, str] = {
    Reason.TOO_LARGE: "send one event per message, and no prompt or completion text",
    Reason.INVALID_UTF8: "encode the message as UTF-8 and send it again",
    Reason.INVALID_JSON: "mend the JSON and send it again",
    Reason.NOT_AN_EVENT: "send CloudEvents 1.0 of type burnline.usage.v1 to this topic, and nothing else",
    Reason.MISSING_FIELD: "add the field and send the event again under the same id",
    Reason.WRONG_TYPE: "correct the field and send the event again under the same id",
    Reason.OUT_OF_RANGE: "correct the field and send the event again under the same id",
    Reason.CONTROL_CHARACTER: "remove the control character and send the event again under the same id",
    Reason.TOKENS_DISAGREE: "send disjoint leaves that add up to the total, again under the same id",
    Reason.IN_THE_FUTURE: "correct the clock of the emitter and send the event again under the same id",
    Reason.CONFLICTING_DUPLICATE: "give each call its own id; a correction of a call needs a higher revision",
    Reason.EVENT_TIME_MOVED: "send the revision with the time of the first; a call keeps its time",
    Reason.COST_TOO_LARGE: "check the counts of tokens; one call cannot cost 1,000,000 USD or more",
    Reason.REVISION_NOT_APPLIED: "nothing: the first revision stays counted until corrections are supported",
    Reason.POISON: "report it with this record; the rest of the partition goes on without it",
}


def dead_letter(record: SourceRecord, refusal: InvalidMessage, *, topic: str, partition: int) -> Output:
    """The message to `usage.dead_letters` for a record that was refused."""
    place = f"{topic}/{partition}/{record.offset}"
    append_time = _EPOCH + timedelta(microseconds=record.append_time_us)
    value = record.value or b""
    letter = DeadLetter(
        dead_letter_id=place,
        topic=topic,
        partition=partition,
        offset=record.offset,
        append_time=append_time,
        reason=refusal.reason,
        path=_clean(refusal.path)[:_MAX_HEADER_CHARS],
        message=f"{_clean(refusal.message)[:_MAX_MESSAGE_CHARS]}; what to do: {WHAT_TO_DO[refusal.reason]}",
        key_base64=None if record.key is None else b64encode(record.key[:_MAX_KEY_BYTES]).decode(),
        value_base64=b64encode(value[:MAX_EVENT_BYTES]).decode(),
        value_bytes=len(value),
        headers={
            _clean(name)[:_MAX_HEADER_CHARS]: (content or b"").decode(errors="replace")[:_MAX_HEADER_CHARS]
            for name, content in list(record.headers)[:_MAX_HEADERS]
        },
    )
    signal = CloudSignal(type=DEAD_LETTER_TYPE, id=place, time=append_time, data=letter)
    return Output(topic="usage.dead_letters", value=signal.model_dump_json().encode(), key=place.encode())


def _clean(text: str) -> str:
    """Text that can be written as UTF-8."""
    return text.encode(errors="replace").decode()
