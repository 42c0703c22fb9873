"""Asking the running sink to reconcile and watching what comes of it: it alone may repair, between its inserts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import uuid4

from deploy.asking import ask_for
from deploy.store_client import OWN_TIMEOUT_SEC, client, read_only
from schemas.connection import ClickHouseSettings, KafkaSettings
from schemas.requests import ReconcileRequest

_EVERY_SEC = 0.5
_RUN = (
    "SELECT v.reconciliation_id, v.state, v.since, v.until, v.days, v.days_done, v.days_unequal, v.events_compared,"
    " v.events_restored, v.duration_sec, v.message FROM reconciliations AS v"
    " WHERE v.kind = 'run' AND v.reconciliation_id = {run_id:String}"
)
_DIFFERENCES = (
    "SELECT v.day, v.rollup, v.requests_before, v.requests_ledger, v.cost_before_usd, v.cost_ledger_usd,"
    " v.rows_repaired FROM reconciliations AS v"
    " WHERE v.kind = 'difference' AND v.reconciliation_id = {run_id:String} ORDER BY v.day, v.rollup"
)


@dataclass(frozen=True)
class Outcome:
    """How far the run came: its row (None: the sink has not begun), and what was unequal."""

    run: dict[str, Any] | None
    differences: list[dict[str, Any]]

    def ended(self) -> bool:
        """Whether the sink is through, well or not."""
        return self.run is not None and self.run["state"] != "running"


def ask(settings: KafkaSettings, *, since: date, until: date) -> str:
    """The sink is asked to reconcile the days [since, until) of UTC; the id of the run.

    Raises: KafkaUnavailableError: not acknowledged in time. SettingsError: the topic is missing, or we may not write.
    """
    request = ReconcileRequest(request_id=uuid4().hex, since=since, until=until)
    ask_for(settings, request)
    return request.request_id


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long the sink may take to begin, and to be through, in seconds."""

    begin_sec: float
    end_sec: float


def follow(
    settings: ClickHouseSettings, run_id: str, patience: Patience, *, said: Callable[[dict[str, Any]], None]
) -> Outcome:
    """The run when it has ended, or as far as it came in time; `said` gets its row whenever that has changed.

    Raises: StoreUnavailableError, QueryError.
    """
    began = time.monotonic()
    last: dict[str, Any] | None = None
    with _asking(settings, run_id) as question:
        while True:
            found = question(_RUN)
            run = found[0] if found else None
            if run is not None and run != last:
                said(run)
            last = run
            outcome = Outcome(run, [])
            limit_sec = patience.begin_sec if run is None else patience.end_sec
            if outcome.ended() or time.monotonic() - began > min(limit_sec, patience.end_sec):
                return Outcome(run, question(_DIFFERENCES))
            time.sleep(_EVERY_SEC)


@contextmanager
def _asking(settings: ClickHouseSettings, run_id: str) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    with client(settings, timeout_sec=OWN_TIMEOUT_SEC) as found:
        rights = read_only(found)

        def question(sql: str) -> list[dict[str, Any]]:
            return list(found.query(sql, parameters={"run_id": run_id}, settings=rights).named_results())

        yield question
