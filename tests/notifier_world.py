"""Alerts, routes and receivers for tests of the notifier."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from schemas.connection import KafkaSettings
from schemas.deliveries import TOPIC, DeliveryStatus
from schemas.routes import Route
from schemas.signals import Alert, CloudSignal
from sinks.log_reader import LogReader
from sinks.notifier.standing import said_in

EXAMPLE = Path(__file__).resolve().parents[1] / "schemas" / "examples" / "alert.budget_burn_rate.json"
NOW = datetime(2026, 11, 22, 9, 15, 5, tzinfo=UTC)


def an_alert(**changes: Any) -> Alert:
    """The golden alert with other values."""
    alert = CloudSignal.model_validate_json(EXAMPLE.read_bytes()).data
    assert isinstance(alert, Alert)
    return alert.model_copy(update=changes)


def a_route(name: str = "on-call", **changes: Any) -> Route:
    """A webhook's route of the golden alert's org."""
    values = {"id": name, "org": "acme", "destination": "webhook", "url": "https://a.example/x", "secret": "signing"}
    return Route.model_validate(values | changes)


def statuses(kafka: KafkaSettings) -> list[DeliveryStatus]:
    """Every status on the topic of deliveries."""
    with LogReader(kafka, name="test") as reader:
        found = [said_in(record.value) for record in reader.read_to_end({(TOPIC, 0): 0})]
    return [one for one in found if isinstance(one, DeliveryStatus)]


@dataclass
class Receiver:
    """What a stub of a receiver was sent, and how it answers: statuses one by one, then 200 for ever.

    While `answering` is not set, what it was sent waits for its answer.
    """

    port: int = 0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    usual: int = 200
    answering: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port of loopback."""
    made = Receiver()
    made.answering.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
            made.answering.wait()
            status, headers = made.answers.pop(0) if made.answers else (made.usual, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            with suppress(ConnectionError):  # who asked may have died since
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.answering.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Mail(socketserver.StreamRequestHandler):
    """SMTP as far as a client that hands in one message speaks it (RFC 5321)."""

    def handle(self) -> None:
        box: MailBox = self.server.box  # type: ignore[attr-defined]  # the server is ours
        self._say("220 stub")
        while raw := self.rfile.readline():
            verb = raw.decode().strip()[:4].upper()
            if verb == "QUIT":
                self._say(box.bye)
                return
            if verb == "RCPT":
                self._say(box.answer)
            elif verb == "DATA":
                self._say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                box.messages.append(b"".join(line.removeprefix(b".") for line in lines))
                self._say("250 taken")
            else:
                self._say("250 stub")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@dataclass
class MailBox:
    """What a stub of a mail server was handed; `answer` is what it says to each address, `bye` to QUIT."""

    port: int = 0
    messages: list[bytes] = field(default_factory=list)
    answer: str = "250 yes"
    bye: str = "221 bye"


@contextmanager
def mail_box() -> Iterator[MailBox]:
    """A mail server on a free port of loopback."""
    made = MailBox()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail) as server:
        server.box = made  # type: ignore[attr-defined]  # the handler looks there
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield made
        server.shutdown()
        thread.join()
