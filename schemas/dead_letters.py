"""Dead letters: records that cannot be counted, with the reason, what to do about it, and their bytes. Pure.

Law: neither the bytes nor anything said about them holds a prompt, a completion or a secret (`schemas/redaction.py`).
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.charges import ChargeData
from schemas.errors import InvalidMessage, Reason
from schemas.outcomes import OutcomeData
from schemas.redaction import USAGE_FIELDS, like_a_name, placeholder, redacted
from schemas.secrets import named_without_secrets
from schemas.signals import DEAD_LETTER_TYPE, CloudSignal, DeadLetter
from schemas.usage import UsageEvent

TOPIC = "usage.dead_letters"
Headers = Sequence[tuple[str, bytes | None]]
_MAX_KEY_BYTES = 256
_DEEPEST = 4
_MAX_HEADERS = 64
_MAX_HEADER_CHARS = 1024
_KEPT_HEADERS = frozenset({"content-type", *(f"ce_{name}" for name in UsageEvent.model_fields)})
_MAX_MESSAGE_CHARS = 2000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = {
    "usage.charges": frozenset(ChargeData.model_fields),
    "usage.outcomes": frozenset(OutcomeData.model_fields),
}
"""What the contract of a topic knows, where it is not that of usage events."""
_REPLAYED = re.compile(rb'"source"\s*:\s*"replay/([a-z0-9\-]{1,32})"')

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
    Reason.POISON: "report it with this record; the rest of the partition goes on without it",
}

_OF_TOPIC: dict[str, dict[Reason, str]] = {
    f"usage.{kind}s": {
        Reason.NOT_AN_EVENT: f"send CloudEvents 1.0 of type burnline.{kind}.v1 to this topic, and nothing else",
        Reason.CONFLICTING_DUPLICATE: f"give each {kind} its own id; a correction of one needs a higher revision",
    }
    for kind in ("charge", "outcome")
}
"""Where other topics differ from usage events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRecord:
    """A record as it was read, and where; `topic` without prefix, `append_time_us` is the broker's."""

    topic: str
    partition: int
    offset: int
    append_time_us: int
    key: bytes | None
    value: bytes
    headers: Headers


def dead_letter(record: RefusedRecord, refusal: InvalidMessage) -> tuple[bytes, bytes]:
    """Key and value of the message to `usage.dead_letters` for a record that was refused."""
    place = f"{record.topic}/{record.partition}/{record.offset}"
    append_time = _EPOCH + timedelta(microseconds=record.append_time_us)
    value = record.value
    fields = _FIELDS.get(record.topic, USAGE_FIELDS)
    kept = redacted(value, data_only=any(name == "ce_id" for name, _ in record.headers), fields=fields)
    path = _clean_path(refusal.path)
    said = refusal.message.replace(refusal.path, path) if refusal.path else refusal.message
    to_do = (WHAT_TO_DO | _OF_TOPIC.get(record.topic, {}))[refusal.reason]
    letter = DeadLetter(
        dead_letter_id=place,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        append_time=append_time,
        reason=refusal.reason,
        path=path,
        message=f"{named_without_secrets(said)[:_MAX_MESSAGE_CHARS]}; what to do: {to_do}",
        key_base64=_clean_key(record.key),
        value_base64=b64encode(kept.value).decode(),
        value_bytes=len(value),
        headers=_clean_headers(record.headers),
        dialect=_dialect(kept.value),
        redacted_values=kept.values,
        cut=kept.cut,
    )
    signal = CloudSignal(type=DEAD_LETTER_TYPE, id=place, time=append_time, data=letter)
    return place.encode(), signal.model_dump_json().encode()


def _dialect(value: bytes) -> str:
    """What the record was before it became an event; replays say it in `source`."""
    replayed = _REPLAYED.search(value)
    return replayed[1].decode() if replayed else "burnline"


def _clean_path(path: str) -> str:
    """The path of a field; of names that the sender chose (tags, unknown fields) only those that look like names."""
    if not path:
        return ""
    parts = path.split(".")
    clean = [part if part == "[key]" or part.isdecimal() or like_a_name(part) else "[redacted]" for part in parts]
    return named_without_secrets(".".join(clean))[:_MAX_HEADER_CHARS] if len(parts) <= _DEEPEST else "[redacted]"


def _clean_key(key: bytes | None) -> str | None:
    """The record's key, unless it looks like a secret or is too long for a name."""
    if key is None or len(key) > _MAX_KEY_BYTES or named_without_secrets(_decoded(key)) != _decoded(key):
        return None
    return b64encode(key).decode()


def _decoded(key: bytes) -> str:
    return key.decode(errors="replace")


def _clean_headers(headers: Headers) -> dict[str, str]:
    """Attributes of the event as they were sent; of any other header only its name and how long it was."""
    kept: dict[str, str] = {}
    for name, content in list(headers)[:_MAX_HEADERS]:
        value = content or b""
        known = name in _KEPT_HEADERS and len(value) <= _MAX_HEADER_CHARS
        clean = name if like_a_name(name) and named_without_secrets(name) == name else "[redacted]"
        kept[clean] = named_without_secrets(_decoded(value)) if known else placeholder(len(value))
    return kept
