"""The log of a process of ours: one JSON line for each fact, on stderr, with the fields that every process has.

`process` says who, `at` when (UTC), `level` how bad, `event` what; more as it fits. `streams/log.py` and `sinks/log.py`
have the same fields; a test reads every log of a running stack.
"""

import logging
import sys
from typing import TextIO

import structlog


def json_lines(process: str, *, to: TextIO | None = None) -> None:
    """What structlog and Python's own logging say from now on is such lines; of other libraries, warnings and worse.

    `to`: another place than stderr, for a process whose first line is read by who started it.
    """
    stream = to or sys.stderr

    def named(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {"process": process, **event}

    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        named,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
