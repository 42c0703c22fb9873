"""Records as events of a contract: structured mode, and binary mode made structured. Pure.

Source: CloudEvents 1.0, Kafka protocol binding.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from schemas.errors import InvalidMessage, Reason
from schemas.usage import MAX_EVENT_BYTES
from schemas.verdicts import Own, verdict

Event = TypeVar("Event", bound=BaseModel)


def decoded(model: type[Event], raw: bytes, headers: Mapping[str, bytes] | None, *, event_type: str, own: Own) -> Event:
    """The event in a record, structured mode, or binary mode where `ce_*` headers are given.

    Raises: InvalidMessage: the record is a dead letter, for its `reason`.
    """
    if len(raw) > MAX_EVENT_BYTES:
        limit = f"the message has {len(raw)} bytes; at most {MAX_EVENT_BYTES} are read"
        raise InvalidMessage(Reason.TOO_LARGE, "", limit)
    if headers and "ce_id" in headers:
        raw = _structured(raw, headers)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise verdict(raw, first, event_type=event_type, own=own) from None


def _structured(raw: bytes, headers: Mapping[str, bytes]) -> bytes:
    try:
        attributes: dict[str, Any] = {
            name[3:]: value.decode() for name, value in headers.items() if name.startswith("ce_")
        }
        return to_json({**attributes, "data": from_json(raw)})
    except UnicodeDecodeError:
        raise InvalidMessage(Reason.INVALID_UTF8, "headers", "a ce_ header is not UTF-8") from None
    except ValueError as error:
        raise InvalidMessage(Reason.INVALID_JSON, "", str(error)) from None
