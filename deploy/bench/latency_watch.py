"""When probes come out: each as an alert on its topic and as a row that a question finds; by this machine's clock."""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from deploy.alert_feed import follow
from deploy.bench.latency_load import PROBES
from deploy.store_client import client
from schemas.connection import ClickHouseSettings, KafkaSettings
from schemas.errors import BurnlineError
from schemas.signals import rfc3339

_ASKS_SEC = 0.1
_REST = 5
"""Times as long as a question took nothing is asked: over millions of rows it would be part of the load."""


class Watch:
    """Two threads that note when each probe of an org was first seen, from entering on; ended on leaving."""

    def __init__(self, kafka: KafkaSettings, clickhouse: ClickHouseSettings, org: str) -> None:
        self._kafka, self._clickhouse, self._org = kafka, clickhouse, org
        self._over = threading.Event()
        self._following = threading.Event()
        self._waiting: dict[str, float] = {}
        self._sent_at: dict[str, float] = {}
        self._judged_at: dict[str, float] = {}  # by the log's clock: when it stood in its log, with what came beside it
        self._alerted: dict[str, float] = {}
        self._stored: dict[str, float] = {}
        self.failure: BurnlineError | None = None
        works: list[Callable[[], None]] = [self._follow, self._ask]
        self._threads = [threading.Thread(target=self._guarded, args=(work,), daemon=True) for work in works]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self._following.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(10)

    def sent(self, name: str) -> None:
        """A probe is about to be sent: its time begins."""
        self._waiting[name], self._sent_at[name] = time.monotonic(), time.time()

    def begin(self) -> None:
        """Earlier probes do not count any more."""
        for held in (self._waiting, self._sent_at, self._judged_at, self._alerted, self._stored):
            held.clear()

    def outstanding(self) -> int:
        """How many probes have not come out both ways."""
        waiting = set(self._waiting)
        return len(waiting - set(self._alerted)) + len(waiting - set(self._stored))

    def sent_count(self) -> int:
        """How many probes were sent."""
        return len(self._waiting)

    def log_sec(self) -> list[float]:
        """From sending to the log time at which burn judged it: how long the broker took, ascending."""
        judged = dict(self._judged_at)
        return sorted(max(0.0, at - self._sent_at[name]) for name, at in judged.items() if name in self._sent_at)

    def alert_sec(self) -> list[float]:
        """From sending to the alert, of each probe that has one, ascending."""
        return self._since(self._alerted)

    def row_sec(self) -> list[float]:
        """From sending to the row, of each probe that has one, ascending; looked for each 0.1 s."""
        return self._since(self._stored)

    def _since(self, seen: Mapping[str, float]) -> list[float]:
        return sorted(at - self._waiting[name] for name, at in dict(seen).items() if name in self._waiting)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BurnlineError as error:
            self.failure = error

    def _follow(self) -> None:
        begun = self._following.set
        for alert in follow(self._kafka, on_state=lambda _why: begun(), is_over=self._over.is_set):
            if alert.org == self._org and alert.budget_id == PROBES and alert.member is not None:
                self._alerted.setdefault(alert.member, time.monotonic())
                self._judged_at.setdefault(alert.member, alert.at.timestamp())

    def _ask(self) -> None:
        sql = (
            "SELECT v.user FROM usage_events AS v WHERE v.org = {org:String} AND v.project = {project:String}"
            " AND v.ts >= parseDateTime64BestEffort({since:String}, 6, 'UTC')"
        )
        with client(self._clickhouse) as found:
            wait_sec = _ASKS_SEC
            while not self._over.wait(wait_sec):
                since_sec = self._oldest_unseen_sec()
                if since_sec is None:
                    continue
                since = rfc3339(datetime.fromtimestamp(since_sec, UTC))
                asked = time.monotonic()
                rows = found.query(sql, parameters={"org": self._org, "project": PROBES, "since": since}).result_rows
                now = time.monotonic()
                wait_sec = max(_ASKS_SEC, _REST * (now - asked))
                for (name,) in rows:
                    self._stored.setdefault(name, now)

    def _oldest_unseen_sec(self) -> float | None:
        """When the oldest probe without a row was sent: what is older need not be read again."""
        return min((at for name, at in dict(self._sent_at).items() if name not in self._stored), default=None)
