"""A broker and the workers of some stages in a temporary directory, for benchmarks that measure their CPU seconds.

While a load is made, workers are stopped (SIGSTOP), so that they begin with a full topic and nobody makes load beside
them; a stop is much shorter than their session.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from confluent_kafka import Producer

from deploy.bench.peers_job import Event
from deploy.stack.kafka_broker import running_kafka
from deploy.stack.kafka_jars import default_directory, find_kafka
from deploy.stack.positions import Positions
from deploy.stack.programs import REPOSITORY
from deploy.topics_admin import apply_topics
from producers.sending import HEADERS, producer_config
from schemas.connection import KafkaSettings
from schemas.errors import FatalError, KafkaUnavailableError

SESSION_SEC = "60"
_READS = {"rating": "usage.events", "burn": "internal.deltas", "sink": "internal.rated"}
_LOOK_SEC = 0.05
_STOP_SEC = 30.0
_LOG_TAIL = 1500


@contextmanager
def fresh_broker() -> Iterator[KafkaSettings]:
    """An empty broker of its own with Burnline's topics; nothing of it is left afterwards.

    Raises: SettingsError: Kafka is not installed. KafkaUnavailableError.
    """
    with (
        tempfile.TemporaryDirectory(prefix="burnline-bench-", ignore_cleanup_errors=True) as folder,
        running_kafka(Path(folder), find_kafka(default_directory(Path(sys.prefix)))) as broker,
    ):
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        apply_topics(kafka)
        yield kafka


@dataclass(frozen=True, slots=True)
class Used:
    """CPU seconds that each stage took for a load, and seconds until both were through with it."""

    cpu_sec: Mapping[str, float]
    wall_sec: float


class Workers:
    """Workers on a broker, by name: `rating` is the only one of its stage, `rating@1` its second; `running_workers`."""

    def __init__(self, kafka: KafkaSettings, environment: Mapping[str, str], folder: Path) -> None:
        self._kafka, self._environment, self._folder = kafka, environment, folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._left: set[str] = set()

    def begin(self, name: str) -> None:
        """One more runs; its name is new."""
        with self._log(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", *_command(name)],
                cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def leaves(self, name: str) -> None:
        """It is told to stop for good: its partitions go to the others at once."""
        self._processes[name].send_signal(signal.SIGUSR1)
        self._left.add(name)

    def check(self) -> None:
        """All of them live that were not told to leave. Raises: FatalError: one has ended."""
        for name in self._processes.keys() - self._left:
            self.times_sec(name)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside the block none of them runs."""
        for process in self._processes.values():
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in self._processes.values():
                process.send_signal(signal.SIGCONT)

    def cpu_sec(self, stage: str) -> float:
        """What a worker has taken so far, user and system, all threads. Raises: FatalError: it has ended."""
        return sum(self.times_sec(stage))

    def times_sec(self, stage: str) -> tuple[float, float]:
        """(user, system) of `cpu_sec`. Raises: FatalError: it has ended."""
        process = self._processes[stage]
        if process.poll() is not None:
            tail = self._log(stage).read_text(errors="replace")[-_LOG_TAIL:]
            raise FatalError(f"the {stage} worker ended with code {process.returncode}:\n{tail}")
        times = psutil.Process(process.pid).cpu_times()
        return float(times.user), float(times.system)

    def through(self, *, timeout_sec: float) -> Used:
        """What the stages take from now on until they are through with all that was sent.

        Raises: FatalError: a worker ended, or they are not through in time. KafkaUnavailableError.
        """
        began, before = time.monotonic(), {stage: self.cpu_sec(stage) for stage in self._processes}
        used: dict[str, float] = {}
        with Positions(self._kafka) as positions:
            for stage in self._processes:
                ends = positions.readable_ends([_READS[_stage(stage)]])
                while not self._is_through(positions, _stage(stage), ends):
                    self.cpu_sec(stage)
                    if time.monotonic() - began > timeout_sec:
                        raise FatalError(f"{stage} was not through within {timeout_sec:.0f} s")
                    time.sleep(_LOOK_SEC)
                used[stage] = self.cpu_sec(stage) - before[stage]
        return Used(used, time.monotonic() - began)

    @staticmethod
    def _is_through(positions: Positions, stage: str, ends: Mapping[tuple[str, int], int]) -> bool:
        told = positions.progress()
        for (topic, partition), end in ends.items():
            found = told.get((stage, topic, partition))
            if end and (found is None or found.progress.next_offset < end):
                return False
        return True

    def _log(self, stage: str) -> Path:
        return self._folder / f"{stage}.log"

    def end(self) -> None:
        """All have ended."""
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SEC)
            process.kill()
            process.wait()


def _stage(name: str) -> str:
    return name.partition("@")[0]


def _command(name: str) -> tuple[str, ...]:
    stage, _, instance = name.partition("@")
    return ("sinks",) if stage == "sink" else ("streams", stage, "--instance", instance or "0")


@contextmanager
def running_workers(
    kafka: KafkaSettings, stages: Sequence[str] = ("rating", "burn"), *, more: Mapping[str, str] | None = None
) -> Iterator[Workers]:
    """A worker of each stage as a process inside the block, none after it; several of one are `rating`, `rating@1`.

    `more` stands beside the rest in their environment.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BURNLINE_")}
    environment |= {
        "BURNLINE_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "BURNLINE_KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
        "BURNLINE_KAFKA_GROUP_PREFIX": kafka.group_prefix,
        "BURNLINE_STREAMS_SESSION_TIMEOUT_SEC": SESSION_SEC,
        "PYTHONPATH": str(REPOSITORY),
        **(more or {}),
    }
    with tempfile.TemporaryDirectory(prefix="burnline-bench-") as folder:
        workers = Workers(kafka, environment, Path(folder))
        try:
            for stage in stages:
                workers.begin(stage)
            yield workers
        finally:
            workers.end()


def send(kafka: KafkaSettings, topic: str, some: Sequence[Event], *, partition: int | None = None) -> None:
    """All are acknowledged; by their key, or into one partition. Raises: KafkaUnavailableError."""
    producer = Producer({**producer_config(kafka), "log_level": 0, "error_cb": lambda _error: None})
    where = {} if partition is None else {"partition": partition}
    for event in some:
        while True:
            try:
                producer.produce(topic, event.value, key=event.key, headers=list(HEADERS), **where)
                break
            except BufferError:
                producer.poll(0.05)
    if left := producer.flush(60):
        raise KafkaUnavailableError(f"{left} of {len(some)} events were not taken")
