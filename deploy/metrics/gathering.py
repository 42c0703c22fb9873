"""Looking at a stack for its numbers: the status, its processes, the newest heartbeats and checkpoints."""

import contextlib
import shutil
import threading
import time
from collections.abc import Callable

import msgspec
import psutil
import structlog

from deploy.metrics.families import Vitals, families_of
from deploy.metrics.stored import newest_stored_us
from deploy.stack.find import Stack
from deploy.stack.positions import Positions
from deploy.stack.status import see
from deploy.stack.status_rules import Seen
from schemas.errors import BurnlineError, KafkaUnavailableError
from schemas.heartbeats import TOPIC as HEARTBEATS
from schemas.heartbeats import Beat, heartbeat_from_bytes
from schemas.numbers_page import to_text

CHECKPOINTS = "internal.checkpoints"
FRESH_SEC = 5.0
"""Who asks again within that time gets the same answer: a look costs some tenths of a second."""
WAIT_SEC = 2.0
"""So long a scrape waits for a fresh look, then it gets the last one: on a busy machine, or where something is down, a
look may take longer than whoever scrapes has patience, and a page that is late is no page."""
FIRST_SEC = 30.0
_BACK = 64
_LOG = structlog.get_logger(process="watchdog")
_TIMEOUT_SEC = 5.0


class Gathering:
    """The numbers of one stack; for many threads. `look` is what is told of it."""

    def __init__(self, look: Callable[[], str], *, fresh_sec: float = FRESH_SEC, wait_sec: float = WAIT_SEC) -> None:
        self._look = look
        self._fresh_sec = fresh_sec
        self._wait_sec = wait_sec
        self._done = threading.Condition()
        self._text: str | None = None
        self._at_sec = float("-inf")
        self._looking = False

    def text(self) -> str:
        """The newest look; a fresh one, if it comes within the time that a scrape waits.

        Raises: KafkaUnavailableError: there is none yet.
        """
        with self._done:
            if time.monotonic() - self._at_sec > self._fresh_sec and not self._looking:
                self._looking = True
                threading.Thread(target=self._refresh, name="look", daemon=True).start()
        self.wait(self._wait_sec if self._text is not None else FIRST_SEC)
        return self.newest()

    def wait(self, timeout_sec: float = FIRST_SEC) -> None:
        """No look is under way, or it takes longer than this."""
        with self._done:
            self._done.wait_for(lambda: not self._looking, timeout_sec)

    def newest(self) -> str:
        """The last look. Raises: KafkaUnavailableError: there is none yet."""
        if self._text is None:
            raise KafkaUnavailableError("the stack was not looked at yet")
        return self._text

    def _refresh(self) -> None:
        found: str | None = None
        try:
            found = self._look()
        except (BurnlineError, OSError, ImportError) as error:
            _LOG.error("the stack could not be looked at", reason=str(error))
        finally:
            with self._done:
                if found is not None:
                    self._text, self._at_sec = found, time.monotonic()
                self._looking = False
                self._done.notify_all()


def look_at(stack: Stack) -> str:
    """The numbers of the stack as a scrape gets them."""
    seen = see(stack)
    return to_text(families_of(seen, _vitals(stack, seen)))


def _vitals(stack: Stack, seen: Seen) -> Vitals:
    memory, cpu = {}, {}
    for name, state in (seen.processes or {}).items():
        with contextlib.suppress(psutil.Error):
            if state.pid is not None:
                process = psutil.Process(state.pid)
                memory[name], used = process.memory_info().rss, process.cpu_times()
                cpu[name] = used.user + used.system
    beats, checkpoints = ([], {}) if seen.said is None else _newest(stack)
    free = shutil.disk_usage(stack.layout.root).free
    return Vitals(memory, cpu, beats, checkpoints, free, newest_stored_us(stack.clickhouse()))


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
        # The last place is a transaction's marker, the one before it a record.
        newest = [
            ((topic, partition), max(starts[topic, partition], end - 2))
            for (topic, partition), end in ends.items()
            if topic == CHECKPOINTS and end > starts[topic, partition]
        ]
        for ((_, partition), _), at_us in positions.append_times_us(newest).items():
            checkpoints |= {} if at_us is None else {partition: at_us}
    return beats, checkpoints
