"""One JSON line per fact on stderr: ours, and what the libraries below us say at WARNING or above, never repeated."""

import logging
import sys
import time
from collections.abc import Callable
from typing import TextIO

import structlog

QUIET_SEC = 30.0
"""A library's line is said again only after this long: a broker that is away is one line, not ten each second."""

EXPECTED = ("Sending username and password in the clear",)
"""What aiokafka says of every login on loopback; another machine's broker is spoken to with SASL_SSL."""

LIBRARIES = ("aiokafka", "faust", "mode", "kafka", "asyncio")


class SaidOnce(logging.Filter):
    """Lets a library's line pass only if it was not said within the last `quiet_sec`."""

    def __init__(self, quiet_sec: float = QUIET_SEC, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._quiet_sec = quiet_sec
        self._clock = clock
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is said."""
        key, now = (record.name, str(record.msg)), self._clock()
        if record.msg in EXPECTED:
            return False
        if now - self._said.get(key, float("-inf")) < self._quiet_sec:
            return False
        self._said[key] = now
        record.exc_info = None  # their traces say where in the library; ours are in our own lines
        record.exc_text = None
        return True


def configure_logging(*, stage: str, instance: str, level: str, stream: TextIO = sys.stderr) -> None:
    """Every logger of this process writes JSON lines to `stream`: `process`, `at`, `level`, `event` as everywhere."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    named: structlog.typing.Processor = lambda _logger, _method, event: {  # noqa: E731  a processor is a plain function
        "process": stage,
        "stage": stage,
        "instance": instance,
        **event,
    }
    structlog.configure(
        processors=[*shared, named, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        # It writes a line at once; `print` writes its end apart, and another thread's line may come between.
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    handler = logging.StreamHandler(stream)
    handler.addFilter(SaidOnce())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                named,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
