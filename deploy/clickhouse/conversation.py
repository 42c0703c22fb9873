"""One connection's requests, one after the other: ClickHouse's headers, streams and errors.

1. Nothing of a body is read before user and password are right.
2. What is left of a body when the answer is known is read to its end if it is small; else the connection closes.
3. On loopback, only names of this machine are taken as Host: a web page cannot reach the door by a name of its own.
"""

import io
import json
import secrets
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from urllib.parse import urlsplit

from deploy.clickhouse import errors
from deploy.clickhouse.body import CHUNK_BYTES, Body, TimedSocketReader
from deploy.clickhouse.config import StorageConfig
from deploy.clickhouse.errors import BodyError, StatementError
from deploy.clickhouse.frames import chosen_encoding, compressor, decompressed
from deploy.clickhouse.passwords import Accounts, Role, is_loopback
from deploy.clickhouse.reply import status_of, to_stream_tail, to_summary, to_text
from deploy.clickhouse.request import Request, from_http, from_multipart, with_form
from deploy.clickhouse.service import Answer, Service


class Host(TCPServer):
    """What a conversation knows of the server that it belongs to."""

    config: StorageConfig
    accounts: Accounts
    service: Service | None
    stopping: threading.Event
    began_sec: float


class Conversation(BaseHTTPRequestHandler):
    """One connection: requests, one after the other."""

    protocol_version = "HTTP/1.1"
    server_version = "ClickHouse-embedded"
    sys_version = ""
    disable_nagle_algorithm = True
    server: Host

    def setup(self) -> None:
        """The socket is read with deadlines."""
        super().setup()
        self._timed = TimedSocketReader(self.connection)
        self._reader = io.BufferedReader(self._timed, CHUNK_BYTES)
        self.rfile = self._reader

    def handle_one_request(self) -> None:
        """One request is answered, or the connection is marked to close."""
        limits = self.server.config.limits
        try:
            self._timed.until(limits.idle_sec)
            if not self._reader.peek(1):
                self.close_connection = True
                return
            self._timed.until(limits.head_sec)
            super().handle_one_request()
        except (TimeoutError, ConnectionError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is http.server's
        """Requests are not logged: they hold what analysts ask."""

    def do_GET(self) -> None:
        """A ping, the health, or a query in the URL."""
        self._serve(reads_only=True)

    def do_POST(self) -> None:
        """A statement, in the URL, the body or a form."""
        self._serve(reads_only=False)

    def _serve(self, *, reads_only: bool) -> None:
        url = urlsplit(self.path)
        body = Body(self._reader, self._timed, dict(self._lower_headers()), self.server.config.limits.stall_sec)
        try:
            self._check_host()
            if url.path == "/health":
                self._send_health()
            elif url.path == "/ping" or (url.path == "/" and reads_only and not url.query):
                self._send_whole(200, b"Ok.\n", {"Content-Type": "text/html; charset=UTF-8"})
            elif url.path == "/":
                self._answer(url.query, body, reads_only=reads_only)
            else:
                self._send_whole(404, b"There is no handle " + self.path.encode("utf-8", "replace") + b"\n", {})
        except StatementError as error:
            self._send_error(error)
        if not body.drain():
            self.close_connection = True

    def _answer(self, url_query: str, body: Body, *, reads_only: bool) -> None:
        headers = dict(self._lower_headers())
        request = from_http(url_query, headers)
        role = self.server.accounts.authenticate(request.user, request.password)
        if role is None:
            message = f"{request.user}: the password is wrong, or there is no such user; users are writer and analyst"
            raise StatementError(errors.AUTHENTICATION_FAILED, message)
        service = self.server.service
        if self.server.stopping.is_set() or service is None:
            self.close_connection = True
            raise StatementError(errors.ABORTED, "the storage process is ending; try again later")
        encoding = headers.get("content-encoding", "").lower()
        if encoding and role is Role.ANALYST:
            raise StatementError(errors.NOT_IMPLEMENTED, "analysts send their statements uncompressed")
        plain = decompressed(body.chunks(), encoding)
        if headers.get("content-type", "").startswith("multipart/form-data"):
            limit = self.server.config.limits.analyst_max_query_bytes * 8
            request = with_form(request, from_multipart(_limited(plain, limit), headers["content-type"]))
            plain = iter(())
        with service.answer(request, role, plain, reads_only=reads_only) as answer:
            self._send_answer(answer, request)

    def _send_answer(self, answer: Answer, request: Request) -> None:
        blocks = answer.blocks
        first = next(blocks, b"")
        second = next(blocks, None)
        headers = {
            "Content-Type": "application/octet-stream",
            "X-ClickHouse-Query-Id": request.query_id or str(uuid.uuid4()),
            "X-ClickHouse-Server-Display-Name": "burnline",
            "X-ClickHouse-Timezone": self.server.service.timezone if self.server.service else "UTC",
            "X-ClickHouse-Summary": to_summary(answer.counts),
        }
        if answer.format is not None:
            headers["X-ClickHouse-Format"] = answer.format
            headers["Content-Type"] = _content_type(answer.format)
        encoding = chosen_encoding(request.accept_encoding)
        if second is not None:
            self._send_stream(first, second, blocks, headers, encoding)
            return
        if encoding and len(first) > 1024:
            packer = compressor(encoding)
            first = packer.compress(first) + packer.flush()
            headers["Content-Encoding"] = encoding
        self._send_whole(200, first, headers)

    def _send_stream(
        self, first: bytes, second: bytes, rest: Iterator[bytes], headers: dict[str, str], encoding: str
    ) -> None:
        tag = secrets.token_hex(8)
        headers["X-ClickHouse-Exception-Tag"] = tag
        chunked = self.request_version != "HTTP/1.0"
        headers |= {"Transfer-Encoding": "chunked"} if chunked else {"Connection": "close"}
        headers |= {"Content-Encoding": encoding} if encoding else {}
        self._send_head(200, headers)
        packer = compressor(encoding) if encoding else None

        def send(data: bytes) -> None:
            if data:
                self._write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)

        def send_block(data: bytes) -> None:
            send(packer.compress(data) if packer else data)

        try:
            send_block(first)
            send_block(second)
            for block in rest:
                send_block(block)
        except StatementError as error:
            send_block(to_stream_tail(error, tag))
            self.close_connection = True
        send(packer.flush() if packer else b"")
        self._write(b"0\r\n\r\n" if chunked else b"")

    def _send_health(self) -> None:
        service = self.server.service
        well = service is not None and not self.server.stopping.is_set() and service.is_well()
        report = {
            "status": "ok" if well else "not ready",
            "version": service.version if service else None,
            "uptime_sec": round(time.monotonic() - self.server.began_sec, 3),
            **(service.tally.read() if service else {}),
        }
        self._send_whole(
            200 if well else 503, json.dumps(report).encode() + b"\n", {"Content-Type": "application/json"}
        )

    def _send_error(self, error: StatementError) -> None:
        if isinstance(error, BodyError):
            self.close_connection = True
        headers = {"X-ClickHouse-Exception-Code": str(error.code), "Content-Type": "text/plain; charset=UTF-8"}
        self._send_whole(status_of(error.code), to_text(error).encode("utf-8", "replace") + b"\n", headers)

    def _send_whole(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self._send_head(status, {**headers, "Content-Length": str(len(data))})
        self._write(data)

    def _send_head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(
                name, value.replace("\r", " ").replace("\n", " ").encode("utf-8", "replace").decode("latin-1")
            )
        if self.close_connection and "Connection" not in headers:
            self.send_header("Connection", "close")
        self.connection.settimeout(self.server.config.limits.stall_sec)
        self.end_headers()

    def _write(self, data: bytes) -> None:
        self.connection.settimeout(self.server.config.limits.stall_sec)
        self.wfile.write(data)

    def _lower_headers(self) -> Iterator[tuple[str, str]]:
        return ((name.lower(), value) for name, value in self.headers.items())

    def _check_host(self) -> None:
        host = self.headers.get("Host", "")
        name = host.rsplit(":", 1)[0].strip("[]") if host.rpartition(":")[2].isdecimal() else host.strip("[]")
        bound = self.server.config.host
        if host and is_loopback(bound) and name != bound and not is_loopback(name):
            raise StatementError(errors.ACCESS_DENIED, "this door answers to names of this machine only")


def _limited(chunks: Iterator[bytes], limit: int) -> bytes:
    text = b""
    for chunk in chunks:
        text += chunk
        if len(text) > limit:
            raise BodyError(errors.QUERY_IS_TOO_LARGE, f"a form may have {limit} bytes")
    return text


def _content_type(output_format: str) -> str:
    if output_format.startswith("JSON"):
        return "application/json; charset=UTF-8"
    if output_format.startswith(("Tab", "TSV")):
        return "text/tab-separated-values; charset=UTF-8"
    if output_format.startswith("CSV"):
        return "text/csv; charset=UTF-8"
    return "text/plain; charset=UTF-8" if output_format.startswith("Pretty") else "application/octet-stream"
