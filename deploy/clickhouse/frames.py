"""Compressed bodies, both ways. Pure: bytes in, bytes out.

1. A body is any number of compressed frames, one after the other; clickhouse-connect sends hundreds in one insert.
   Whoever stops after the first one stores a part and reports success.
2. A body that ends inside a frame is an error, and so is one that ends in anything but a frame.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import lz4.frame
import zstandard

from deploy.clickhouse.errors import CANNOT_DECOMPRESS, CANNOT_READ_ALL_DATA, NOT_IMPLEMENTED, BodyError

ENCODINGS = ("lz4", "zstd", "gzip", "deflate")  # in the order in which answers prefer them


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class Compressor(Protocol):
    """Compresses a stream as one frame."""

    def compress(self, data: bytes) -> bytes:
        """Bytes that are ready to be sent; maybe none."""

    def flush(self) -> bytes:
        """The rest of the frame."""


class _Lz4Compressor:
    def __init__(self) -> None:
        self._inner = lz4.frame.LZ4FrameCompressor()
        self._head: bytes = self._inner.begin()

    def compress(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._inner.compress(data))

    def flush(self) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._inner.flush())


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "x-gzip": lambda: zlib.decompressobj(wbits=31),
    "deflate": zlib.decompressobj,
}
_COMPRESSORS: dict[str, Callable[[], Compressor]] = {
    "lz4": _Lz4Compressor,
    "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    "gzip": lambda: zlib.compressobj(level=1, wbits=31),
    "deflate": lambda: zlib.compressobj(level=1),
}


def decompressed(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The plain bytes of a body in this Content-Encoding; empty and `identity` mean that it is plain already.

    Raises: BodyError: the encoding is unknown, the bytes are not in it, or the last frame is cut short.
    """
    if encoding in ("", "identity"):
        yield from chunks
        return
    if encoding not in _DECODERS:
        raise BodyError(
            NOT_IMPLEMENTED, f"Content-Encoding {encoding!r} is not spoken here; use {', '.join(ENCODINGS)}"
        )
    decoder: _Decoder | None = None
    for chunk in chunks:
        rest = chunk
        while rest:
            decoder = decoder or _DECODERS[encoding]()
            yield _decode(decoder, rest, encoding)
            rest = (decoder.unused_data or b"") if decoder.eof else b""
            if decoder.eof:
                decoder = None
    if decoder is not None:
        raise BodyError(CANNOT_READ_ALL_DATA, f"the body ends inside a {encoding} frame; nothing was stored")


def _decode(decoder: _Decoder, data: bytes, encoding: str) -> bytes:
    try:
        return decoder.decompress(data)
    except (RuntimeError, zlib.error, zstandard.ZstdError, EOFError) as error:
        raise BodyError(CANNOT_DECOMPRESS, f"the body is not {encoding}: {error}; nothing was stored") from error


def chosen_encoding(accept_encoding: str) -> str:
    """The best encoding that the client accepts and we write; empty for none."""
    offered = {part.split(";")[0].strip().lower() for part in accept_encoding.split(",")}
    return next((encoding for encoding in ENCODINGS if encoding in offered), "")


def compressor(encoding: str) -> Compressor:
    """A new compressor for one answer in an encoding of `ENCODINGS`."""
    return _COMPRESSORS[encoding]()
