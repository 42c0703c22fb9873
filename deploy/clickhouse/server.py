"""The HTTP door: listens, counts connections, and gives each its thread.

A head must be whole in `head_sec`, a body must not stall, and a stalled connection is let go; see `body`. More
connections than `Limits.connections` are answered 503 at once.
"""

import contextlib
import socket
import threading
import time
from socketserver import ThreadingMixIn
from typing import Any

import structlog

from deploy.clickhouse.config import StorageConfig
from deploy.clickhouse.conversation import Conversation, Host
from deploy.clickhouse.passwords import Accounts

_LOG = structlog.get_logger(process="clickhouse")


class Door(ThreadingMixIn, Host):
    """Listens on a port and answers each connection in a thread; bound when made, open after `server_activate`."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, config: StorageConfig, accounts: Accounts) -> None:
        if ":" in config.host:
            self.address_family = socket.AF_INET6
        super().__init__((config.host, config.port), Conversation, bind_and_activate=False)
        self.config = config
        self.accounts = accounts
        self.service = None
        self.stopping = threading.Event()
        self.began_sec = time.monotonic()
        self._places = threading.BoundedSemaphore(config.limits.connections)
        self.server_bind()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  the types of socketserver
        """The connection has its thread, or is told that there are too many."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        with contextlib.suppress(OSError):
            request.settimeout(1.0)
            request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  the types of socketserver
        """The connection has ended."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002  the types of socketserver
        """The connection's failure is in the log, without what the client sent."""
        _LOG.exception("a connection failed")
