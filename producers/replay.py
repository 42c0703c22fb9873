"""Replays files into the topic of their format: plan, read, send. A second replay of the same plan changes nothing.

    plan = prepare("azure-llm", ["trace.csv"], now=now, sets=parse_sets(["org=acme", ...]), at="now")
    for item in read(plan, now=now): ...          # a dry run: Event or Skipped, nothing is sent
    outcome = run(plan, KafkaSettings(), now=now, speed=parse_speed("max"), on_progress=show)

Laws
1. Every row is sent or skipped for a reason: sent + skipped == rows, unless the replay was interrupted.
2. `sent` counts what Kafka has acknowledged, nothing else.
3. Ids are stable (`stamp.py`), so an interrupted or repeated replay is made whole by running it again.
"""

import time as clock
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b

from producers.dialect import Skipped
from producers.formats import FORMATS
from producers.outcome import Outcome, Progress, SkippedRows
from producers.pace import due_sec, parse_speed
from producers.plan import Plan, prepare, read
from producers.sending import Sender
from producers.shift import parse_shift
from producers.stamp import Event, parse_sets
from schemas.connection import KafkaSettings

__all__ = [
    "FORMATS", "Event", "Outcome", "Plan", "Progress", "Skipped", "SkippedRows", "parse_sets", "parse_shift",
    "parse_speed", "prepare", "read", "run",
]  # fmt: skip

_PROGRESS_SEC = 0.1
_REPEATS_WATCHED = 1_000_000
_FLUSH_AFTER_INTERRUPT_SEC = 10.0


class _Run:
    """A replay under way: what was read and settled so far, told to `on_progress` at most ten times a second."""

    def __init__(self, plan: Plan, sender: Sender, on_progress: Callable[[Progress], None] | None) -> None:
        self.outcome = Outcome(
            import_id=plan.import_id,
            shift=plan.shift,
            rows=plan.rows,
            first_time=plan.first_time,
            last_time=plan.last_time,
        )
        self._sender = sender
        self._on_progress = on_progress
        self._told_at = 0.0
        self._rows_read = 0
        self._handed_over = 0
        self._refused = 0
        self._seen: set[bytes] = set()

    def take(self, item: Event | Skipped) -> None:
        """One more row is on its way, or skipped."""
        self._rows_read += 1
        if isinstance(item, Skipped):
            self.outcome.skip(item)
            return
        self._watch_repeats(item)
        self._handed_over += 1
        self._sender.send(item.key, item.value, lambda why: self._settle(item.row, why))

    def _settle(self, row: int, why: str | None) -> None:
        if why is None:
            self.outcome.sent += 1
        else:
            self._refused += 1
            self.outcome.skip(Skipped(row, why, "the broker refuses a message of this size"))

    def _watch_repeats(self, event: Event) -> None:
        """Identities read before are counted; after a million different ones new ones are not remembered."""
        mark = blake2b(f"{event.source}\0{event.id}".encode(), digest_size=8).digest()
        if mark in self._seen:
            self.outcome.repeated += 1
        elif len(self._seen) < _REPEATS_WATCHED:
            self._seen.add(mark)

    def tell(self, *, now_sec: float, always: bool = False) -> None:
        """The progress is told, unless it was told less than 0.1 s ago."""
        if self._on_progress is None or (not always and now_sec - self._told_at < _PROGRESS_SEC):
            return
        self._told_at = now_sec
        self._on_progress(
            Progress(
                rows_read=self._rows_read,
                rows=self.outcome.rows,
                sent=self.outcome.sent,
                skipped=self.outcome.skipped_count,
                waiting_for=self._sender.trouble,
            )
        )

    @property
    def under_way(self) -> int:
        """How many records were handed over and are not settled."""
        return self._handed_over - self.outcome.sent - self._refused


def run(
    plan: Plan,
    kafka: KafkaSettings,
    *,
    now: datetime,
    speed: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Every event of the plan is in its dialect's topic, and what became of each row is in the outcome.

    Waits as long as Kafka is away. Ctrl-C ends it early: what is under way is given 10 seconds, the outcome says
    `interrupted`; running the same command again (with the plan's `--shift`) is safe.
    Raises: KafkaUnavailableError: no broker answers at the start. SettingsError: the topic is missing, or writing is
            not allowed. InputError: a file has changed since it was planned.
    """
    with Sender(kafka, plan.dialect.topic) as sender:
        under_way = _Run(plan, sender, on_progress)
        outcome = under_way.outcome
        began = clock.monotonic()
        try:
            for item in read(plan, now=now):
                if speed is not None and isinstance(item, Event) and plan.first_time is not None:
                    _wait_until(began + due_sec(item.time, first=plan.first_time, speed=speed), sender, under_way)
                under_way.take(item)
                under_way.tell(now_sec=clock.monotonic())
            while sender.flush(0.5):
                under_way.tell(now_sec=clock.monotonic())
        except KeyboardInterrupt:
            outcome.interrupted = True
            sender.flush(_FLUSH_AFTER_INTERRUPT_SEC)
        outcome.unacknowledged = under_way.under_way
        under_way.tell(now_sec=clock.monotonic(), always=True)
        return outcome


def _wait_until(due: float, sender: Sender, under_way: _Run) -> None:
    while (left := due - clock.monotonic()) > 0:
        sender.wait(min(left, 0.2))
        under_way.tell(now_sec=clock.monotonic())
