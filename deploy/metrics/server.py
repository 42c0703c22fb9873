"""The door by which Prometheus reads a stack's numbers: one page on loopback, in a thread of the watchdog."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer

from deploy.metrics.exposition import CONTENT_TYPE
from deploy.stack.ports import LOOPBACK
from schemas.errors import BurnlineError

PATH = "/metrics"
_SILENT_SEC = 5.0


def metrics_url(port: int) -> str:
    """Where the numbers of a stack are read."""
    return f"http://{LOOPBACK}:{port}{PATH}"


def serve_metrics(port: int, text: Callable[[], str]) -> HTTPServer:
    """The page is there until the process ends. Raises: OSError: the port cannot be had."""

    class Handler(BaseHTTPRequestHandler):
        """Answers one caller after the other; one that says nothing is cut off."""

        timeout = _SILENT_SEC
        server_version = "burnline"
        sys_version = ""

        def do_GET(self) -> None:
            """The numbers, or that this is no page of ours."""
            if self.path.partition("?")[0] != PATH:
                self.send_error(404)
                return
            try:
                body = text().encode()
            except BurnlineError:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("content-type", CONTENT_TYPE)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """A scrape is no fact worth a line."""

    server = HTTPServer((LOOPBACK, port), Handler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
