"""Watches one promise while everything is being hurt: what the sink calls stored is stored, and stays so."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from deploy.stack.positions import Positions
from deploy.store_client import QueryError, rows
from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError, StoreUnavailableError
from schemas.internal import from_arrow_bytes
from streams.ports import SourceRecord
from tests.faults.reading import read_each
from tests.faults.world import World

_RATED = "internal.rated"
_IDS_AT_ONCE = 4000


@dataclass
class Watch:
    """Looks every `every_sec` in a thread of its own; `wrong` holds each broken promise."""

    world: World
    every_sec: float = 8.0
    looks: int = 0
    checked: int = 0
    wrong: list[str] = field(default_factory=list)
    _read: dict[int, int] = field(default_factory=dict)
    _ids: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """It looks."""
        self._thread = threading.Thread(target=self._run, name="watch")
        self._thread.start()

    def stop(self) -> None:
        """It looks no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self.every_sec):
            try:
                self.look()
            except (KafkaUnavailableError, StoreUnavailableError, QueryError):
                continue  # one of them is being hurt; the promise is asked for again with the next look

    def look(self) -> None:
        """Every event below the sink's progress that was not looked for before is in `usage_events`."""
        kafka = self.world.kafka()
        with Positions(kafka, timeout_sec=3) as positions:
            said = positions.progress()
        for (stage, topic, partition), found in sorted(said.items()):
            if (stage, topic) == ("sink", _RATED):
                self._look_at(kafka, partition, found.progress.next_offset)
        self.looks += 1

    def _look_at(self, kafka: KafkaSettings, partition: int, next_offset: int) -> None:
        waiting = self._ids.setdefault(partition, [])
        self._read[partition] = read_each(
            kafka, _RATED, partition, _ids_into(waiting), from_offset=self._read.get(partition, 0)
        )
        claimed = [id_ for offset, id_ in waiting if offset < next_offset]
        for start in range(0, len(claimed), _IDS_AT_ONCE):
            some = claimed[start : start + _IDS_AT_ONCE]
            settings = self.world.found().clickhouse()
            query = "SELECT id FROM usage_events WHERE id IN {ids:Array(String)}"
            stored = {row["id"] for row in rows(settings, query, {"ids": sorted(set(some))})}
            absent = sorted(set(some) - stored)
            if absent:
                self.wrong.append(f"{_RATED}/{partition} below {next_offset}: {len(absent)} absent, {absent[:3]}")
        self.checked += len(claimed)
        self._ids[partition] = [(offset, id_) for offset, id_ in waiting if offset >= next_offset]


def _ids_into(waiting: list[tuple[int, str]]) -> Callable[[SourceRecord], None]:
    def take(record: SourceRecord) -> None:
        waiting.extend((record.offset, id_) for id_ in from_arrow_bytes(record.value or b"")["id"].to_pylist())

    return take
