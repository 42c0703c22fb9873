"""Usage events to and from bytes. The msgspec fast path may only accept; whatever it does not accept, pydantic judges.

Laws
1. `decode` accepts exactly what `UsageEvent` accepts, with the same values: the fast path accepts a subset, with equal
   values, and everything else is decided by pydantic itself, which also gives the reason.
2. What `decode` returns has its leaves completed (law 1 of `schemas/usage.py`), and None where a side is missing.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta
from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from schemas import usage
from schemas.errors import InvalidMessage, Reason
from schemas.usage import EARLIEST, INPUT_LEAVES, MAX_EVENT_BYTES, OUTPUT_LEAVES, UsageData, UsageEvent, complete_side

_NAME = Annotated[str, Meta(min_length=1, max_length=256)]
_TEXT = Annotated[str, Meta(max_length=1024)]
_FAST_TYPES: dict[Any, Any] = {
    usage.Name: _NAME,
    usage.Text: _TEXT,
    usage.Tokens: Annotated[int, Meta(ge=0, le=usage.MAX_TOKENS)],
    usage.Count: Annotated[int, Meta(ge=0, le=2**31 - 1)],
    usage.UsdText: Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,12})?$")],
    usage.Strings: Annotated[dict[_NAME, _TEXT], Meta(max_length=64)],
}


def _fast_type(name: str, hint: Any) -> Any:  # noqa: ANN401  a type is a value here
    """The msgspec type that accepts no more than the pydantic field of this hint."""
    for pydantic_type, fast in _FAST_TYPES.items():
        if hint == pydantic_type:
            return fast
        if hint == pydantic_type | None:
            return fast | None
    if name == "units":
        return Annotated[dict[_NAME, Annotated[float, Meta(ge=0, le=1e15)]], Meta(max_length=64)] | None
    if name in {"revision", "attempt"}:
        bounded = Annotated[int, Meta(ge=1, le=2**31 - 1)]
        return bounded if name == "revision" else bounded | None
    if name == "http_status":
        return Annotated[int, Meta(ge=100, le=599)] | None
    return hint


def _data_struct() -> type[msgspec.Struct]:
    hints = get_type_hints(UsageData, include_extras=True)
    required: list[Any] = []
    optional: list[Any] = []
    for name, field in UsageData.model_fields.items():
        fast = _fast_type(name, hints[name])
        if field.is_required():
            required.append((name, fast))
        else:
            optional.append((name, fast, field.default))
    return msgspec.defstruct("UsageDataStruct", required + optional, forbid_unknown_fields=True)


UsageDataStruct: Any = _data_struct()


class UsageStruct(msgspec.Struct):
    """A usage event as rating reads it; `data` has the fields of UsageData, leaves completed."""

    specversion: Literal["1.0"]
    type: Literal["burnline.usage.v1"]
    source: _NAME
    id: _NAME
    time: Annotated[datetime, Meta(tz=True)]
    data: UsageDataStruct
    subject: _TEXT | None = None
    partitionkey: _TEXT | None = None
    datacontenttype: _TEXT | None = None
    dataschema: _TEXT | None = None


_decode_fast: Callable[[bytes], UsageStruct] = msgspec.json.Decoder(UsageStruct).decode
encode: Callable[[UsageStruct], bytes] = msgspec.json.Encoder().encode


def decode(raw: bytes, headers: Mapping[str, bytes] | None = None) -> UsageStruct:
    """The event in a record of `usage.events`, structured mode, or binary mode where `ce_*` headers are given.

    Raises: InvalidMessage: the record is a dead letter, for its `reason`.
    """
    if len(raw) > MAX_EVENT_BYTES:
        limit = f"the message has {len(raw)} bytes; at most {MAX_EVENT_BYTES} are read"
        raise InvalidMessage(Reason.TOO_LARGE, "", limit)
    if headers and "ce_id" in headers:
        raw = _structured(raw, headers)
    # An escape may hide a control character, which only pydantic looks for.
    if b"\\" not in raw:
        try:
            event = _decode_fast(raw)
            if event.time >= EARLIEST:
                _complete(event)
                return event
        except (msgspec.MsgspecError, UnicodeDecodeError, PydanticCustomError, OverflowError):
            pass
    return _decode_by_contract(raw)


def _complete(event: UsageStruct) -> None:
    data = event.data
    for total, leaves in (("input_tokens", INPUT_LEAVES), ("output_tokens", OUTPUT_LEAVES)):
        counts = complete_side(data, total, leaves)
        if counts is not None:
            setattr(data, total, sum(counts))
            for name, count in zip(leaves, counts, strict=True):
                setattr(data, name, count)


def _decode_by_contract(raw: bytes) -> UsageStruct:
    try:
        model = UsageEvent.model_validate_json(raw)
    except ValidationError as error:
        raise _verdict(raw, error.errors(include_url=False, include_input=False)[0]) from None
    event = msgspec.convert(
        {**model.model_dump(exclude={"data"}), "data": model.data.model_dump(exclude_unset=False)}, UsageStruct
    )
    _complete(event)
    return event


def _structured(raw: bytes, headers: Mapping[str, bytes]) -> bytes:
    """A binary-mode CloudEvent as a structured one."""
    try:
        attributes = {name[3:]: value.decode() for name, value in headers.items() if name.startswith("ce_")}
    except UnicodeDecodeError:
        raise InvalidMessage(Reason.INVALID_UTF8, "headers", "a ce_ header is not UTF-8") from None
    return b'%s,"data":%s}' % (msgspec.json.encode(attributes)[:-1], raw)


_OUT_OF_RANGE = {
    "greater_than_equal", "less_than_equal", "string_too_short", "string_too_long", "too_long", "finite_number",
    "int_parsing_size", "too_early",
}  # fmt: skip


def _verdict(raw: bytes, error: ErrorDetails) -> InvalidMessage:
    """pydantic's first error as one of our reasons."""
    path, kind, said = ".".join(str(part) for part in error["loc"]), error["type"], error["msg"]
    if kind == "json_invalid":
        try:
            raw.decode()
        except UnicodeDecodeError as bad:
            return InvalidMessage(Reason.INVALID_UTF8, "", f"not UTF-8 at byte {bad.start}")
        return InvalidMessage(Reason.INVALID_JSON, "", said)
    if kind == "missing":
        return InvalidMessage(Reason.MISSING_FIELD, path, f"{path} is required")
    if kind == "tokens_disagree":
        return InvalidMessage(Reason.TOKENS_DISAGREE, path, said)
    if kind in _OUT_OF_RANGE or path == "data.reported_cost_usd":
        return InvalidMessage(Reason.OUT_OF_RANGE, path, f"{path}: {said}")
    if kind == "string_pattern_mismatch":
        return InvalidMessage(Reason.CONTROL_CHARACTER, path, f"{path} has a control character; names are plain text")
    if path in {"", "type", "specversion"}:
        return InvalidMessage(Reason.NOT_AN_EVENT, path, f"not a CloudEvent of type burnline.usage.v1: {path} {said}")
    return InvalidMessage(Reason.WRONG_TYPE, path, f"{path}: {said}")
