"""`burnline bench latency`: how long after an event its alert stands on its topic, and its row can be asked for.

1. The highest rate that the stack bears without a lag that grows is looked for (`borne`), from that of a burst on.
2. At shares of that rate (or of a stated one) events come for a while; among them probes, each the first call of a user
   whose budget any call breaks.
3. If asked for, probes follow a backlog, and the stack is catching up with it.
4. From the moment a probe is handed to the producer until a `read_committed` consumer has its alert, and until a
   question finds its row. Who sends, who watches and the stack share the machine's cores.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from deploy.apply import Request, apply_files
from deploy.bench.borne import Say, Try, burst_per_sec, highest, next_rate, told, tried
from deploy.bench.latency_load import Company, Sending, company, probe
from deploy.bench.latency_watch import Watch
from deploy.policy_log import in_force, read_log
from deploy.stack.drain import drain
from deploy.stack.find import Connections
from schemas.errors import FatalError

SHARES = (0.01, 0.5, 0.9)
MOST_TRIES = 8
_APPLY_SEC = 120.0
_WAIT_SEC = 60.0
_LOOK_SEC = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds from an event to what it leads to, of the probes that came out in time; `missing` did not."""

    probes: int
    missing: int
    p50_sec: float | None
    p90_sec: float | None
    p99_sec: float | None
    most_sec: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One load: the share of the rate (0: behind a backlog), what was sent per second, and how long probes took.

    `log`: until the time of the log at which burn judged it; the rest of `alert` is rating, burn, their transactions.
    """

    share: float
    sent_per_sec: float
    log: Latency
    alert: Latency
    row: Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured; `rate_was_stated` where it was not looked for."""

    rate_per_sec: float
    rate_was_stated: bool
    burst_events: int
    stages: list[Stage]


def measured(  # noqa: PLR0913  what the command line says
    where: Connections, *, rate_per_sec: float | None, seconds: float, burst: int, backlog: int = 0, say: Say
) -> Figures:
    """The figures of a running stack; its policies are afterwards what they were.

    Raises: KafkaUnavailableError, StoreUnavailableError. FatalError: it is not through in time.
    """
    load = company(f"bench-{uuid4().hex[:8]}")
    with _budgets(where, load), Watch(where.kafka, where.clickhouse, load.org) as watch:
        sending = Sending(where.kafka, load, run=uuid4().hex[:8])
        run = _Run(where, sending, watch, load.org)
        try:
            run.first_alert()
            rate = rate_per_sec if rate_per_sec is not None else run.highest_rate(burst, seconds, say)
            stages = []
            for share in SHARES:
                say(f"{rate * share:,.0f} events/s ({share:.0%}) for {seconds:.0f} s")
                stages.append(run.stage(share, rate * share, seconds=seconds))
            if backlog:
                say(f"{backlog:,} events at once, and probes behind them")
                stages.append(run.catching_up(backlog, rate=rate, seconds=seconds))
        finally:
            sending.drop()
    return Figures(
        rate_per_sec=round(rate), rate_was_stated=rate_per_sec is not None, burst_events=burst, stages=stages
    )


@contextmanager
def _budgets(where: Connections, load: Company) -> Iterator[None]:
    """The budgets of the load are in force meanwhile."""
    with tempfile.TemporaryDirectory(prefix="burnline-latency-") as folder:
        file = Path(folder, "budgets.toml")
        file.write_text(load.budgets_toml)
        try:
            asked = Request((file,), actor="bench latency")
            apply_files(where.kafka, asked, now=datetime.now(UTC), timeout_sec=_APPLY_SEC)
            yield
        finally:
            left = ["/".join(key) for key in in_force(read_log(where.kafka)) if key[1] == load.org]
            if left:
                asked = Request((), removes=left, actor="bench latency")
                apply_files(where.kafka, asked, now=datetime.now(UTC), timeout_sec=0)


@dataclass(frozen=True, slots=True)
class _Run:
    """A stack under load: where it is, who sends, who watches, and whose events they are."""

    where: Connections
    sending: Sending
    watch: Watch
    org: str

    def first_alert(self) -> None:
        """The budgets are open: a probe has led to its alert and its row. Raises: FatalError."""
        self._probe("probe-first")
        if not self._all_out():
            raise FatalError("the first probe came to nothing; see burnline status")

    def highest_rate(self, burst: int, seconds: float, say: Say) -> float:
        """The highest rate that the stack bears for so many seconds, of `MOST_TRIES`.

        Raises: FatalError: it bears none that was tried. KafkaUnavailableError.
        """
        say(f"a burst of {burst:,} events, to find the highest rate")
        per_sec: float | None = burst_per_sec(self.where.kafka, self.sending, burst, _nobody)
        found: list[Try] = []
        while per_sec is not None and len(found) < MOST_TRIES:
            one, _ = tried(self.where.kafka, self.sending, per_sec, seconds=seconds, look=_nobody)
            say(told(one))
            found.append(one)
            per_sec = next_rate(found)
        best = highest(found)
        if best is None:
            raise FatalError("no rate that was tried is borne: state one, --rate 5000")
        return best.sent_per_sec

    def stage(self, share: float, per_sec: float, *, seconds: float) -> Stage:
        """One load with its probes, about 300 of them; then all of it is through."""
        self.watch.begin()
        began, every_sec = time.monotonic(), max(0.1, seconds / 300)

        def between() -> None:
            if time.monotonic() - began >= self.watch.sent_count() * every_sec:
                self._probe(f"probe-{share}-{self.watch.sent_count()}")

        sent_per_sec = self.sending.at_rate(per_sec, seconds=seconds, between=between)
        self.sending.flush()
        return self._seen(share, sent_per_sec, wait_sec=_WAIT_SEC)

    def catching_up(self, backlog: int, *, rate: float, seconds: float) -> Stage:
        """What probes take that come behind a backlog, which is read as fast as it can be; `share` is 0."""
        self.watch.begin()
        self.sending.burst(backlog)
        began, every_sec = time.monotonic(), max(0.1, seconds / 300)

        def between() -> None:
            if time.monotonic() - began >= self.watch.sent_count() * every_sec:
                self._probe(f"probe-behind-{self.watch.sent_count()}")

        self.sending.at_rate(1, seconds=seconds, between=between)
        self.sending.flush()
        return self._seen(0, backlog / seconds, wait_sec=_WAIT_SEC + 2 * backlog / rate)

    def _seen(self, share: float, sent_per_sec: float, *, wait_sec: float) -> Stage:
        """What has become of the probes, once all of them and the load are through."""
        self._all_out(wait_sec)
        drain(self.where.kafka, timeout_sec=_WAIT_SEC)
        sent = self.watch.sent_count()
        seen = (self.watch.log_sec(), self.watch.alert_sec(), self.watch.row_sec())
        log, alert, row = (latency_of(found, sent=sent) for found in seen)
        return Stage(share=share, sent_per_sec=round(sent_per_sec, 1), log=log, alert=alert, row=row)

    def _probe(self, name: str) -> None:
        self.watch.sent(name)
        self.sending.send(*probe(self.org, name))

    def _all_out(self, wait_sec: float = _WAIT_SEC) -> bool:
        """Whether every probe has come out both ways in time. Raises: what ended the watch."""
        deadline = time.monotonic() + wait_sec
        while self.watch.outstanding() and time.monotonic() < deadline:
            if self.watch.failure is not None:
                raise self.watch.failure
            time.sleep(_LOOK_SEC)
        return not self.watch.outstanding()


def _nobody() -> None:
    """Memory and CPU are not looked at."""


def latency_of(found_sec: list[float], *, sent: int) -> Latency:
    """The spread of what came out, ascending; None where nothing did."""

    def at(share: float) -> float | None:
        return round(found_sec[min(len(found_sec) - 1, int(share * len(found_sec)))], 3) if found_sec else None

    return Latency(
        probes=sent,
        missing=sent - len(found_sec),
        p50_sec=at(0.5),
        p90_sec=at(0.9),
        p99_sec=at(0.99),
        most_sec=at(1),
    )
