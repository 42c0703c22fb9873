"""`python -m deploy.stack.watchdog`: kills processes of the stack that hang; the supervisor starts them anew.

The supervisor sees who dies. Who lives and does nothing is seen here: Kafka or ClickHouse does not answer, rating does
not tick, any stage does not move on a partition on which there is something to read. A transaction that the broker
never ends is said, not mended: it outlives the broker's restart, and only a person may end it (docs/operating.md).
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import structlog

from deploy.json_lines import json_lines
from deploy.metrics.gathering import Gathering, look_at
from deploy.settings import read_watchdog_settings
from deploy.stack.find import Stack, find_stack
from deploy.stack.health import AWAY, clickhouse_check, collector_check, kafka_check
from deploy.stack.position_rules import READS, Place, Said, StagePlace, behind
from deploy.stack.positions import PROGRESS, Positions
from deploy.stack.processes import STACK_DIR_VARIABLE
from deploy.stack.telling import LOG, NOTIFIER
from deploy.stack.watchdog_rules import Held, Look, Watched, first_words, held, step
from schemas.errors import BurnlineError, FatalError, KafkaUnavailableError, SettingsError
from schemas.numbers_page import serve_text

_LOG = structlog.get_logger(process="watchdog")
_UNANSWERED = ""
TICKS: Mapping[str, tuple[str, ...]] = {"rating": ("usage.events",), "burn": (), "patterns": (), "sink": ()}
"""The topics on whose partitions a stage speaks every few seconds, whatever there is to read."""


class Watchdog:
    """Looks at one stack again and again."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._supervisor = stack.supervisor()
        self._checks = {"kafka": kafka_check(stack.kafka()), "clickhouse": clickhouse_check(stack.clickhouse())}
        if stack.record.collector_port:
            self._checks["collector"] = collector_check(stack.record.collector_port)
        self._positions = Positions(stack.kafka(), timeout_sec=5)
        self._watched: dict[str, Watched] = {}
        self._held: Held | None = None
        self._stuck = False
        self._unread = False

    def look(self, hang_sec: float) -> list[str]:
        """Who was hung at this look, and was killed for it. Raises: FatalError: the supervisor is gone."""
        signs = {name: None if check() in {None, AWAY} else _UNANSWERED for name, check in self._checks.items()}
        if signs["kafka"] is None:
            self._look_for_held()
        well = frozenset(name for name, sign in signs.items() if sign is None)
        if "kafka" in well:
            signs |= self._stage_signs()
        looks = self._looks(signs)
        before = self._watched
        self._watched, hung = step(before, looks, well=well, now_sec=time.monotonic(), hang_sec=hang_sec)
        for name in first_words(before, self._watched):
            _LOG.info("has given its first sign of life", program=name, pid=looks[name].pid)
        for name in hung:
            _LOG.warning("hung, killed; the supervisor starts it anew", program=name, pid=looks[name].pid)
            os.kill(looks[name].pid, signal.SIGKILL)
        return hung

    def _looks(self, signs: Mapping[str, str | None]) -> dict[str, Look]:
        """The running processes that have a sign."""
        return {
            name: Look(state.pid, signs[name])
            for name, state in self._supervisor.processes().items()
            if state.state == "RUNNING" and state.pid is not None and name in signs
        }

    def _look_for_held(self) -> None:
        """Says once if the broker holds a transaction on `internal.progress` open for longer than ours may last."""
        now_sec = time.monotonic()
        try:
            readable = self._positions.readable_ends([PROGRESS])[PROGRESS, 0]
            end = self._positions.ends([PROGRESS])[PROGRESS, 0]
        except KafkaUnavailableError:
            return
        self._held = held(self._held, readable=readable, end=end, now_sec=now_sec)
        before, self._stuck = self._stuck, self._held is not None and self._held.too_long(now_sec=now_sec)
        if self._stuck and not before:
            _LOG.error(
                "Kafka never ended a transaction, so nobody reads on; docs/operating.md says what to do",
                topic=PROGRESS,
                readable=readable,
                end=end,
            )

    def _stage_signs(self) -> dict[str, str | None]:
        """What changes when a stage does something."""
        try:
            said = self._positions.progress()
            ends = self._positions.readable_ends({topic for topics in READS.values() for topic in topics})
            signs = {stage: self._stage_sign(stage, said, ends) for stage in READS}
            word = said.get((NOTIFIER, *LOG))  # a route that takes nothing holds its positions, not its word there
            signs[NOTIFIER] = str(word.offset if word is not None else -1)
        except KafkaUnavailableError as error:
            if not self._unread:
                _LOG.warning("positions cannot be read, though Kafka answers", reason=str(error))
            self._unread = True
            return {}
        self._unread = False
        return signs

    def _stage_sign(self, stage: str, said: Mapping[StagePlace, Said], ends: Mapping[Place, int]) -> str | None:
        """Changes when the stage has spoken again wherever it should; None where there is nothing that it should do.

        It is the offset in `internal.progress` of the last word on the partition that has been silent longest.
        Raises: KafkaUnavailableError: no answer in time.
        """
        known = self._watched.get(stage)
        for offset, place in should_speak(stage, said, ends):
            suspect = known is not None and known.sign == str(offset)
            if not suspect or place[0] in TICKS[stage] or self._holds_record(said, (stage, *place)):
                return str(offset)
        return None

    def _holds_record(self, said: Mapping[StagePlace, Said], place: StagePlace) -> bool:
        """Whether a record waits there; behind the last one there may be markers of transactions alone."""
        next_offset = said[place].progress.next_offset if place in said else 0
        return self._positions.append_time_us(place[1:], next_offset) is not None


def should_speak(stage: str, said: Mapping[StagePlace, Said], ends: Mapping[Place, int]) -> list[tuple[int, Place]]:
    """The partitions on which the stage has something to read or speaks anyway; the longest silent one first."""
    mine = {place: end for place, end in ends.items() if place[0] in READS[stage]}
    waiting = {(one.topic, one.partition) for one in behind(stage, mine, said)}
    waiting |= {place for place in mine if place[0] in TICKS[stage]}
    return sorted((said[stage, *place].offset if (stage, *place) in said else -1, place) for place in waiting)


def main() -> int:
    """0 after SIGTERM; 1 when the stack cannot be watched."""
    json_lines("watchdog")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = read_watchdog_settings()
        watchdog = Watchdog(_own_stack())
        _LOG.info("watching", hang_sec=settings.hang_sec)
        _serve_metrics(watchdog.stack)
        while not stop.wait(settings.look_sec):
            watchdog.look(settings.hang_sec)
    except BurnlineError as error:
        _LOG.critical("ends", reason=str(error))
        return 1
    return 0


def _serve_metrics(stack: Stack) -> None:
    """The page of numbers is there; without its port the watchdog does its other work."""
    port = stack.record.metrics_port
    if not port:
        return
    try:
        serve_text(port, Gathering(lambda: look_at(stack)).text)
    except OSError as error:
        _LOG.error("no metrics", port=port, reason=str(error))


def _own_stack() -> Stack:
    directory = os.environ.get(STACK_DIR_VARIABLE)
    if not directory:
        raise SettingsError(f"{STACK_DIR_VARIABLE} is not set; the supervisor of a stack starts the watchdog")
    stack = find_stack(Path(directory), {})
    if stack is None:
        raise FatalError(f"there is no stack in {directory}")
    return stack


if __name__ == "__main__":
    sys.exit(main())
