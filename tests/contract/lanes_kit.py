"""What the tests of lanes need: a place of their own on the broker, workers as processes, and what was said there.

Long because a place, its workers and its readers are set up and torn down together.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.connection import KafkaSettings
from schemas.progress import Progress, latest_progress
from schemas.topics import BY_NAME
from tests.contract import lanes_counting as counting

ROOT = Path(__file__).parents[2]
TOPICS = (
    counting.SOURCE,
    counting.OUT,
    counting.BROADCAST,
    counting.CHECKPOINTS,
    "internal.progress",
    "usage.policies",
)


def until(true: Callable[[], bool], what: str, *, timeout_sec: float = 60.0) -> None:
    """Returns when it is true. Raises: TimeoutError."""
    deadline = time.monotonic() + timeout_sec
    poll, pause_sec = threading.Event(), 0.02
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        poll.wait(pause_sec)
        pause_sec = min(1.5 * pause_sec, 0.3)  # what is asked is read from Kafka, and not without end


class Place:
    """Topics and groups under a prefix of their own; reads are `read_committed`."""

    def __init__(self, bootstrap_servers: str, prefix: str, **login: Any) -> None:
        self.kafka = KafkaSettings(
            bootstrap_servers=bootstrap_servers, topic_prefix=f"{prefix}.", group_prefix=f"{prefix}-", **login
        )
        self.admin = AdminClient({**self.kafka.to_confluent(), "log_level": 0})
        self.group = f"{prefix}-{counting.STAGE}"

    def create_topics(self, names: Iterable[str] = TOPICS) -> None:
        """The topics are there, as declared."""
        wanted = [
            NewTopic(self.kafka.topic(name), BY_NAME[name].partitions, 1, config=BY_NAME[name].config())
            for name in names
        ]
        for done in self.admin.create_topics(wanted).values():
            done.result(30)
        until(
            lambda: {topic.topic for topic in wanted} <= self.admin.list_topics(timeout=10).topics.keys(), "new topics"
        )

    def producer(self, **more: Any) -> confluent_kafka.Producer:
        """An idempotent producer."""
        return confluent_kafka.Producer(
            {**self.kafka.to_confluent(), "enable.idempotence": True, "linger.ms": 5, "log_level": 0, **more}
        )

    def produce(self, values: Sequence[int], *, producer: confluent_kafka.Producer | None = None) -> None:
        """One source record for each value, spread over the partitions."""
        mine = producer or self.producer()
        for value in values:
            mine.produce(self.kafka.topic(counting.SOURCE), str(value).encode(), partition=value % 4)
            mine.poll(0)
        mine.flush(30)

    def send(self, topic: str, value: bytes, *, key: bytes | None = None, partition: int = 0) -> None:
        """One record."""
        mine = self.producer()
        mine.produce(self.kafka.topic(topic), value, key=key, partition=partition)
        mine.flush(30)

    def ends(self, topic: str) -> list[int]:
        """The high watermark of each partition."""
        with_ends = confluent_kafka.Consumer({**self.kafka.to_confluent(), "group.id": "ends", "log_level": 0})
        try:
            return [
                with_ends.get_watermark_offsets(
                    confluent_kafka.TopicPartition(self.kafka.topic(topic), partition), timeout=10
                )[1]
                for partition in range(BY_NAME[topic].partitions)
            ]
        finally:
            with_ends.close()

    def read(self, topic: str, partition: int) -> list[Any]:
        """Every committed message of a partition, in order."""
        reader = confluent_kafka.Consumer(
            {
                **self.kafka.to_confluent(),
                "group.id": "reader",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 50,
                "log_level": 0,
            }
        )
        found: list[Any] = []
        try:
            reader.assign([confluent_kafka.TopicPartition(self.kafka.topic(topic), partition, 0)])
            while True:
                message = reader.poll(10)
                if message is None:
                    raise TimeoutError(topic)
                if message.error() is not None:
                    return found
                found.append(message)
        finally:
            reader.close()

    def read_json(self, topic: str, partition: int) -> list[Any]:
        """The same, decoded."""
        return [json.loads(message.value()) for message in self.read(topic, partition)]

    def progress(self, topic: str = counting.SOURCE) -> dict[int, Progress]:
        """How far the counting stage says it is with a topic, by partition."""
        newest = latest_progress([message.value() for message in self.read("internal.progress", 0)])
        mine = (counting.STAGE, topic)
        return {partition: progress for (*of, partition), progress in newest.items() if tuple(of) == mine}

    def committed(self, partition: int, topic: str = counting.SOURCE) -> int:
        """The group's committed offset."""
        asked = self.admin.list_consumer_group_offsets(
            [
                confluent_kafka.ConsumerGroupTopicPartitions(
                    self.group, [confluent_kafka.TopicPartition(self.kafka.topic(topic), partition)]
                )
            ],
        )
        return int(asked[self.group].result(10).topic_partitions[0].offset)

    def wait_done(self, *, timeout_sec: float = 60.0) -> None:
        """Every source record has been concluded on."""
        ends = self.ends(counting.SOURCE)

        def done() -> bool:
            progress = self.progress()
            return all(end == 0 or (p in progress and progress[p].next_offset >= end) for p, end in enumerate(ends))

        until(done, f"progress {self.progress()} up to {ends}", timeout_sec=timeout_sec)


class WorkerProcess:
    """A worker as a process, and what it logs."""

    def __init__(self, place: Place, *command: str, **settings: str) -> None:
        self.lines: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "BURNLINE_KAFKA_BOOTSTRAP_SERVERS": place.kafka.bootstrap_servers,
                "BURNLINE_KAFKA_TOPIC_PREFIX": place.kafka.topic_prefix,
                "BURNLINE_KAFKA_GROUP_PREFIX": place.kafka.group_prefix,
                "BURNLINE_STREAMS_SESSION_TIMEOUT_SEC": "6",
                "BURNLINE_STREAMS_TICK_INTERVAL_SEC": "0.3",
                **settings,
            },
        )
        self._reader = threading.Thread(target=self._read_lines, daemon=True)
        self._reader.start()

    def _read_lines(self) -> None:
        if self._process.stderr is not None:
            with self._process.stderr as lines:
                for line in lines:
                    self.lines.append(json.loads(line) if line.startswith("{") else {"event": line.rstrip()})

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one kind."""
        return [line for line in self.lines if line["event"] == event]

    def wait_said(self, event: str, *, times: int = 1, timeout_sec: float = 30.0) -> list[dict[str, Any]]:
        """The same, once there are that many."""
        until(lambda: len(self.said(event)) >= times, f"{event!r} in {self.lines}", timeout_sec=timeout_sec)
        return self.said(event)

    def freeze(self) -> None:
        """SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def wait(self, timeout_sec: float = 30.0) -> int:
        """The exit code, once it has ended."""
        code = self._process.wait(timeout_sec)
        self._reader.join(10)
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code after a signal."""
        self._process.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL; gone for certain."""
        self._process.kill()
        self.wait()


class CountingWorker(WorkerProcess):
    """One worker of the counting stage."""

    def __init__(self, place: Place, instance: str, *, silent: Sequence[str] = (), **settings: str) -> None:
        super().__init__(place, "tests.contract.lanes_counting", instance, *silent, **settings)


def require_exact(place: Place) -> None:
    """Raises AssertionError unless each source record was concluded on exactly once, in order, and all records agree.

    Workers must have ended. The clock's law with it: in each broadcast partition, what a lane read after it had claimed
    a time was not appended before that time, and no lane's time ever falls.
    """
    progress = place.progress()
    for partition in range(4):
        source = place.read(counting.SOURCE, partition)
        said = place.read_json(counting.OUT, partition)
        assert [message.offset() for message in source] == [offset for line in said for offset in line["offsets"]]
        assert sum(int(message.value()) for message in source) == sum(line["sum"] for line in said)
        assert place.committed(partition) <= progress[partition].next_offset
        assert progress[partition].next_offset == place.ends(counting.SOURCE)[partition]
        claimed: dict[int, int] = {}
        for line in place.read_json(counting.BROADCAST, partition):
            before = claimed.get(line["lane"], 0)
            assert line["log_time_us"] >= before
            assert line["first_us"] is None or line["first_us"] >= before
            claimed[line["lane"]] = line["log_time_us"]
        assert {lane: progress[lane].log_time_us for lane in claimed} == claimed
