"""What the contract holds against a message, as one of our reasons; the same for every type of event. Pure."""

from collections.abc import Callable

from pydantic_core import ErrorDetails

from schemas.errors import InvalidMessage, Reason

_OUT_OF_RANGE = {
    "greater_than_equal", "less_than_equal", "string_too_short", "string_too_long", "too_long", "finite_number",
    "int_parsing_size", "too_early", "unknown_zone", "no_period", "no_time", "wrong_sign",
}  # fmt: skip

Own = Callable[[str, str, str], InvalidMessage | None]
"""What a type of event says itself of an error: kind, path and text of pydantic; None: as all say it."""


def verdict(raw: bytes, error: ErrorDetails, *, event_type: str, own: Own) -> InvalidMessage:
    """pydantic's first error on the message `raw` as one of our reasons."""
    path, kind, said = ".".join(str(part) for part in error["loc"]), error["type"], error["msg"]
    if kind == "json_invalid":
        try:
            raw.decode()
        except UnicodeDecodeError as bad:
            return InvalidMessage(Reason.INVALID_UTF8, "", f"not UTF-8 at byte {bad.start}")
        return InvalidMessage(Reason.INVALID_JSON, "", said)
    if kind == "missing":
        return InvalidMessage(Reason.MISSING_FIELD, path, f"{path} is required")
    if (known := own(kind, path, said)) is not None:
        return known
    if kind in _OUT_OF_RANGE:
        return InvalidMessage(Reason.OUT_OF_RANGE, path, f"{path}: {said}")
    if kind == "string_pattern_mismatch":
        return InvalidMessage(Reason.CONTROL_CHARACTER, path, f"{path} has a control character; names are plain text")
    if path in {"", "type", "specversion"}:
        return InvalidMessage(Reason.NOT_AN_EVENT, path, f"not a CloudEvent of type {event_type}: {path} {said}")
    return InvalidMessage(Reason.WRONG_TYPE, path, f"{path}: {said}")
