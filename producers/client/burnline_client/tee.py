"""Looks at the bytes of an answer as the caller reads them; the caller reads what he would have read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol


class Looker(Protocol):
    """What looks at an answer; none of its methods raises. After `completed` or `failed` nothing more counts."""

    def piece(self, piece: bytes) -> bytes:
        """What goes on to the caller in place of this piece."""

    def completed(self) -> bytes:
        """The answer was read to its end; what is left for the caller."""

    def failed(self, error: BaseException) -> None:
        """Reading broke off."""

    def closed(self) -> None:
        """The answer was closed, perhaps before its end."""


class _Reading:
    """How far the reading is: the client closes an answer by itself while it pulls its last piece."""

    pulling = False
    is_over = False


def look_at(response: Any, looker: Looker) -> None:  # noqa: ANN401  a response of httpx or httpx2
    """Whoever reads or closes the response from now on is seen; it must not have been read yet."""
    reading = _Reading()
    _look_at_sync(response, looker, reading)
    _look_at_async(response, looker, reading)


def _look_at_sync(response: Any, looker: Looker, reading: _Reading) -> None:  # noqa: ANN401  as above
    iter_bytes, close = response.iter_bytes, response.close

    def watched(chunk_size: int | None = None) -> Iterator[bytes]:
        if reading.is_over:
            yield from iter_bytes(chunk_size)
            return
        try:
            reading.pulling = True
            for piece in iter_bytes(chunk_size):
                reading.pulling = False
                if kept := looker.piece(piece):
                    yield kept
                reading.pulling = True
        except GeneratorExit:
            raise  # the caller stops reading, and closes
        except BaseException as error:
            looker.failed(error)
            raise
        finally:
            reading.pulling = False
        reading.is_over = True
        if rest := looker.completed():
            yield rest

    def watched_close() -> None:
        try:
            close()
        finally:
            if not reading.pulling:
                looker.closed()

    response.iter_bytes, response.close = watched, watched_close


def _look_at_async(response: Any, looker: Looker, reading: _Reading) -> None:  # noqa: ANN401, C901  as above
    aiter_bytes, aclose = response.aiter_bytes, response.aclose

    async def watched(chunk_size: int | None = None) -> AsyncIterator[bytes]:
        if reading.is_over:
            async for piece in aiter_bytes(chunk_size):
                yield piece
            return
        try:
            reading.pulling = True
            async for piece in aiter_bytes(chunk_size):
                reading.pulling = False
                if kept := looker.piece(piece):
                    yield kept
                reading.pulling = True
        except GeneratorExit:
            raise
        except BaseException as error:
            looker.failed(error)
            raise
        finally:
            reading.pulling = False
        reading.is_over = True
        if rest := looker.completed():
            yield rest

    async def watched_close() -> None:
        try:
            await aclose()
        finally:
            if not reading.pulling:
                looker.closed()

    response.aiter_bytes, response.aclose = watched, watched_close
