"""Compressed bodies: many frames are one body, and a cut body is never a short one."""

import gzip
import zlib
from collections.abc import Callable

import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from deploy.clickhouse.errors import BodyError
from deploy.clickhouse.frames import ENCODINGS, chosen_encoding, compressor, decompressed

PACK: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}


def pieces(data: bytes, size: int) -> list[bytes]:
    """The bytes as they might come from a socket."""
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(frames=st.lists(st.binary(max_size=200), max_size=6), size=st.integers(1, 64))
def test_any_number_of_frames_in_any_pieces_is_one_body(encoding: str, frames: list[bytes], size: int) -> None:
    """What was compressed frame by frame comes out whole, wherever the network cuts it."""
    packed = b"".join(PACK[encoding](frame) for frame in frames)
    assert b"".join(frames) == b"".join(decompressed(pieces(packed, size), encoding))


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(st.data())
def test_a_body_that_ends_inside_a_frame_is_an_error(encoding: str, data: st.DataObject) -> None:
    """However little of the last frame is missing, the body is refused."""
    first, last = PACK[encoding](b"first"), PACK[encoding](b"last" * 10)
    kept = data.draw(st.integers(1, len(last) - 1))
    with pytest.raises(BodyError, match="ends inside"):
        list(decompressed([first + last[:kept]], encoding))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_bytes_that_are_no_frame_are_an_error(encoding: str) -> None:
    """Garbage behind a whole frame is not dropped in silence."""
    with pytest.raises(BodyError, match=f"not {encoding}"):
        list(decompressed([PACK[encoding](b"whole") + b"\xff garbage that is no frame at all"], encoding))


def test_an_unknown_encoding_is_refused_by_name() -> None:
    """The message says which encodings are spoken."""
    with pytest.raises(BodyError, match="lz4, zstd, gzip, deflate"):
        list(decompressed([b""], "br"))


def test_a_plain_body_passes_unchanged() -> None:
    """No encoding and `identity` change nothing."""
    assert [b"a", b"b"] == list(decompressed([b"a", b"b"], "")) == list(decompressed([b"a", b"b"], "identity"))


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(blocks=st.lists(st.binary(max_size=300), max_size=5))
def test_what_we_compress_can_be_read_again(encoding: str, blocks: list[bytes]) -> None:
    """A stream of blocks is one frame of the encoding."""
    packer = compressor(encoding)
    packed = b"".join([*(packer.compress(block) for block in blocks), packer.flush()])
    assert b"".join(blocks) == b"".join(decompressed([packed], encoding))


def test_the_client_gets_an_encoding_that_it_offered() -> None:
    """Weights and unknown names do not confuse the choice; nothing offered means plain."""
    assert chosen_encoding("br;q=1, gzip;q=0.5") == "gzip"
    assert chosen_encoding("gzip, lz4") == "lz4"
    assert chosen_encoding("br") == ""
    assert chosen_encoding("") == ""
