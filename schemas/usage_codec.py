"""Usage events to and from bytes. The msgspec fast path may only accept; whatever it does not accept, pydantic judges.

Laws
1. `decode` accepts exactly what `UsageEvent` accepts, with the same values: the fast path accepts a subset, with equal
   values, and everything else is decided by pydantic itself, which also gives the reason.
2. What `decode` returns has its leaves completed (law 1 of `schemas/usage.py`), and None where a side is missing.
3. Where msgspec is laxer than pydantic, the fast path steps aside: escapes (they may hide a control character), times
   that are not plain RFC 3339 with at most six decimals (msgspec would round the seventh, pydantic cuts), unknown
   attributes of the envelope that may hold what pydantic refuses: bytes that are no UTF-8, deep nests, huge numbers.

Long because the two paths and the law that binds them are one thought.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, Literal, Never, get_type_hints

import msgspec
from msgspec import Meta
from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError, from_json

from schemas import usage
from schemas.errors import InvalidMessage, Reason
from schemas.usage import (
    EARLIEST,
    INPUT_LEAVES,
    MAX_EVENT_BYTES,
    OUTPUT_LEAVES,
    USAGE_TYPE,
    UsageData,
    UsageEvent,
    complete_side,
)
from schemas.verdicts import verdict

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
    if name == "void":
        return None  # whoever says it is judged by the contract
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
    # No reference cycle is possible, so the garbage collector need not look at them.
    return msgspec.defstruct(
        "UsageDataStruct", required + optional, forbid_unknown_fields=True, omit_defaults=True, gc=False
    )


UsageDataStruct: Any = _data_struct()


class UsageStruct(msgspec.Struct, omit_defaults=True, gc=False):
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


class _Lenient(UsageStruct):
    """The same on the wire, `time` still text; unknown attributes are skipped unread."""

    time: str  # type: ignore[assignment]  # becomes the datetime that the base class promises


class _Strict(_Lenient, forbid_unknown_fields=True):
    """The same; unknown attributes are left to pydantic."""


_decode_lenient: Callable[[bytes], UsageStruct] = msgspec.json.Decoder(_Lenient).decode
_decode_strict: Callable[[bytes], UsageStruct] = msgspec.json.Decoder(_Strict).decode
_decode_data: Callable[[bytes], Any] = msgspec.json.Decoder(UsageDataStruct).decode
encode: Callable[[UsageStruct], bytes] = msgspec.json.Encoder().encode

_PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII).fullmatch
_NOT_FAST = (msgspec.MsgspecError, UnicodeDecodeError, PydanticCustomError, OverflowError, ValueError, RecursionError)
_REQUIRED = len(UsageStruct.__struct_fields__) - len(UsageStruct.__struct_defaults__)
_SAFE_DEPTH = 100
_SAFE_BYTES = 4096
"""pydantic refuses more than 200 levels, and numbers of more than 4300 digits."""


def decode(raw: bytes, headers: Mapping[str, bytes] | None = None) -> UsageStruct:
    """The event in a record of `usage.events`, structured mode, or binary mode where `ce_*` headers are given.

    Raises: InvalidMessage: the record is a dead letter, for its `reason`.
    """
    event = read(raw, headers)
    try:
        complete(event.data)
    except PydanticCustomError:
        refuse(raw, headers)
    return event


def read(raw: bytes, headers: Mapping[str, bytes] | None = None) -> UsageStruct:
    """`decode` without law 2: the leaves are as they were sent, and totals and leaves may still disagree.

    Raises: InvalidMessage: the record is a dead letter, for its `reason`.
    """
    if len(raw) > MAX_EVENT_BYTES:
        limit = f"the message has {len(raw)} bytes; at most {MAX_EVENT_BYTES} are read"
        raise InvalidMessage(Reason.TOO_LARGE, "", limit)
    if headers and "ce_id" in headers:
        return _read_binary(raw, headers)
    if b"\\" not in raw:
        try:
            return with_time(_decode_strict(raw))
        except _NOT_FAST:
            pass
        # Unknown attributes of the envelope, most often; msgspec skips them unread, which is safe in what is short.
        if raw.isascii() and len(raw) <= _SAFE_BYTES and raw.count(b"{") + raw.count(b"[") <= _SAFE_DEPTH:
            try:
                return with_time(_decode_lenient(raw))
            except _NOT_FAST:
                pass
    return _read_by_contract(raw)


def skim(raw: bytes) -> UsageStruct | None:
    """The event in a structured record as the fast path takes it, `time` still text; None where `read` must look.

    For readers of many events, who judge all times at once: what they find plain they read as `with_time` does.
    """
    if len(raw) > MAX_EVENT_BYTES or b"\\" in raw:
        return None
    try:
        return _decode_strict(raw)
    except _NOT_FAST:
        return None


Skim = Callable[[Sequence[bytes | None]], list[UsageStruct | None]]


@lru_cache(maxsize=256)
def skimmer(fields: frozenset[str]) -> Skim:
    """`skim` for many values at once, of events with no fields of data but these: None where `skim` must look.

    `data` of what it gives has these fields alone, in the contract's order: a struct that is narrower costs less, to
    make and to take apart.
    """
    narrow = [field for field in msgspec.structs.fields(UsageDataStruct) if field.required or field.name in fields]
    told = [(field.name, field.type) if field.required else (field.name, field.type, field.default) for field in narrow]
    data = msgspec.defstruct("NarrowDataStruct", told, forbid_unknown_fields=True, gc=False)
    hints = get_type_hints(_Strict, include_extras=True)
    head = [(name, data if name == "data" else hints[name]) for name in UsageStruct.__struct_fields__[:_REQUIRED]]
    rest = [(name, hints[name], None) for name in UsageStruct.__struct_fields__[_REQUIRED:]]
    event = msgspec.defstruct("NarrowStruct", [*head, *rest], forbid_unknown_fields=True, gc=False)
    read_one: Callable[[bytes], Any] = msgspec.json.Decoder(event).decode

    def skim_all(raws: Sequence[bytes | None]) -> list[UsageStruct | None]:
        found: list[UsageStruct | None] = []
        for raw in raws:
            if raw is None or len(raw) > MAX_EVENT_BYTES or b"\\" in raw:
                found.append(None)
                continue
            try:
                found.append(read_one(raw))
            except _NOT_FAST:
                found.append(None)
        return found

    return skim_all


def refuse(raw: bytes, headers: Mapping[str, bytes] | None = None) -> Never:
    """Never returns: for an event that `read` gave and whose leaves disagree, what pydantic says.

    Raises: InvalidMessage: always.
    """
    structured = _structured(raw, headers) if headers and "ce_id" in headers else raw
    _read_by_contract(structured)
    raise InvalidMessage(Reason.TOKENS_DISAGREE, "data", "leaves and totals of tokens do not agree")


def with_time(event: UsageStruct) -> UsageStruct:
    """The event with `time` as it is counted, from its text. Raises: ValueError: `read` decides."""
    text: Any = event.time
    if not _PLAIN_TIME(text):
        raise ValueError(text)
    event.time = datetime.fromisoformat(text)
    if event.time < EARLIEST:
        raise ValueError(text)
    return event


_input_of: Callable[[Any], tuple[int | None, ...]] = attrgetter(*INPUT_LEAVES)
_output_of: Callable[[Any], tuple[int | None, ...]] = attrgetter(*OUTPUT_LEAVES)


def complete(data: Any) -> None:  # noqa: ANN401  the struct has no static type
    """`data` has its leaves and totals as they are counted, or None where a side is missing.

    Raises: PydanticCustomError: leaves and total do not agree.
    """
    _complete_side(data, "input_tokens", INPUT_LEAVES, _input_of(data))
    _complete_side(data, "output_tokens", OUTPUT_LEAVES, _output_of(data))


def _complete_side(
    data: Any,  # noqa: ANN401  the struct has no static type
    total_name: str,
    names: tuple[str, ...],
    leaves: tuple[int | None, ...],
) -> None:
    """`complete_side` without its cost in the ordinary cases."""
    total = getattr(data, total_name)
    known = sum(filter(None, leaves))
    if total is None:
        if leaves.count(None) == len(leaves):
            return
        total = known
        setattr(data, total_name, total)
    if leaves[0] is None and total >= known:
        setattr(data, names[0], total - known)
    elif total != known:
        complete_side(data, total_name, names)
    for name, leaf in zip(names[1:], leaves[1:], strict=True):
        if leaf is None:
            setattr(data, name, 0)


def _read_by_contract(raw: bytes) -> UsageStruct:
    try:
        model = UsageEvent.model_validate_json(raw)
    except ValidationError as error:
        raise _verdict(raw, error.errors(include_url=False, include_input=False)[0]) from None
    return UsageStruct(**{**model.__dict__, "data": UsageDataStruct(**model.data.model_dump())})


def _read_binary(raw: bytes, headers: Mapping[str, bytes]) -> UsageStruct:
    """The event whose attributes are `ce_*` headers and whose data is the value."""
    if b"\\" not in raw:
        try:
            attributes = {name[3:]: value.decode() for name, value in headers.items() if name.startswith("ce_")}
            return with_time(msgspec.convert({**attributes, "data": _decode_data(raw)}, _Lenient))
        except _NOT_FAST:
            pass
    return _read_by_contract(_structured(raw, headers))


def _structured(raw: bytes, headers: Mapping[str, bytes]) -> bytes:
    """A binary-mode CloudEvent as a structured one; a value that is no JSON of its own stays as it is."""
    try:
        attributes = {name[3:]: value.decode() for name, value in headers.items() if name.startswith("ce_")}
    except UnicodeDecodeError:
        raise InvalidMessage(Reason.INVALID_UTF8, "headers", "a ce_ header is not UTF-8") from None
    try:
        from_json(raw)  # on its own: a value that is JSON only inside our braces is none
    except ValueError:
        return raw
    attributes.pop("data", None)
    return b'%s,"data":%s}' % (msgspec.json.encode(attributes)[:-1], raw)


def _verdict(raw: bytes, error: ErrorDetails) -> InvalidMessage:
    """pydantic's first error as one of our reasons."""
    return verdict(raw, error, event_type=USAGE_TYPE, own=_own_verdict)


def _own_verdict(kind: str, path: str, said: str) -> InvalidMessage | None:
    """What is said of usage alone."""
    if kind == "tokens_disagree":
        return InvalidMessage(Reason.TOKENS_DISAGREE, path, said)
    if kind == "void_of_nothing":
        return InvalidMessage(Reason.OUT_OF_RANGE, "data.revision", said)
    if path == "data.reported_cost_usd":
        return InvalidMessage(Reason.OUT_OF_RANGE, path, f"{path}: {said}")
    return None
