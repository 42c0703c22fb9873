"""The codec accepts and refuses exactly what the pydantic contract does, with the same values and reasons.

Long because the generators of near-valid events and the one law they serve belong together.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import usage_codec
from schemas.errors import InvalidMessage
from schemas.usage import LEAVES, MAX_TOKENS, UsageData, UsageEvent, complete_side
from schemas.usage_codec import decode
from tests.laws.rating_events import event, raw, usage_events

SIDES = (("input_tokens", LEAVES[:9]), ("output_tokens", LEAVES[9:]))

TIMES = [
    "2026-11-22T09:15:03Z", "2026-11-22T09:15:03.1Z", "2026-11-22T09:15:03.123456Z", "2026-11-22T09:15:03.1234567Z",
    "2026-11-22T09:15:03.9999995Z", "2026-11-22T09:15:03.999999999Z", "2026-11-22T09:15:03", "2026-11-22 09:15:03Z",
    "2026-11-22t09:15:03z", "2026-11-22T09:15:60Z", "2026-11-22T24:00:00Z", "2026-11-22T09:15:03+05:30",
    "2026-11-22T09:15:03.5-00:00", "2026-11-22T09:15:03+24:00", "2026-11-22T09:15:03+0530", "2026-11-22T09:15Z",
    "2026-11-22T09:15:03,5Z", "2026-11-22T09:15:03.Z", "20261122T091503Z", "2026-W47-7T09:15:03Z",
    "2026-02-29T00:00:00Z",
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+05:30", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-05:00",
    "1999-12-31T23:59:59.999999Z", "2000-01-01T00:00:00Z", "2000-01-01T00:00:00+00:01", "2026-11-22", "", "now",
    "1795338903", "\uff12026-11-22T09:15:03Z", "2026-11-22T09:15:03Z\\n",
    "-2026-11-22T09:15:03Z", "2026-11-22T09:15:03+5:30",
]  # fmt: skip
FRAGMENTS = [
    "1.0", "1e3", "1E400", "-1", "-0", "0", "true", "false", "null", '"7"', '""', '" "', "[]", "{}", "[1]", '{"a": 1}',
    "1000000000000", "1000000000001", "2147483647", "2147483648", "9223372036854775808", "1" * 400, "1" * 5000,
    "0.1", "1e15", "1000000000000001", "5e-324", "NaN", "Infinity", "-Infinity", "01", "1.", "+1", "599", "600", "99",
    '"ok"', '"reported"', '"authenticated"', '"1.0"', '"2.0"', '"burnline.usage.v1"', '"0.000000000001"', '"1000000"',
    '"1e3"', '"1.1234567890123"', '"a\\u0000b"', '"a\\u001fb"', '"a\\nb"', '"\\ud83d\\udd25"', '"\\ud83d"', '"a/b"',
    '"a\\/b"', '"\u202eabc"', '"é"', '"\x7f"', json.dumps("x" * 256), json.dumps("x" * 257), json.dumps("x" * 1025),
    '"' + "🔥" * 256 + '"', '"' + "🔥" * 257 + '"', '{"a": "b", "a": "c"}', '{"": "x"}', '{"a": "x\\u0001"}',
    '{"a": 5, "b": 1e3, "c": 1e15}', '{"a": -1}', '{"a": "5"}', '{"a": NaN}', '{"a": 1e16}', '{"a": -0.0}',
    "{" + ", ".join(f'"k{i}": "v"' for i in range(65)) + "}", "[" * 150 + "]" * 150, "[" * 250 + "]" * 250,
    *map(json.dumps, TIMES),
]  # fmt: skip
FIELDS = [*UsageData.model_fields, "x_new", "new field", "новое", "a\\u0000b", "z" * 300]
ATTRIBUTES = [
    "specversion",
    "type",
    "source",
    "id",
    "time",
    "subject",
    "partitionkey",
    "data",
    "traceparent",
    "dataschema",
]
GARBAGE = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b'{"a":',
    b"NaN",
    b"\x00",
    b'"x"',
    b"[" * 100_000,
]


def verdict_of_contract(value: bytes) -> UsageEvent | tuple[Any, ...]:
    """What pydantic says: the event, or the place and kind of its first error."""
    try:
        return UsageEvent.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return (".".join(map(str, first["loc"])), first["type"])


def verdict_of_codec(value: bytes) -> usage_codec.UsageStruct | InvalidMessage:
    """What the codec says."""
    try:
        return decode(value)
    except InvalidMessage as refusal:
        return refusal


def assert_same(value: bytes) -> None:
    """`decode` and pydantic agree on these bytes."""
    expected = verdict_of_contract(value)
    found = verdict_of_codec(value)
    if isinstance(found, InvalidMessage):
        assert not isinstance(expected, UsageEvent), f"refused for {found.reason}, pydantic accepts: {value!r}"
        judged = usage_codec._verdict(value, _first_error(value))
        assert (judged.reason, judged.path, judged.message) == (found.reason, found.path, found.message)
        return
    assert isinstance(expected, UsageEvent), f"accepted, pydantic says {expected}: {value!r}"
    for name in ("specversion", "type", "source", "id", "time", "subject", "partitionkey", "dataschema"):
        assert getattr(expected, name) == getattr(found, name)
    data = expected.data.model_dump()
    for total, leaves in SIDES:
        counts = complete_side(expected.data, total, leaves)
        if counts is not None:
            data |= {total: sum(counts), **dict(zip(leaves, counts, strict=True))}
    actual = {name: getattr(found.data, name) for name in found.data.__struct_fields__}
    assert data == actual
    assert {name: type(kept) for name, kept in data.items()} == {name: type(kept) for name, kept in actual.items()}


def _first_error(value: bytes) -> Any:
    try:
        UsageEvent.model_validate_json(value)
    except ValidationError as error:
        return error.errors(include_url=False, include_input=False)[0]
    raise AssertionError(value)


def written(an_event: dict[str, Any], *, data: list[tuple[str, str]], attributes: list[tuple[str, str]]) -> str:
    """The event's JSON with members added or replaced by fragments of JSON; a doubled member stands twice."""
    fields = [(key, json.dumps(value, ensure_ascii=False)) for key, value in an_event["data"].items()]
    body = "{" + ", ".join(f'"{key}": {text}' for key, text in [*fields, *data]) + "}"
    envelope = [(key, json.dumps(value)) for key, value in an_event.items() if key != "data"]
    return "{" + ", ".join(f'"{key}":{text}' for key, text in [*envelope, ("data", body), *attributes]) + "}"


fragment = st.sampled_from(FRAGMENTS) | st.integers(-10, MAX_TOKENS + 1).map(str) | st.floats().map(json.dumps)


@settings(max_examples=30, deadline=None)
@given(
    usage_events(),
    st.lists(st.tuples(st.sampled_from(FIELDS), fragment), max_size=3),
    st.lists(st.tuples(st.sampled_from(ATTRIBUTES), fragment), max_size=2),
)
def test_decode_agrees_with_the_contract_near_the_border(
    an_event: dict[str, Any], data: list[tuple[str, str]], attributes: list[tuple[str, str]]
) -> None:
    """Events with some members replaced by odd ones are accepted or refused as pydantic does, for the same reason."""
    assert_same(written(an_event, data=data, attributes=attributes).encode())


@pytest.mark.parametrize("field", FIELDS)
def test_decode_agrees_with_the_contract_on_each_field(field: str) -> None:
    """Each odd fragment in each field is judged as pydantic judges it."""
    for text in FRAGMENTS:
        assert_same(written(event(), data=[(field, text)], attributes=[]).encode())


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_decode_agrees_with_the_contract_on_each_attribute(attribute: str) -> None:
    """Each odd fragment in each attribute of the envelope is judged as pydantic judges it."""
    for text in FRAGMENTS:
        assert_same(written(event(), data=[], attributes=[(attribute, text)]).encode())


@settings(max_examples=30, deadline=None)
@given(usage_events(), st.data())
def test_decode_agrees_with_the_contract_on_damaged_bytes(an_event: dict[str, Any], data: Any) -> None:
    """Bytes cut off, put in, or exchanged anywhere are judged as pydantic judges them."""
    value = bytearray(json.dumps(an_event, ensure_ascii=False).encode())
    at = data.draw(st.integers(0, len(value)))
    change: Callable[[], bytes] = data.draw(
        st.sampled_from(
            [
                lambda: bytes(value[:at]),
                lambda: bytes(value[:at] + data.draw(st.binary(max_size=4)) + value[at:]),
                lambda: bytes(value[:at] + data.draw(st.binary(min_size=1, max_size=2)) + value[at + 1 :]),
                lambda: bytes(value + value[:at]),
                lambda: bytes(b" \n" + value + b"\t"),
            ]
        )
    )
    assert_same(change())


@settings(max_examples=25)
@given(st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_decode_agrees_with_the_contract_on_any_json(text: str) -> None:
    """What is no event at all is refused as pydantic refuses it."""
    assert_same(text.encode(errors="surrogatepass"))


@pytest.mark.parametrize("value", GARBAGE, ids=repr)
def test_garbage_is_refused_with_a_reason(value: bytes) -> None:
    """Nothing that is no event gets through, or out as another error."""
    assert_same(value[:1_000_000])


@pytest.mark.parametrize("attribute", ["z", "\xff", "data2"])
@pytest.mark.parametrize(
    "inside", [b'"\xff"', b"[" * 250 + b"]" * 250, '"é"'.encode(), b'{"\xff":1}', b"1e999", b"tru"]
)
def test_skipped_attributes_are_read_as_carefully_as_known_ones(attribute: str, inside: bytes) -> None:
    """msgspec skips unknown attributes unread; the codec does not rely on it."""
    name = attribute.encode("latin-1")
    assert_same(raw(event())[:-1] + b',"' + name + b'":' + inside + b"}")


@settings(max_examples=30)
@given(usage_events(), st.sampled_from(TIMES))
def test_times_mean_the_same_instant(an_event: dict[str, Any], time: str) -> None:
    """Each spelling of a time is taken with pydantic's value, or refused."""
    assert_same(written({**an_event, "time": "x"}, data=[], attributes=[("time", f'"{time}"')]).encode())


def test_fast_path_takes_an_ordinary_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary event, as our client, Python's json and a gateway with extension attributes write it, is not slow."""

    def slow(_: bytes) -> None:
        raise AssertionError("the slow path was taken")

    monkeypatch.setattr(usage_codec, "_read_by_contract", slow)
    ordinary = event(tags={"größe": "日本"}, units={"web_searches": 2})
    utc = datetime.fromisoformat(ordinary["time"]).isoformat()
    for an_event in (event(), ordinary, {**ordinary, "time": utc}, {**event(), "traceparent": "00-4bf9-01"}):
        assert decode(json.dumps(an_event, ensure_ascii=False).encode()).id == "e-1"
        assert decode(json.dumps(an_event, ensure_ascii=False, separators=(",", ":")).encode()).id == "e-1"


def binary(an_event: dict[str, Any]) -> tuple[bytes, dict[str, bytes]]:
    """The event in binary mode: value and headers."""
    attributes = {f"ce_{name}": value.encode() for name, value in an_event.items() if name != "data"}
    return json.dumps(an_event["data"]).encode(), {**attributes, "content-type": b"application/json"}


@settings(max_examples=25)
@given(usage_events())
def test_binary_mode_means_the_same_as_structured_mode(an_event: dict[str, Any]) -> None:
    """Both content modes of CloudEvents give one event, through the fast path and the slow one."""
    value, headers = binary(an_event)
    expected = msgspec.to_builtins(decode(raw(an_event)))
    assert expected == msgspec.to_builtins(decode(value, headers))
    assert expected == msgspec.to_builtins(decode(value.replace(b'"org"', b'"\\u006frg"'), headers))


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (b'{"org":"a"},"id":"b"', {}, "invalid_json"),
        (b"", {}, "invalid_json"),
        (b"null", {}, "wrong_type"),
        (b"{}", {"ce_source": b"\xff"}, "invalid_utf8"),
        (b"\xff", {}, "invalid_utf8"),
        (b"{}", {"ce_time": b"yesterday"}, "wrong_type"),
        (b"{}", {"ce_type": b"other.v1"}, "not_an_event"),
        (b"{}", {"ce_data": b"{}"}, "missing_field"),
    ],
)
def test_binary_mode_refuses_with_the_same_reasons(value: bytes, headers: dict[str, bytes], reason: str) -> None:
    """A binary-mode record that is no event is a dead letter with its reason; the value cannot forge attributes."""
    with pytest.raises(InvalidMessage) as refusal:
        decode(value, binary(event())[1] | headers)
    assert refusal.value.reason == reason


@settings(max_examples=20)
@given(usage_events())
def test_encode_and_decode_are_inverse(an_event: dict[str, Any]) -> None:
    """What was decoded and encoded decodes to the same event."""
    once = decode(raw(an_event))
    assert msgspec.to_builtins(once) == msgspec.to_builtins(decode(usage_codec.encode(once)))
