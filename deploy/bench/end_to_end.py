"""`burnline bench end-to-end` and `memory`: what a whole stack bears on this machine, and what it takes for it.

1. A burst of events: the rate at which its middle was stored is where the search begins.
2. At a rate events come for a minute. It is borne if the lag of no stage grows meanwhile; else the next rate is lower
   by a fifth. A stage's lag is the age of what it has done last; whose own part of it grows most is the limit.
3. Of each process: CPU seconds per event at the rate that was borne, and resident memory idle, at most, and afterwards.
The load is made on the same machine and takes its part of it; `sending` says how much.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

import numpy as np
import psutil

from deploy.bench.latency_load import Sending, company
from deploy.stack.drain import drain
from deploy.stack.find import Stack
from deploy.stack.position_rules import Said, StagePlace
from deploy.stack.positions import Positions
from schemas.errors import FatalError

Say = Callable[[str], None]
LAGS = {
    "rating": "usage.events",
    "burn": "internal.deltas",
    "patterns": "internal.steps",
    "sink": "internal.rated",
}
AFTER = {"rating": None, "burn": "rating", "patterns": "rating", "sink": "rating"}
"""What each stage reads, and whom it waits for."""
MOST_GROWTH = 0.05
"""Seconds of lag per second that are no growth: a stage that takes ten batches of a second each swings by so much."""
_STEP = 0.8
_WARM_SEC = 10.0
_LOOK_SEC = 1.0
_DRAIN_SEC = 300.0
_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of the stack: CPU microseconds per event, and resident memory in MiB."""

    name: str
    cpu_us: float
    idle_mib: float
    most_mib: float
    after_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A rate: seconds of lag that each stage had in the middle, and gained per second; `limits` is who gained most."""

    per_sec: float
    sent_per_sec: float
    is_borne: bool
    lag_sec: dict[str, float]
    growth: dict[str, float]
    limits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured; `highest_per_sec` is None where no rate that was tried was borne."""

    burst_per_sec: float
    highest_per_sec: float | None
    limits: str
    tries: list[Try]
    processes: list[Process]


@dataclass(slots=True)
class Usage:
    """CPU seconds and memory of a stack's processes, looked at again and again."""

    stack: Stack
    most: dict[str, float] = field(default_factory=dict)

    def look(self) -> dict[str, tuple[float, float]]:
        """CPU seconds so far and MiB now, by process; the sender is `sending`."""
        pids = {name: one.pid for name, one in self.stack.supervisor().processes().items() if one.pid is not None}
        found = {}
        for name, pid in {**pids, "sending": os.getpid()}.items():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                times = process.cpu_times()
                mib = process.memory_info().rss / _MIB
                found[name] = (float(times.user + times.system), mib)
                self.most[name] = max(self.most.get(name, 0.0), mib)
        return found


def measured(stack: Stack, *, burst: int, seconds: float, tries: int, say: Say) -> Figures:
    """The figures of a fresh stack. Raises: KafkaUnavailableError. FatalError: the burst is not through in time."""
    kafka, usage = stack.kafka(), Usage(stack)
    idle = usage.look()
    sending = Sending(kafka, company(f"bench-{uuid4().hex[:8]}"), run=uuid4().hex[:8])
    try:
        say(f"a burst of {burst:,} events")
        burst_per_sec = _burst(stack, sending, burst, usage)
        found: list[Try] = []
        per_sec, before, after, sent = burst_per_sec, usage.look(), usage.look(), 0
        for _ in range(tries):
            say(f"{per_sec:,.0f} events/s for {seconds:.0f} s")
            before = usage.look()
            one, sent = tried(stack, sending, per_sec, seconds=seconds, usage=usage)
            drain(kafka, timeout_sec=_DRAIN_SEC)
            after = usage.look()
            found.append(one)
            if one.is_borne:
                break
            say(f"not borne: {one.limits} falls behind by {one.growth[one.limits]:.2f} s per second")
            per_sec *= _STEP
    finally:
        sending.drop()
    borne = found[-1].sent_per_sec if found and found[-1].is_borne else None
    failed = [one for one in found if not one.is_borne] or found
    return Figures(
        burst_per_sec=round(burst_per_sec),
        highest_per_sec=borne,
        limits=failed[-1].limits if failed else "",
        tries=found,
        processes=_processes(idle, before, after, usage.most, sent),
    )


def _processes(
    idle: Mapping[str, tuple[float, float]],
    before: Mapping[str, tuple[float, float]],
    after: Mapping[str, tuple[float, float]],
    most: Mapping[str, float],
    sent: int,
) -> list[Process]:
    return [
        Process(
            name=name,
            cpu_us=round((after[name][0] - before[name][0]) / max(1, sent) * 1e6, 1),
            idle_mib=round(idle[name][1]),
            most_mib=round(most[name]),
            after_mib=round(after[name][1]),
        )
        for name in sorted(after.keys() & before.keys() & idle.keys())
    ]


def _burst(stack: Stack, sending: Sending, count: int, usage: Usage) -> float:
    """Events per second from the first to the last that all stages were through with. Raises: FatalError."""
    began = time.monotonic()
    sending.burst(count)
    left = True
    while left:
        usage.look()
        try:
            drain(stack.kafka(), timeout_sec=5)
            left = False
        except FatalError:
            if time.monotonic() - began > _DRAIN_SEC:
                raise
    return count / (time.monotonic() - began)


def tried(stack: Stack, sending: Sending, per_sec: float, *, seconds: float, usage: Usage) -> tuple[Try, int]:
    """Whether the stack bears a rate, and how many events were sent. Raises: KafkaUnavailableError."""
    looks: list[tuple[float, dict[str, float]]] = []
    with Positions(stack.kafka()) as positions:
        began = time.monotonic()

        def between() -> None:
            now_sec = time.monotonic() - began
            if now_sec >= _WARM_SEC + len(looks) * _LOOK_SEC:
                looks.append((now_sec, lags(positions.progress(), now_us=time.time_ns() // 1000)))
                usage.look()

        sent_per_sec = sending.at_rate(per_sec, seconds=_WARM_SEC + seconds, between=between)
        sent = round(sent_per_sec * (_WARM_SEC + seconds))
        sending.flush()
    return judged(looks, per_sec=per_sec, sent_per_sec=sent_per_sec), sent


def lags(said: Mapping[StagePlace, Said], *, now_us: int) -> dict[str, float]:
    """Seconds since the log time up to which each stage has done everything; of its slowest partition."""
    return {
        stage: max(
            (
                (now_us - one.progress.log_time_us) / 1e6
                for (who, what, _), one in said.items()
                if (who, what) == (stage, topic)
            ),
            default=0.0,
        )
        for stage, topic in LAGS.items()
    }


def judged(looks: list[tuple[float, dict[str, float]]], *, per_sec: float, sent_per_sec: float) -> Try:
    """What looks at the lags say: who falls behind, on its own account, and whether the rate is borne.

    Raises: FatalError: there are too few looks to see anything.
    """
    if len(looks) < 3:
        raise FatalError("too short to see whether a lag grows: --seconds 60")
    at = np.array([when for when, _ in looks])
    series = {stage: np.array([look[stage] for _, look in looks]) for stage in LAGS}
    growth = {stage: float(np.polyfit(at, values, 1)[0]) for stage, values in series.items()}
    own = {stage: growth[stage] - (growth[before] if before else 0.0) for stage, before in AFTER.items()}
    behind = sent_per_sec < 0.95 * per_sec  # it was not even sent
    return Try(
        per_sec=round(per_sec, 1),
        sent_per_sec=round(sent_per_sec, 1),
        is_borne=not behind and max(growth.values()) <= MOST_GROWTH,
        lag_sec={stage: round(float(np.median(values)), 2) for stage, values in series.items()},
        growth={stage: round(value, 3) for stage, value in growth.items()},
        limits=max(own, key=lambda stage: own[stage]),
    )
