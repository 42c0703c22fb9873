"""What a running stack serves to somebody without a credential, on every port on which it listens."""

import errno
import http.client
import json
import re
import socket
import urllib.request
from contextlib import suppress

import psutil

from deploy.stack.processes import processes_of
from tests.cli_stack import Stack

ASKED = (
    b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET /?query=SELECT+1 HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\nSELECT 1",
    b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]",
    b"POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
    b"DELETE / HTTP/1.1\r\nhost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
    b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET http://127.0.0.1:22/ HTTP/1.1\r\nhost: x\r\n\r\n",
)
"""What somebody without a credential tries at every port."""
PUBLIC = ("/metrics", "/health", "/ping")
"""What anybody on the machine may read where it is served: docs/ports.md says of which part."""
CLOSED = {errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE}
"""The other side closed the connection: after all was sent, before, or while it was."""


def listening(stack: Stack) -> set[tuple[str, str, int]]:
    """Every port on which a process of the stack listens: its part, the address, the port."""
    found = set()
    stack_id = str(json.loads((stack.state_dir / "stack.json").read_text())["stack_id"])
    for member in processes_of(stack_id):
        part = member.process.environ().get("SUPERVISOR_PROCESS_NAME", "supervisor")
        for connection in member.process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                found.add((part, connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port))
    return found


def served(port: int, asked: bytes) -> str:
    """The status line of the answer; empty where the connection is closed without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as door:
        try:
            # Not shut down after that: some servers answer nobody who has stopped talking, which would hide it.
            door.sendall(asked)
            return door.recv(4096).partition(b"\r\n")[0].decode(errors="replace")
        except TimeoutError:
            return ""
        except OSError as error:
            if error.errno not in CLOSED:
                raise
            return ""


def public(stack: Stack) -> dict[tuple[str, str], str]:
    """What each part says to anybody, by part and path: whatever is answered with 200."""
    found = {}
    for part, _, port in listening(stack):
        for path in PUBLIC:
            with (
                suppress(OSError, http.client.HTTPException),
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as page,
            ):
                found[part, path] = page.read().decode()
    return found


def shut(stack: Stack) -> dict[str, list[str]]:
    """By part, whatever any of its ports serves to somebody without a credential: nothing, where all is well."""
    refused = re.compile(r"(|HTTP/1\.[01] (400|401|403|404|405|501) .*)")
    answers = {(part, served(port, asked)) for part, _, port in listening(stack) for asked in ASKED}
    return {part: [line] for part, line in answers if refused.fullmatch(line) is None}
