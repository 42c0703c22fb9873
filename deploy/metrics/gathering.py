"""Looking at a stack for its numbers: the status, its processes, the newest heartbeats and checkpoints."""

import contextlib
import shutil
import threading
import time

import msgspec
import psutil

from deploy.metrics.exposition import to_text
from deploy.metrics.families import Vitals, families_of
from deploy.stack.find import Stack
from deploy.stack.positions import Positions
from deploy.stack.status import see
from deploy.stack.status_rules import Seen
from schemas.errors import KafkaUnavailableError
from schemas.heartbeats import TOPIC as HEARTBEATS
from schemas.heartbeats import Beat, heartbeat_from_bytes

CHECKPOINTS = "internal.checkpoints"
FRESH_SEC = 5.0
"""Who asks again within that time gets the same answer: a look costs some tenths of a second."""
_BACK = 64
_TIMEOUT_SEC = 5.0


class Gathering:
    """The numbers of one stack; for many threads."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._lock = threading.Lock()
        self._text = ""
        self._at_sec = float("-inf")

    def text(self) -> str:
        """The numbers as a scrape gets them, at most FRESH_SEC old."""
        with self._lock:
            if time.monotonic() - self._at_sec > FRESH_SEC:
                seen = see(self._stack)
                self._text = to_text(families_of(seen, _vitals(self._stack, seen)))
                self._at_sec = time.monotonic()
            return self._text


def _vitals(stack: Stack, seen: Seen) -> Vitals:
    memory, cpu = {}, {}
    for name, state in (seen.processes or {}).items():
        with contextlib.suppress(psutil.Error):
            if state.pid is not None:
                process = psutil.Process(state.pid)
                memory[name], used = process.memory_info().rss, process.cpu_times()
                cpu[name] = used.user + used.system
    beats, checkpoints = ([], {}) if seen.said is None else _newest(stack)
    return Vitals(memory, cpu, beats, checkpoints, shutil.disk_usage(stack.layout.root).free)


def _newest(stack: Stack) -> tuple[list[Beat], dict[int, int]]:
    beats: list[Beat] = []
    checkpoints: dict[int, int] = {}
    with contextlib.suppress(KafkaUnavailableError), Positions(stack.kafka(), timeout_sec=_TIMEOUT_SEC) as positions:
        topics = (HEARTBEATS, CHECKPOINTS)
        starts, ends = positions.starts(topics), positions.readable_ends(topics)
        place = (HEARTBEATS, 0)
        for value in positions.values(place, max(starts[place], ends[place] - _BACK), ends[place]):
            with contextlib.suppress(msgspec.MsgspecError):
                beats.append(heartbeat_from_bytes(value))
        for (topic, partition), end in ends.items():
            if topic == CHECKPOINTS and end > starts[topic, partition]:
                # The last place is a transaction's marker, the one before it a record.
                at_us = positions.append_time_us((topic, partition), max(starts[topic, partition], end - 2))
                checkpoints |= {} if at_us is None else {partition: at_us}
    return beats, checkpoints
