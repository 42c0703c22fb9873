"""The sink's log: one JSON line per fact, on stderr."""

import logging
import sys

import structlog
from structlog.typing import FilteringBoundLogger


def json_log(level: str, *, process: str = "sink") -> FilteringBoundLogger:
    """The logger of this process; clickhouse-connect's own warnings repeat our errors and are left out.

    Whoever else speaks in this process has the same fields.
    """

    def named(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {"process": process, **event}

    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            named,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    log: FilteringBoundLogger = structlog.get_logger()
    return log
