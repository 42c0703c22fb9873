"""A stream passes through the client unharmed, however the network cuts it; what it tells does not depend on it."""

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from burnline_client.requests import asking_for_usage
from burnline_client.stream import StreamReader

_USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
_LAST = b'data: {"id":"c","choices":[],"usage":' + json.dumps(_USAGE).encode() + b"}"
_events = st.lists(
    st.one_of(
        st.builds(lambda text: b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode(), st.text()),
        st.sampled_from([b"data: [DONE]", b": ping", b"event: x\ndata: {}", b"data: {", b"data: \xff", b"id: 1"]),
        st.just(b'data: {"type":"message_delta","usage":{"output_tokens":4}}'),
        st.just(_LAST),
        st.binary(max_size=20).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"")),
    ),
    max_size=8,
)
_ends = st.sampled_from([b"\n\n", b"\r\n\r\n"])


def _cut(raw: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    return [raw[start:end] for start, end in pairwise(marks)]


@settings(max_examples=100)
@given(events=_events, end=_ends, places=st.lists(st.integers(0, 10_000), max_size=9), whole=st.booleans())
def test_a_stream_passes_unharmed(events: list[bytes], end: bytes, places: list[int], *, whole: bool) -> None:
    """Without hiding byte for byte and at once; with hiding all but the usage that nobody asked for."""
    raw = end.join([*events, b""]) if whole else end.join(events)
    plain, hiding = StreamReader(), StreamReader(hide_usage=True)
    pieces = _cut(raw, places)
    assert [plain.feed(piece) for piece in pieces] == pieces
    assert plain.flush() == b""
    kept = [event for event in events if event != _LAST]
    expected = b"".join(event + end for event in kept)
    if not whole:
        expected = expected.removesuffix(end) if events and events[-1] != _LAST else expected
    assert b"".join([*(hiding.feed(piece) for piece in pieces), hiding.flush()]) == expected
    once = StreamReader()
    once.feed(raw)
    once.flush()
    assert (once.body, once.pieces, once.is_final) == (plain.body, plain.pieces, plain.is_final)


@settings(max_examples=80)
@given(
    asked=st.fixed_dictionaries(
        {"model": st.text(max_size=5), "messages": st.lists(st.text(max_size=9), max_size=2)},
        optional={
            "stream": st.sampled_from([True, False, None]),
            "stream_options": st.sampled_from(
                [None, {}, {"include_usage": False}, {"include_usage": True}, {"include_obfuscation": False}]
            ),
        },
    )
)
def test_a_request_asks_for_usage_only_where_its_writer_did_not_say(asked: dict[str, object]) -> None:
    """What else the request says stays as it is."""
    found = asking_for_usage(json.dumps(asked).encode())
    options = asked.get("stream_options") or {}
    assert isinstance(options, dict)
    if asked.get("stream") is not True or "include_usage" in options:
        assert found is None
    else:
        assert found is not None
        assert json.loads(found) == {**asked, "stream_options": {**options, "include_usage": True}}
