"""`burnline bench end-to-end` and `memory`: what a whole stack bears on this machine, and what it takes for it.

1. A burst of events: the rate at which all stages were through with it is where the search begins (`borne`).
2. At a rate events come for a minute; it is borne if the lag of no stage grows meanwhile.
3. Of each process: CPU seconds per event at the highest rate that was borne; resident memory idle, at most, and
   afterwards.
The load is made on the same machine and takes its part of it; `sending` says how much.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

import psutil

from deploy.bench.borne import Say, Try, burst_per_sec, highest, next_rate, told, tried
from deploy.bench.latency_load import Sending, company
from deploy.stack.find import Stack

_MIB = 2**20
Seen = Mapping[str, tuple[float, float]]
"""CPU seconds so far and MiB, by process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of the stack: CPU microseconds per event, and resident memory in MiB."""

    name: str
    cpu_us: float
    idle_mib: float
    most_mib: float
    after_mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured; `highest_per_sec` is None where no rate that was tried was borne."""

    burst_per_sec: float
    highest_per_sec: float | None
    limits: str
    tries: list[Try]
    processes: list[Process]


@dataclass(frozen=True, slots=True)
class Used:
    """What was seen of the processes before a load and after it, and how many events it had."""

    before: Seen
    after: Seen
    sent: int


@dataclass(slots=True)
class Usage:
    """CPU seconds and memory of a stack's processes, looked at again and again."""

    stack: Stack
    most: dict[str, float] = field(default_factory=dict)

    def look(self) -> Seen:
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
        began_at = burst_per_sec(kafka, sending, burst, usage.look)
        at_end = usage.look()
        found: list[tuple[Try, Used]] = []
        per_sec: float | None = began_at
        while per_sec is not None and len(found) < tries:
            say(f"{per_sec:,.0f} events/s for {seconds:.0f} s")
            before = usage.look()
            one, sent = tried(kafka, sending, per_sec, seconds=seconds, look=usage.look)
            found.append((one, Used(before, usage.look(), sent)))
            say(told(one))
            per_sec = next_rate([one for one, _ in found])
    finally:
        sending.drop()
    every = [one for one, _ in found]
    borne = highest(every)
    failed = [one for one in every if not one.is_borne] or every
    shown = next((used for one, used in reversed(found) if borne in (one, None)), Used(at_end, at_end, 0))
    return Figures(
        burst_per_sec=round(began_at),
        highest_per_sec=borne.sent_per_sec if borne else None,
        limits=failed[-1].limits if failed else "",
        tries=every,
        processes=_processes(idle, shown, usage.most),
    )


def _processes(idle: Seen, used: Used, most: Mapping[str, float]) -> list[Process]:
    before, after = used.before, used.after
    return [
        Process(
            name=name,
            cpu_us=round((after[name][0] - before[name][0]) / max(1, used.sent) * 1e6, 1),
            idle_mib=round(idle[name][1]),
            most_mib=round(most[name]),
            after_mib=round(after[name][1]),
        )
        for name in sorted(after.keys() & before.keys() & idle.keys())
    ]
