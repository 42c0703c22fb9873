"""Stands between the sink and ClickHouse, and misbehaves as it is told: refuses, is slow, loses answers."""

import http.client
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote_plus

MODES = ("passes", "refuses", "slow", "fails after it committed", "loses the answer")
SLOW_SEC = 2.0
_ANSWER_SEC = 60.0
_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "host"})


class Proxy:
    """One proxy on a free port; `target_port` is asked for at each request, since the engine may not be there yet."""

    def __init__(self, target_port: Callable[[], int]) -> None:
        self.mode = "passes"
        self.struck = 0  # inserts whose answer was not passed on
        self._target_port = target_port
        self._at_insert: Callable[[], None] | None = None
        self._delayed: tuple[Callable[[], None], float] | None = None
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="proxy", daemon=True)

    def start(self) -> None:
        """It listens."""
        self._thread.start()

    def stop(self) -> None:
        """It listens no more."""
        self._server.shutdown()
        self._server.server_close()

    def at_next_insert(self, then: Callable[[], None]) -> None:
        """`then` is called when the engine has got the next insert into the ledger, and is executing it."""
        self._at_insert = then

    def delay_next_insert(self, then: Callable[[], None], *, hold_sec: float) -> None:
        """The next insert into the ledger reaches the engine so much later than `then` is called."""
        self._delayed = (then, hold_sec)

    def delays_insert(self) -> bool:
        """Whether `delay_next_insert` still waits for one."""
        return self._delayed is not None

    def _delay(self) -> None:
        delayed, self._delayed = self._delayed, None
        if delayed is not None:
            then, hold_sec = delayed
            then()
            time.sleep(hold_sec)

    def engine_has(self) -> None:
        """The engine has got all of an insert into the ledger."""
        then, self._at_insert = self._at_insert, None
        if then is not None:
            then()

    def waits_for_insert(self) -> bool:
        """Whether `at_next_insert` still waits."""
        return self._at_insert is not None

    def ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """The engine's answer. Raises: OSError, http.client.HTTPException: it gave none."""
        if _is_ledger_insert(path):
            self._delay()
        connection = http.client.HTTPConnection("127.0.0.1", self._target_port(), timeout=_ANSWER_SEC)
        try:
            connection.request(method, path, body=body or None, headers=headers)
            if _is_ledger_insert(path):
                self.engine_has()
            answer = connection.getresponse()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
            return answer.status, kept, answer.read()
        finally:
            connection.close()


def _is_ledger_insert(path: str) -> bool:
    said = unquote_plus(path).replace("`", "")
    return "INSERT INTO" in said and "usage_events_store" in said


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients die here, that is what it is for; anything else is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Proxy

    def _serve(self) -> None:
        owner, body = self.owner, self._body()
        if owner.mode == "refuses":
            self.close_connection = True
            return
        if owner.mode == "slow":
            time.sleep(SLOW_SEC)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        try:
            status, found, answer = owner.ask(self.command, self.path, body, headers)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            return
        if "INSERT INTO" in unquote_plus(self.path) and owner.mode in {"fails after it committed", "loses the answer"}:
            owner.struck += 1
            if owner.mode == "loses the answer":
                self.close_connection = True
                return
            status, found = 500, [("X-ClickHouse-Exception-Code", "999")]
            answer = b"Code: 999. DB::Exception: the answer to what was done is lost. (KEEPER_EXCEPTION)"
        self.send_response(status)
        for name, value in found:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = _serve  # noqa: N815  the base class finds them by these names

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = []
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            found.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(found)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  as in the base class
        """Nothing."""
