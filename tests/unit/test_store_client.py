"""The door to ClickHouse when it hangs: a sentence in good time, never five minutes of silence."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy import store_client
from schemas.connection import ClickHouseSettings
from schemas.errors import StoreUnavailableError

SHORT_SEC = 0.2


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long here."""
    monkeypatch.setattr(store_client, "ANSWER_TIMEOUT_SEC", SHORT_SEC)
    monkeypatch.setattr(store_client, "OWN_TIMEOUT_SEC", 1.0)


def asked(port: int) -> str:
    """What is said to who asks there."""
    with pytest.raises(StoreUnavailableError) as error:
        store_client.rows(ClickHouseSettings(url=f"http://127.0.0.1:{port}"), "SELECT 1")
    return str(error.value)


def test_who_accepts_and_says_nothing_is_not_waited_for() -> None:
    """A stopped process still has its connections taken by the kernel; that is found out at the first question."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert f"nothing came within {SHORT_SEC} s: it hangs or is too busy; see burnline status" in asked(
            silent.getsockname()[1]
        )
        assert time.monotonic() - began < 10


@pytest.fixture
def hanging() -> Iterator[int]:
    """The port of a server that says that it lives, and answers no question."""
    release = threading.Event()

    class Hanging(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """The answer to a ping."""
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            """No answer."""
            release.wait(30)

        def log_message(self, *_: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hanging) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        release.set()
        server.shutdown()
        thread.join()


def test_a_question_that_is_never_answered_ends_with_its_time(hanging: int) -> None:
    """Who lives but does not answer in the time of a question of ours is said to hang, with the time."""
    assert "nothing came within 1 s" in asked(hanging)


def test_who_is_not_there_refuses() -> None:
    """A refused connection is told as such."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert asked(port).endswith("does not answer (connection refused)")
