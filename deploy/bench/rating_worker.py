"""`burnline bench rating`: CPU seconds that rating workers take for a topic full of events, on a real Kafka.

1. A broker of its own, with the simulated company's budgets and directory in force; workers as `burnline up` runs them.
2. Some events first, which are not measured. Then rounds: workers are stopped (SIGSTOP) until a load stands in the
   topic, so that they read full batches; what they take until they have committed all of it is measured.
Everything is in it: fetching, checking, transactions, ticks. With several workers, each has its share of partitions.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from deploy.bench.peers_job import Event
from deploy.bench.rating_load import Load, World
from deploy.bench.rating_pieces import Spread, spread_of
from deploy.bench.workers import Workers, running_workers, send
from deploy.policy_log import send_change
from schemas.connection import KafkaSettings
from schemas.policies import PolicyChange
from schemas.signals import rfc3339
from schemas.topics import BY_NAME

Say = Callable[[str], None]
TOPIC = "usage.events"
_TIMEOUT_SEC = 300.0
_SENT_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What so many workers took, all of them together, CPU microseconds per event."""

    workers: int
    events: int
    rounds: int
    event_bytes: float
    us_per_event: Spread
    user_us: Spread
    system_us: Spread
    per_cpu_sec: int
    per_wall_sec: int
    busiest_worker_share: float


def measured(  # noqa: PLR0913  made in one place, by name
    kafka: KafkaSettings, world: World, *, workers: int = 1, events: int, rounds: int, warm_events: int,
    say: Say = lambda _line: None,
) -> Worked:  # fmt: skip
    """The figures of `rounds` loads of so many events, on a broker with empty topics.

    Raises: KafkaUnavailableError. FatalError: a worker ended.
    """
    names = ["rating", *(f"rating@{number}" for number in range(1, workers))]
    load = Load(world, began_us=int(time.time() * 1e6))
    with running_workers(kafka, names) as running:
        in_force(kafka, world)
        say(f"{warm_events:,} events before anything is measured")
        _round(running, kafka, load, warm_events)
        user, system, wall, shares = [], [], [], []
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}: {events:,} events, {workers} workers")
            before = [running.times_sec(name) for name in names]
            wall.append(_round(running, kafka, load, events))
            taken = [
                (now[0] - then[0], now[1] - then[1])
                for now, then in zip([running.times_sec(name) for name in names], before, strict=True)
            ]
            user.append(sum(one[0] for one in taken))
            system.append(sum(one[1] for one in taken))
            shares.append(max(sum(one) for one in taken) / sum(sum(one) for one in taken))
    every = spread_of([a + b for a, b in zip(user, system, strict=True)], events)
    return Worked(
        workers=workers,
        events=events,
        rounds=rounds,
        event_bytes=round(world.mean_bytes(), 1),
        us_per_event=every,
        user_us=spread_of(user, events),
        system_us=spread_of(system, events),
        per_cpu_sec=round(1e6 / every.median),
        per_wall_sec=round(events / sorted(wall)[len(wall) // 2]),
        busiest_worker_share=round(max(shares), 2),
    )


def in_force(kafka: KafkaSettings, world: World) -> None:
    """The company's policies stand in the log, where workers read them before their first batch."""
    at = rfc3339(datetime.now(UTC))
    send_change(kafka, PolicyChange(change_id="bench", actor="bench rating", at=at, files=(), sets=world.policies))


def _round(running: Workers, kafka: KafkaSettings, load: Load, events: int) -> float:
    """Seconds until a load that stood in the topic was through."""
    topic = kafka.topic(BY_NAME[TOPIC].name)
    with running.held():
        made = load.events(events)
        while some := [Event(key, value, 0) for key, value in islice(made, _SENT_AT_ONCE)]:
            send(kafka, topic, some)
    return running.through(timeout_sec=_TIMEOUT_SEC).wall_sec
