"""`python -m deploy.stack.watchdog`: kills processes of the stack that hang; the supervisor starts them anew.

The supervisor sees who dies. Who lives and does nothing is seen here: Kafka or ClickHouse does not answer, rating or
burn does not say how far it is, the sink does not move though there is something to store.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import structlog

from deploy.settings import read_watchdog_settings
from deploy.stack.find import Stack, find_stack
from deploy.stack.health import clickhouse_check, kafka_check
from deploy.stack.position_rules import READS, Place, Said, StagePlace, behind
from deploy.stack.positions import Positions
from deploy.stack.processes import STACK_DIR_VARIABLE
from deploy.stack.watchdog_rules import Look, Watched, step
from schemas.errors import BurnlineError, FatalError, KafkaUnavailableError, SettingsError
from schemas.topics import BY_NAME

_LOG = structlog.get_logger()
_UNANSWERED = ""


class Watchdog:
    """Looks at one stack again and again."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._supervisor = stack.supervisor()
        self._checks = {"kafka": kafka_check(stack.kafka()), "clickhouse": clickhouse_check(stack.clickhouse())}
        self._positions = Positions(stack.kafka(), timeout_sec=5)
        self._watched: dict[str, Watched] = {}

    def look(self, hang_sec: float) -> list[str]:
        """Who was hung at this look, and was killed for it. Raises: FatalError: the supervisor is gone."""
        signs = {name: None if check() is None else _UNANSWERED for name, check in self._checks.items()}
        well = frozenset(name for name, sign in signs.items() if sign is None)
        if "kafka" in well:
            signs |= self._stage_signs()
        looks = self._looks(signs)
        self._watched, hung = step(self._watched, looks, well=well, now_sec=time.monotonic(), hang_sec=hang_sec)
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

    def _stage_signs(self) -> dict[str, str | None]:
        """What changes when a stage does something."""
        try:
            said = self._positions.progress()
            ends = self._positions.ends(READS["sink"])
        except KafkaUnavailableError:
            return {}
        return {
            **{stage: _speech(said, stage) for stage in ("rating", "burn")},
            "sink": _advance(said, ends),
        }


def _speech(said: dict[StagePlace, Said], stage: str) -> str:
    """Changes when every lane of the stage has spoken again: the offset of the lane that has been silent longest."""
    lanes = [(stage, topic, part) for topic in READS[stage] for part in range(BY_NAME[topic].partitions)]
    return str(min(said[lane].offset if lane in said else -1 for lane in lanes))


def _advance(said: dict[StagePlace, Said], ends: dict[Place, int]) -> str | None:
    """None where the sink has stored all there is; else what changes when it stores something."""
    if not behind("sink", ends, said):
        return None
    return str(sorted(one.progress.next_offset for place, one in said.items() if place[0] == "sink"))


def main() -> int:
    """0 after SIGTERM; 1 when the stack cannot be watched."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ]
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = read_watchdog_settings()
        watchdog = Watchdog(_own_stack())
        _LOG.info("watching", hang_sec=settings.hang_sec)
        while not stop.wait(settings.look_sec):
            watchdog.look(settings.hang_sec)
    except BurnlineError as error:
        _LOG.critical("ends", reason=str(error))
        return 1
    return 0


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
