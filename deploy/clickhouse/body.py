"""Reading a request from a socket: with deadlines, and never past the end of its body."""

import io
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

from deploy.clickhouse.errors import CANNOT_READ_ALL_DATA, BodyError

CHUNK_BYTES = 256 * 1024
_DRAIN_BYTES = 1024 * 1024
_LENGTH = re.compile(r"[0-9]{1,18}")
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?\r?\n")


class TimedSocketReader(io.RawIOBase):
    """Reads a socket until a deadline; `until(sec)` sets it anew.

    Raises: TimeoutError: from a read, when the deadline has passed.
    """

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection
        self._deadline_sec = 0.0

    def until(self, sec: float) -> None:
        """Reads may take this many seconds from now, all together."""
        self._deadline_sec = time.monotonic() + sec

    def readable(self) -> bool:
        """A socket can be read."""
        return True

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401  the type of buffers has no name in Python 3.11
        """Some bytes, as `io.RawIOBase` has it."""
        left_sec = self._deadline_sec - time.monotonic()
        if left_sec <= 0:
            raise TimeoutError
        self._connection.settimeout(left_sec)
        return self._connection.recv_into(buffer)


class Body:
    """The body of one request, by Content-Length or in chunks; `drain` leaves the connection ready for the next one."""

    def __init__(
        self,
        source: "io.BufferedReader[TimedSocketReader]",
        timed: TimedSocketReader,
        headers: dict[str, str],
        stall_sec: float,
    ) -> None:
        self._source = source
        self._timed = timed
        self._stall_sec = stall_sec
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length", "0")
        self._valid = self._chunked or _LENGTH.fullmatch(length) is not None
        self._left = int(length) if self._valid and not self._chunked else 0
        self._ended = self._valid and not self._chunked and self._left == 0

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they come.

        Raises: BodyError: the connection ended before the body did.
        """
        while not self._ended:
            if not self._valid:
                raise self._cut()
            self._timed.until(self._stall_sec)
            if self._left == 0:
                self._begin_chunk()
                continue
            data = self._source.read1(min(self._left, CHUNK_BYTES))
            if not data:
                raise self._cut()
            self._left -= len(data)
            if self._left == 0:
                self._end_chunk()
            yield data

    def drain(self) -> bool:
        """Whether the rest of the body was small and has been read."""
        drained = 0
        try:
            for data in self.chunks():
                drained += len(data)
                if drained > _DRAIN_BYTES:
                    return False
        except (BodyError, OSError):
            return False
        return True

    def _begin_chunk(self) -> None:
        size = _SIZE.match(self._source.readline(1024))
        if size is None:
            raise self._cut()
        self._left = int(size[1], 16)
        if self._left == 0:
            while self._source.readline(1024) not in (b"\r\n", b"\n", b""):
                pass
            self._ended = True

    def _end_chunk(self) -> None:
        if self._chunked:
            self._source.readline(3)
        else:
            self._ended = True

    def _cut(self) -> BodyError:
        self._ended = True
        return BodyError(CANNOT_READ_ALL_DATA, "the connection ended before the body did; nothing was stored")
