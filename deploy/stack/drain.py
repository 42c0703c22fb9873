"""Waiting until everything that was produced so far is rated, concluded on and stored."""

import time
from collections.abc import Callable

from deploy.stack.position_rules import READS, WAVES, Behind, Place, Wave, behind, holding_back
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
            look: Callable[[], list[Behind]] | None = None
            while True:
                try:
                    look = look or _looks_at(positions, wave)
                    missing = look()
                except KafkaUnavailableError:
                    if time.monotonic() > deadline:
                        raise
                else:
                    said(missing)
                    if not missing:
                        break
                    if time.monotonic() > deadline:
                        return missing
                time.sleep(_EVERY_SEC)  # an absent broker refuses at once: it, too, is not asked more often
    return []


def _looks_at(positions: Positions, wave: Wave) -> Callable[[], list[Behind]]:
    """Looks at what is missing of a wave; the ends that it waits for are those of now."""
    ends = positions.ends([topic for _stage, topics in wave for topic in topics])
    burns = [place for place in ends if place[0] in READS["burn"]]
    reached: dict[Place, int] = {}

    def look() -> list[Behind]:
        said = positions.progress()
        missing = [
            one
            for stage, topics in wave
            for one in behind(stage, {place: end for place, end in ends.items() if place[0] in topics}, said)
        ]
        behind_places = {(one.topic, one.partition) for one in missing}
        for place in burns:
            if place not in behind_places and ("burn", *place) in said:
                reached.setdefault(place, said[("burn", *place)].progress.log_time_us)
        return missing + holding_back(reached, said, began_us=reached)

    return look
