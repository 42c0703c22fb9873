"""The page on which a process tells its numbers to Prometheus: on loopback unless told otherwise, in a thread.

What serves it is imported in that thread, so no process starts later for it; and no process ends for want of it.
"""

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import BurnlineError
from schemas.numbers import BOUNDS_SEC, Family

if TYPE_CHECKING:
    from http.server import HTTPServer

PATH = "/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SILENT_SEC = 5.0
MOST_CALLERS = 16
"""So many are answered at once; who comes then is turned away, so that nobody fills a process with threads."""
_LOG = structlog.get_logger()
Collect = Callable[[], Iterable[Family]]


class PageSettings(BaseSettings):
    """Where a process's numbers are read; `burnline up` gives each process a port of its own."""

    model_config = SettingsConfigDict(env_prefix="BURNLINE_METRICS_", frozen=True)

    port: int = Field(0, ge=0, le=65_535, description="the page's port; 0: no page")
    host: str = Field("127.0.0.1", description="the address; another one only where nobody else reaches it")


def to_text(families: Iterable[Family], *, of_process: bool = False) -> str:
    """The families as a scrape gets them, and `process_*` of this process; one without a sample is left out."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest  # noqa: PLC0415  see the top
    from prometheus_client.registry import Collector  # noqa: PLC0415  see the top

    class Ours(Collector):  # type: ignore[misc]  # the library is imported late, and read without types
        """What the registry asks."""

        def collect(self) -> Iterable[Any]:
            """The families in the library's own shape."""
            return [_metric(family) for family in families if family.samples]

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Ours())
    if of_process:
        ProcessCollector(registry=registry)
    return str(generate_latest(registry), "utf-8")


def _metric(family: Family) -> Any:  # noqa: ANN401  of a library that is imported late
    from prometheus_client.core import (  # noqa: PLC0415  see the top
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    labels = tuple(family.samples[0].labels)
    kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
    metric = kinds[family.kind](family.name, family.says, labels=labels)
    for sample in family.samples:
        values = [sample.labels[name] for name in labels]
        if family.kind == "histogram":
            ends = [*map(str, BOUNDS_SEC), "+Inf"]
            metric.add_metric(values, list(zip(ends, sample.buckets, strict=True)), sample.value)
        else:
            metric.add_metric(values, sample.value)
    return metric


def page_url(port: int) -> str:
    """Where the numbers on that port are read."""
    return f"http://127.0.0.1:{port}{PATH}"


def serve_numbers(collect: Collect, settings: PageSettings | None = None) -> None:
    """The page of this process is there soon, until it ends, if it has a port; where that is taken, a line says so."""
    found = settings or PageSettings()

    def begin() -> None:
        try:
            serve_text(found.port, lambda: to_text(collect(), of_process=True), host=found.host)
        except OSError as error:
            _LOG.error("no page of numbers", port=found.port, reason=str(error))

    if found.port:
        threading.Thread(target=begin, name="numbers", daemon=True).start()


def serve_text(port: int, text: Callable[[], str], *, host: str = "127.0.0.1") -> "HTTPServer":
    """The page is there until the process ends. Raises: OSError: the port cannot be had."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer  # noqa: PLC0415  see the top

    class Handler(BaseHTTPRequestHandler):
        """Answers one question of a caller; one that says nothing is cut off."""

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
            except (BurnlineError, ImportError) as error:
                _LOG.error("no numbers", reason=str(error))
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("content-type", CONTENT_TYPE)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """A scrape is no fact worth a line."""

    class Server(ThreadingHTTPServer):
        """A few callers at once; whoever goes away in the middle of an answer is no fault of ours."""

        daemon_threads = True
        request_queue_size = 4 * MOST_CALLERS
        callers = threading.BoundedSemaphore(MOST_CALLERS)

        def verify_request(self, *_: object) -> bool:
            """Whether there is a place for one more."""
            return self.callers.acquire(blocking=False)

        def process_request_thread(self, *found: Any) -> None:  # noqa: ANN401  as the base class has it
            """The caller is answered, and his place is free."""
            try:
                super().process_request_thread(*found)
            finally:
                self.callers.release()

        def handle_error(self, *_: object) -> None:
            """Nothing: the caller is gone."""

    server = Server((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="numbers", daemon=True).start()
    return server
