"""How much memory burn takes for many entities: each case in a process of its own, by what the system says of it."""

import asyncio
import gc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Literal

import numpy as np
import psutil

from deploy.bench.burn import NOW_US, new_lane, warmed
from deploy.bench.burn_load import LANES, MINUTE, NOBODY, Kept, Load
from streams.burn.stage import BurnLane
from streams.ports import SourceBatch

Case = Literal["active", "active, a checkpoint being written", "known for weeks", "used within a day"]
KNOWN_DAYS = 21
WINDOW_DAYS = 4
"""Windows reach back three days; what was used before that has none."""
_HOUR_US = 60 * MINUTE
_DAY_US = 24 * _HOUR_US
_SAYS_US = 2 * MINUTE  # how often the clock moves meanwhile, so that rates are said and what is idle can go
_CHUNK = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident memory of a case, without Python, packages and a lane that knows little; and what the lane holds."""

    entities: int
    mib: float
    window_rows: int
    budget_periods: int

    def kib_per_entity(self) -> float:
        """What one entity takes; every fourth is a user with a budget and so has windows twice."""
        return round(self.mib * 1024 / self.entities, 2)


def memory(case: Case, entities: int) -> Memory:
    """What this many entities take. Of those known for weeks, a tenth is active, and each other was used once."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
        return apart.submit(taken, case, entities).result()


def taken(case: Case, entities: int) -> Memory:
    """The same in this process."""
    warmed(100, Load())
    gc.collect()
    before = psutil.Process().memory_info().rss
    load = Load()
    lane = _replaying() if case != "active, a checkpoint being written" else new_lane()
    if case == "known for weeks":
        _weeks(lane, load, entities)
    elif case == "used within a day":
        _day(lane, load, entities)
    else:
        warmed(entities, load, lane=lane)
    gc.collect()
    mib = (psutil.Process().memory_info().rss - before) / 2**20
    rows = len(lane.state.entities.slots) + len(lane.state.members.slots)
    return Memory(entities=entities, mib=round(mib, 1), window_rows=rows, budget_periods=len(lane.state.periods.slots))


def _replaying() -> BurnLane:
    """A lane that writes no checkpoints and no JSON, as while it replays: its state alone takes memory."""
    lane = new_lane()
    asyncio.run(lane.recover(Kept([]), next_offset=2**62))
    return lane


def _weeks(lane: BurnLane, load: Load, entities: int) -> None:
    """Nine tenths are used once each, evenly over three weeks; then a tenth is used."""
    begun_us, active = NOW_US - WINDOW_DAYS * _DAY_US, entities // 10
    per_hour = -(-(entities - active) // (KNOWN_DAYS * 24))
    early = (KNOWN_DAYS - WINDOW_DAYS) * 24 * per_hour
    for batch in _said(load, range(early), begun_us, event_us=begun_us - WINDOW_DAYS * _DAY_US):
        lane.step(batch)
    for hour in range(WINDOW_DAYS * 24):
        first, at_us = early + hour * per_hour, begun_us + hour * _HOUR_US
        for batch in _said(load, range(first, min(first + per_hour, entities - active)), at_us):
            lane.step(batch)
        for later_us in range(at_us, at_us + _HOUR_US, _SAYS_US):
            for batch in load.ticks(later_us):
                lane.step(batch)
    for batch in _said(load, range(entities - active, entities), NOW_US):
        lane.step(batch)


def _day(lane: BurnLane, load: Load, entities: int) -> None:
    per_hour = -(-entities // 24)
    for hour in range(24):
        at_us, first = NOW_US - (24 - hour) * _HOUR_US, hour * per_hour
        for batch in _said(load, range(first, min(first + per_hour, entities)), at_us):
            lane.step(batch)


def _said(load: Load, numbers: range, log_us: int, *, event_us: int | None = None) -> Iterator[SourceBatch]:
    for number, first in enumerate(range(numbers.start, numbers.stop, _CHUNK)):
        some = np.arange(first, min(numbers.stop, first + _CHUNK)) if numbers else NOBODY
        yield load.say(log_us, some, lane=number % LANES, event_us=event_us)
