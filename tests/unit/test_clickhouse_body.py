"""Reading a request from a socket: to the end of its body, not past it, and not for ever."""

import io
import socket
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.clickhouse.body import Body, TimedSocketReader
from deploy.clickhouse.errors import BodyError

NEXT = b"GET /ping HTTP/1.1\r\n"


class Untimed:
    """A reader without a socket: no time passes."""

    def until(self, sec: float) -> None:
        """Reads may take as long as they like."""


def body_of(wire: bytes, headers: dict[str, str]) -> tuple[Body, io.BytesIO]:
    """A body over these bytes."""
    source = io.BytesIO(wire)
    return Body(cast("Any", source), cast("Any", Untimed()), headers, 1.0), source


def in_chunks(parts: list[bytes]) -> bytes:
    """The parts in chunked transfer encoding."""
    return b"".join(b"%x;note=1\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\nTrailer: x\r\n\r\n"


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5))
def test_chunks_are_one_body_and_the_next_request_is_untouched(parts: list[bytes]) -> None:
    """Extensions and trailers are skipped; what follows belongs to the next request."""
    body, source = body_of(in_chunks(parts) + NEXT, {"transfer-encoding": "chunked"})
    assert b"".join(body.chunks()) == b"".join(parts)
    assert source.read() == NEXT


@given(st.binary(max_size=100))
def test_a_length_is_kept_exactly(data: bytes) -> None:
    """Not a byte more, not a byte less."""
    body, source = body_of(data + NEXT, {"content-length": str(len(data))})
    assert b"".join(body.chunks()) == data
    assert source.read() == NEXT


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=4), st.data())
def test_a_body_that_is_cut_anywhere_is_an_error(parts: list[bytes], data: st.DataObject) -> None:
    """Whatever is missing before the last chunk's zero, the body is not taken for whole."""
    wire = in_chunks(parts)
    kept = data.draw(st.integers(0, wire.rindex(b"0\r\nTrailer") - 1))
    body, _ = body_of(wire[:kept], {"transfer-encoding": "chunked"})
    with pytest.raises(BodyError):
        list(body.chunks())


def test_a_short_length_is_an_error() -> None:
    """The connection ended before the promised length."""
    body, _ = body_of(b"abc", {"content-length": "4"})
    with pytest.raises(BodyError):
        list(body.chunks())


@pytest.mark.parametrize("length", ["-1", "1, 1", "0x1", "", "+1", "\uff11"])
def test_a_length_that_is_no_number_is_an_error(length: str) -> None:
    """The bytes behind the head are never taken for another request."""
    body, _ = body_of(b"abc", {"content-length": length})
    with pytest.raises(BodyError):
        list(body.chunks())
    assert not body_of(b"abc", {"content-length": length})[0].drain()


@pytest.mark.parametrize("size", [b"-1", b"0x1", b"1_0", b"", b" 1", b"f" * 16])
def test_a_chunk_size_that_is_no_number_is_an_error(size: bytes) -> None:
    """Only hexadecimal digits count."""
    body, _ = body_of(size + b"\r\nabc\r\n0\r\n\r\n", {"transfer-encoding": "chunked"})
    with pytest.raises(BodyError):
        list(body.chunks())


def test_what_was_not_read_is_drained_if_it_is_small() -> None:
    """So the connection can be used again; a large rest closes it."""
    small, source = body_of(b"x" * 1000 + NEXT, {"content-length": "1000"})
    assert small.drain()
    assert source.read() == NEXT
    large, _ = body_of(b"x" * 3_000_000, {"content-length": "3000000"})
    assert not large.drain()


def test_a_sender_that_dribbles_runs_out_of_time() -> None:
    """The deadline is for all reads together: a byte now and then does not renew it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader = TimedSocketReader(ours)
        reader.until(10.0)
        theirs.sendall(b"G")
        assert reader.read(1) == b"G"
        reader.until(0.01)
        with pytest.raises(TimeoutError):
            reader.read(1)
        theirs.sendall(b"E")
        with pytest.raises(TimeoutError):
            reader.read(1)
        reader.until(10.0)
        assert reader.read(1) == b"E"
