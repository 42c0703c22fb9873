"""A disk that fails, a Kafka that goes away, and processes that die: what the spool's laws are tried in."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaError

from burnline_client.deliveries import Deliveries
from burnline_client.spool import Spool, Sync
from burnline_client.spool_disk import SpoolFile, SpoolFolder
from burnline_client.spool_frames import Record
from burnline_client.spool_sender import Sender

TOPIC = "usage.events"


class WeakFile(SpoolFile):
    """A file on a disk that may be full, or not sync; it writes as much as still fits, as disks do."""

    disk: "WeakFolder"

    def sync(self) -> None:
        """Synced, where the disk can."""
        if self.disk.sync_fails:
            raise OSError(errno.EIO, "Input/output error")
        super().sync()

    def _write(self, data: bytes, at: int) -> int:
        if self.disk.free_bytes is None:
            return super()._write(data, at)
        if self.disk.free_bytes == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = super()._write(data[: self.disk.free_bytes], at)
        self.disk.free_bytes -= written
        return written


class WeakFolder(SpoolFolder):
    """A real folder whose disk does as it is told; `die` lets go of every file as the death of a process does."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.free_bytes: int | None = None
        self.sync_fails = False
        self.files: list[WeakFile] = []

    def die(self) -> None:
        """Every lock is free; what was written is there."""
        for file in self.files:
            file.close()

    def lose_power(self, keep: Callable[[int], int]) -> None:
        """As `die`, and of each file only what was synced is sure: `keep(n)` of the n bytes after that remain."""
        self.die()
        for file in self.files:
            if file.path.exists():
                os.truncate(file.path, file.synced + keep(file.size - file.synced))

    def _file(self, path: Path, descriptor: int, *, size: int) -> SpoolFile:
        file = WeakFile(path, descriptor, size=size)
        file.disk = self
        self.files.append(file)
        return file


@dataclass
class Broker:
    """Kafka as the sender meets it: it takes up to `room` events, and tells of them when `answer` is called."""

    up: bool = True
    room: int = 1_000_000
    got: list[tuple[str, Record]] = field(default_factory=list)
    under_way: list[tuple[str, Record, Callable[[KafkaError | None], None]]] = field(default_factory=list)

    def send(self, topic: str, record: Record, told: Callable[[KafkaError | None], None]) -> bool:
        """Whether there was room."""
        if len(self.under_way) >= self.room:
            return False
        self.under_way.append((topic, record, told))
        return True

    def answer(self, count: int | None = None, error: KafkaError | None = None) -> None:
        """The first `count` (all) are told: stored, or refused with this error. One that is down stays silent."""
        if not self.up:
            return
        asked, self.under_way = self.under_way[:count], self.under_way[len(self.under_way[:count]) :]
        for topic, record, told in asked:
            if error is None:
                self.got.append((topic, record))
            told(error)


@dataclass
class Process:
    """One process with a spool on this folder."""

    path: Path
    broker: Broker
    max_bytes: int = 10**9
    sync: Sync = "never"
    topic: str = TOPIC
    deliveries: Deliveries = field(default_factory=Deliveries)

    def __post_init__(self) -> None:
        self.folder = WeakFolder(self.path)
        self._names = iter(range(10**9))
        self.spool = Spool(
            self.folder,
            topic=self.topic,
            max_bytes=self.max_bytes,
            sync=self.sync,
            name_of_next=lambda: f"{next(self._names):06d}",
        )
        self.sender = Sender(self.spool, self.broker, self.deliveries)

    def drain(self, now_sec: float = 1e9) -> None:
        """All that can be delivered is."""
        for _ in range(10_000):
            self.sender.step(now_sec)
            self.broker.answer()
            now_sec += 1000
            if self.sender.idle:
                self.spool.tidy(now_sec)
                return
        raise AssertionError("the spool did not become idle")
