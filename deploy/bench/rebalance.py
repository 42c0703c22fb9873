"""`burnline bench rebalance`: how long a partition waits while a worker joins, and while one leaves for good.

A broker of its own and one rating worker under a steady load on all partitions. A second worker joins; later it is
told to stop for good (SIGUSR1), as when a cluster shrinks. How far each partition is, is read from `internal.progress`
as others see it (committed). A gap is the time in which a partition did not get on, though events waited in it.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from confluent_kafka import Producer

from deploy.bench.rating_load import Load, World
from deploy.bench.rating_worker import TOPIC, in_force
from deploy.bench.workers import Workers, running_workers
from deploy.stack.positions import Positions
from producers.sending import HEADERS, producer_config
from schemas.connection import KafkaSettings
from schemas.errors import FatalError, KafkaUnavailableError
from schemas.topics import BY_NAME

Say = Callable[[str], None]
PARTITIONS = range(BY_NAME[TOPIC].partitions)
_LOOK_SEC = 0.02
_SLICE_SEC = 0.02
_START_SEC = 120.0
STAGE, _JOINS = "rating", "rating@1"
_NO_END = 1 << 60


@dataclass(frozen=True, slots=True)
class Phase:
    """What happened at its beginning, and the longest gap of each partition until its end."""

    name: str
    seconds: float
    gap_sec: Mapping[int, float]

    def most_sec(self) -> float:
        """The longest of all."""
        return max(self.gap_sec.values())


@dataclass(slots=True)
class Gaps:
    """The longest time between two looks at which a partition was further than before.

    Laws: a gap that is still open counts up to the last look; one that began before the phase belongs to it whole.
    """

    at: dict[int, tuple[int, float]] = field(default_factory=dict)
    longest_sec: dict[int, float] = field(default_factory=dict)

    def seen(self, offsets: Mapping[int, int], now_sec: float) -> None:
        """Next offsets by partition at a monotonic time; one that is missing has not got on."""
        for partition, offset in offsets.items():
            if offset > self.at.get(partition, (-1, now_sec))[0]:
                self._close(partition, now_sec)
                self.at[partition] = (offset, now_sec)

    def _close(self, partition: int, now_sec: float) -> None:
        since_sec = self.at.get(partition, (0, now_sec))[1]
        self.longest_sec[partition] = max(self.longest_sec.get(partition, 0.0), now_sec - since_sec)

    def taken(self, now_sec: float) -> dict[int, float]:
        """The longest so far, by partition; they begin anew."""
        for partition in self.at:
            self._close(partition, now_sec)
        found, self.longest_sec = dict(self.longest_sec), {}
        return found


@dataclass(slots=True)
class Watched:
    """Looks at a running worker group: how far it is, and that all of it lives."""

    workers: Workers
    positions: Positions
    load_failed: list[Exception]
    gaps: Gaps = field(default_factory=Gaps)

    def look(self) -> None:
        """Once. Raises: FatalError: a worker ended. KafkaUnavailableError."""
        if self.load_failed:
            raise self.load_failed[0]
        self.workers.check()
        told = self.positions.progress()
        places = {place: told.get((STAGE, TOPIC, place)) for place in PARTITIONS}
        offsets = {place: found.progress.next_offset for place, found in places.items() if found is not None}
        self.gaps.seen(offsets, time.monotonic())
        time.sleep(_LOOK_SEC)

    def all_get_on(self) -> None:
        """Every partition has been read from. Raises: as `look`; FatalError: not in time."""
        began_sec = time.monotonic()
        while len(self.gaps.at) < len(PARTITIONS):
            self.look()
            if time.monotonic() - began_sec > _START_SEC:
                raise FatalError(f"the {STAGE} worker read nothing within {_START_SEC:.0f} s")
        self.gaps.taken(time.monotonic())

    def phase(self, name: str, seconds: float) -> Phase:
        """So long. Raises: as `look`."""
        until_sec = time.monotonic() + seconds
        while time.monotonic() < until_sec:
            self.look()
        return Phase(name, seconds, self.gaps.taken(time.monotonic()))


def measured(
    kafka: KafkaSettings, world: World, *, rate_per_sec: float, seconds: float, say: Say = lambda _line: None
) -> list[Phase]:
    """The gaps with one worker, while a second joins, with two, and while it leaves; each so many seconds.

    Raises: KafkaUnavailableError. FatalError: a worker ended, or did not begin.
    """
    in_force(kafka, world)
    with (
        running_workers(kafka, [STAGE]) as workers,
        Positions(kafka) as positions,
        _in_the_background(_steady_load, kafka, world, rate_per_sec) as failed,
    ):
        return _phases(Watched(workers, positions, failed), rate_per_sec, seconds, say)


def _phases(watched: Watched, rate_per_sec: float, seconds: float, say: Say) -> list[Phase]:
    def phase(name: str) -> Phase:
        say(f"{name}: {rate_per_sec:,.0f} events/s for {seconds:.0f} s")
        return watched.phase(name, seconds)

    say("waiting for the first worker")
    watched.all_get_on()
    alone = phase("one worker")
    watched.workers.begin(_JOINS)
    joined = [phase("a second one joins"), phase("two workers")]
    watched.workers.leaves(_JOINS)
    return [alone, *joined, phase("it leaves for good")]


@contextmanager
def _in_the_background(work: Callable[..., None], *arguments: object) -> Iterator[list[Exception]]:
    """`work(stop, *arguments)` in a thread until the block ends; what it raised stands in the list."""
    stop, failed = threading.Event(), list[Exception]()

    def run() -> None:
        try:
            work(stop, *arguments)
        except Exception as error:  # noqa: BLE001  told by the reader of the list, in its own thread
            failed.append(error)

    thread = threading.Thread(target=run, name="load")
    thread.start()
    try:
        yield failed
    finally:
        stop.set()
        thread.join()


def _steady_load(stop: threading.Event, kafka: KafkaSettings, world: World, rate_per_sec: float) -> None:
    """Events on all partitions in turns, at a rate. Raises: KafkaUnavailableError: they are not taken."""
    producer = Producer({**producer_config(kafka), "linger.ms": 5, "log_level": 0, "error_cb": lambda _error: None})
    topic, began_sec, sent = kafka.topic(TOPIC), time.monotonic(), 0
    made = Load(world, began_us=int(time.time() * 1e6)).events(_NO_END)
    while not stop.wait(_SLICE_SEC):
        due = int((time.monotonic() - began_sec) * rate_per_sec) - sent
        for key, value in islice(made, due):
            producer.produce(topic, value, key=key, headers=list(HEADERS), partition=sent % len(PARTITIONS))
            sent += 1
        producer.poll(0)
    if left := producer.flush(60):
        raise KafkaUnavailableError(f"{left} of {sent} events were not taken")
