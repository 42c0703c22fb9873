"""Waiting until everything that was produced so far is rated, concluded on and stored."""

import time
from collections.abc import Callable

from deploy.stack.position_rules import WAVES, Behind, behind
from deploy.stack.positions import Positions
from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError

_EVERY_SEC = 0.25


def drain(
    settings: KafkaSettings, *, timeout_sec: float, said: Callable[[list[Behind]], None] = lambda _behind: None
) -> list[Behind]:
    """What was still missing when time was up; nothing where all is through. `said` gets each look, for a display.

    Each wave samples the ends of what it waits for after the wave before it was through, since that wrote it.

    Raises: KafkaUnavailableError: no broker answered when time was up.
    """
    deadline = time.monotonic() + timeout_sec
    with Positions(settings) as positions:
        for wave in WAVES:
            ends = positions.ends([topic for _stage, topics in wave for topic in topics])
            while True:
                try:
                    said_so_far = positions.progress()
                    missing = [
                        one
                        for stage, topics in wave
                        for one in behind(
                            stage, {place: end for place, end in ends.items() if place[0] in topics}, said_so_far
                        )
                    ]
                except KafkaUnavailableError:
                    if time.monotonic() > deadline:
                        raise
                    continue
                said(missing)
                if not missing:
                    break
                if time.monotonic() > deadline:
                    return missing
                time.sleep(_EVERY_SEC)
    return []
