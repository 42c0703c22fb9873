"""`burnline bench burn`: what burn's own code costs with many active entities; no Kafka, one lane, CPU seconds.

1. Each entity is used some times within six hours, so that it has a row of windows and history.
2. Seconds of log in which nobody, a share of all, or everybody was used; rows first, then what the clock leads to.
3. Messages of 5,000 rows: what a row costs. `usage.rates`: how much is said in a minute of such seconds.
4. A checkpoint is read back, and as much log is replayed as lies between two checkpoints.
Memory is measured in processes of their own (burn_memory.py).
"""

import asyncio
import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from deploy.bench.burn_load import LANES, MINUTE, NOBODY, SEC, Fixed, Ints, Kept, Load
from schemas.errors import CorruptStateError
from schemas.internal import batch_from_headers
from schemas.periods import instant, micros
from streams.burn.stage import BurnLane, BurnStage
from streams.checkpoints import digest
from streams.ports import Output, SourceBatch

Told = Callable[[str], None]
NOW_US = micros(instant(1_795_338_000 * SEC))
"""When the measured log ends: 2026-11-22 09:00 UTC; any time will do."""
BUSY_SHARE = 0.02
REPLAYED_SEC = 75
"""A checkpoint begins each minute and takes some seconds to be written."""
_ROUNDS = 5
_CHUNK = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Of repeated measurements, CPU milliseconds: the least, the median, of a hundred the 95th, the most."""

    runs: int
    least: float
    median: float
    p95: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured. A tick is all that a second of log leads to, once its rows are counted."""

    entities: int
    budget_members: int
    row_bytes: Mapping[str, int]
    tick_quiet_ms: Spread
    tick_busy_ms: Spread
    tick_busy_silent_ms: Spread
    tick_busy_saying_ms: Spread
    tick_all_ms: Spread
    rows_per_sec: Spread
    rates_messages_per_min: float
    rates_kib_per_min: float
    rates_entities_per_min: float
    checkpoint_mib: float
    restore_cpu_sec: float
    replay_cpu_sec: float
    replayed_messages: int


def new_lane() -> BurnLane:
    """Burn of one partition that has read nothing."""
    lane = BurnStage(Fixed()).lane("internal.deltas", 0)
    if not isinstance(lane, BurnLane):
        raise TypeError(f"burn's lane is a {type(lane).__name__}")
    return lane


def row_bytes() -> dict[str, int]:
    """What a row of each table takes, without its key: windows of an entity, of a budget's member, and so on."""
    tables = new_lane().state.tables()
    return {name: sum(column.bytes_per_row() for column in table.spec.values()) for name, table in tables.items()}


def warmed(entities: int, load: Load, *, lane: BurnLane | None = None) -> BurnLane:
    """A lane (a new one, unless given) that knows so many entities, each used five times within six hours."""
    lane = lane or new_lane()
    for round_ in range(_ROUNDS):
        at_us = NOW_US - (_ROUNDS - round_) * 60 * MINUTE
        for first in range(0, entities, _CHUNK):
            at_us += SEC
            lane.step(load.say(at_us, np.arange(first, min(entities, first + _CHUNK)), lane=first // _CHUNK % LANES))
        for batch in load.ticks(at_us + SEC):
            lane.step(batch)
    return lane


def measured(
    entities: int, *, seconds: int = 60, replayed_sec: int = REPLAYED_SEC, told: Told = lambda _line: None
) -> Figures:
    """The figures of a lane with so many active entities."""
    load = Load()
    told(f"{entities:,} entities are used")
    lane = warmed(entities, load)
    gc.collect()
    clock = _Clock(lane, load, entities)
    busy = max(1, round(entities * BUSY_SHARE))
    told("seconds of log")
    quiet = [clock.second(NOBODY) for _ in range(seconds)]
    outputs, busy_sec = clock.outputs, clock.at_us
    outputs.clear()
    some, saying = [], []
    for _ in range(seconds):
        before = len(outputs)
        taken = clock.second(load.some(entities, busy))
        some.append(taken)
        saying.append(any(out.topic == "usage.rates" for out in outputs[before:]))
    rates = [out for out in outputs if out.topic == "usage.rates" and b"burnline.rates" in out.value[:80]]
    minutes = (clock.at_us - busy_sec) / MINUTE
    everybody = [clock.second(np.arange(entities)) for _ in range(max(3, seconds // 12))]
    per_row = [1 / one for one in clock.row_sec]
    told("a checkpoint is read back")
    size, restore_sec, replay_sec, messages = _recovery(lane, load, clock, replayed_sec=replayed_sec)
    return Figures(
        entities=entities,
        budget_members=len(lane.state.members.slots),
        row_bytes=row_bytes(),
        tick_quiet_ms=_spread(quiet),
        tick_busy_ms=_spread(some),
        tick_busy_silent_ms=_spread([taken for taken, said in zip(some, saying, strict=True) if not said]),
        tick_busy_saying_ms=_spread([taken for taken, said in zip(some, saying, strict=True) if said]),
        tick_all_ms=_spread(everybody),
        rows_per_sec=_spread(per_row, unit=1),
        rates_messages_per_min=round(len(rates) / minutes, 1),
        rates_kib_per_min=round(sum(len(out.value) for out in rates) / minutes / 1024, 1),
        rates_entities_per_min=round(sum(out.value.count(b'"entity_type"') for out in rates) / minutes, 1),
        checkpoint_mib=round(size / 2**20, 1),
        restore_cpu_sec=round(restore_sec, 2),
        replay_cpu_sec=round(replay_sec, 2),
        replayed_messages=messages,
    )


class _Clock:
    """Moves a lane on second by second: rows that move no clock, then what the clock leads to."""

    def __init__(self, lane: BurnLane, load: Load, entities: int) -> None:
        self._lane, self._load, self.entities, self.at_us = lane, load, entities, NOW_US
        self.outputs: list[Output] = []
        self.row_sec: list[float] = []  # CPU seconds per row, of messages of `_CHUNK` rows

    def second(self, numbers: Ints) -> float:
        """CPU seconds of what a second leads to in which these entities were used."""
        self.at_us += SEC
        for first in range(0, len(numbers), _CHUNK):
            some = numbers[first : first + _CHUNK]
            batch = self._load.say(self.at_us, some, clock=False)
            taken = self._step([batch])
            if len(some) == min(_CHUNK, self.entities):
                self.row_sec.append(taken / batch_from_headers(batch.records[0].headers).rows)
        return self._step(self._load.ticks(self.at_us))

    def _step(self, batches: Sequence[SourceBatch]) -> float:
        begun = time.process_time()
        found = [self._lane.step(batch) for batch in batches]
        taken = time.process_time() - begun
        self.outputs += [out for result in found for out in result.outputs]
        return taken


def _recovery(lane: BurnLane, load: Load, clock: _Clock, *, replayed_sec: int) -> tuple[int, float, float, int]:
    """Bytes of a checkpoint, CPU seconds to read it and to replay the log since, and how many messages that were.

    Raises: CorruptStateError: the lane that was recovered knows something else.
    """
    kept = Kept(lane.checkpoint())
    each = max(1, round(clock.entities * BUSY_SHARE / LANES))
    since = [
        load.say(clock.at_us + second * SEC, load.some(clock.entities, each), lane=number)
        for second in range(1, replayed_sec + 1)
        for number in range(LANES)
    ]
    again = new_lane()
    begun = time.process_time()
    asyncio.run(again.recover(kept, next_offset=load.offset))
    restored = time.process_time()
    for batch in since:
        again.step(batch)
    replayed = time.process_time()
    for batch in since:
        lane.step(batch)
    if digest(again.state) != digest(lane.state):
        raise CorruptStateError("the recovered lane knows something else")
    return sum(len(one.value or b"") for one in kept.records), restored - begun, replayed - restored, len(since)


def _spread(seconds: Sequence[float], *, unit: float = 1000) -> Spread:
    order = sorted(one * unit for one in seconds)
    places = 2 if unit > 1 else 0
    return Spread(
        runs=len(order),
        least=round(order[0], places),
        median=round(median(order), places),
        p95=round(order[round(0.95 * (len(order) - 1))], places),
        most=round(order[-1], places),
    )
