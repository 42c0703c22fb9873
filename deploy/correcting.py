"""Watching how far the running sink is with a correction."""

import time
from collections.abc import Callable
from typing import Any

from deploy.reconcile import Patience
from deploy.store_client import rows
from schemas.connection import ClickHouseSettings
from sinks.correction_questions import run_of

_EVERY_SEC = 0.5


def follow(
    settings: ClickHouseSettings, correction_id: str, patience: Patience, *, said: Callable[[dict[str, Any]], None]
) -> dict[str, Any] | None:
    """The row of the correction when it has ended, or as far as it came in time; None: the sink has not begun.

    `said` gets the row whenever it has changed.
    Raises: StoreUnavailableError, QueryError.
    """
    began, last = time.monotonic(), None
    asked = run_of(correction_id)
    while True:
        found = rows(settings, asked.sql, asked.parameters)
        run = found[0] if found else None
        if run is not None and run != last:
            said(run)
        last = run
        limit_sec = min(patience.begin_sec if run is None else patience.end_sec, patience.end_sec)
        if (run is not None and run["state"] != "running") or time.monotonic() - began > limit_sec:
            return run
        time.sleep(_EVERY_SEC)
