"""What is true: from the operations that were sent and where the log keeps them. Pure; shares no code with rating.

Laws
1. The log decides which copy was first and when each record came; the operations decide what it says.
2. Every record of the log is exactly one of: counted, a copy of a counted one (or a lower revision), a revision that
   took the place of a counted one, a dead letter with one reason.
3. What contradicts an event that has left rating's duplicate window may be taken for a copy of it: `doubtful`.
4. An operation that Kafka acknowledged stands in the log where Kafka said, as it was sent; else records were lost.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from producers.simulator.ledger import cost_pico_usd, leaves_of
from producers.simulator.prices import LEAVES, PICO_PER_USD
from tests.faults.moments import instant
from tests.faults.traffic import Event, Op

WINDOW = 250_000
MAX_AHEAD_US = 300_000_000
CEILING_USD_PER_MTOK = (2, 8)
"""What a call without a price is taken to cost at most: USD per million input and output tokens."""
LIVE_HORIZON_US = 3_600_000_000
Place = tuple[int, int]
"""Partition and offset in `usage.events`."""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record of `usage.events`: its place, when it was appended, and which operation it is."""

    partition: int
    offset: int
    append_us: int
    op: int
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Counted:
    """An event that must be counted once."""

    event: Event
    place: Place
    live: bool
    leaves: tuple[int, ...]  # in the order of producers.simulator.prices.LEAVES
    cost_pico_usd: int | None  # None where it has no price
    unpriced: bool
    ceiling_pico_usd: int = 0  # what it may have cost at most, where it has no price

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return sum(self.leaves)


@dataclass
class Truth:
    """What must come out."""

    counted: list[Counted] = field(default_factory=list)
    copies: list[Place] = field(default_factory=list)
    revised: list[Place] = field(default_factory=list)
    dead: dict[Place, str] = field(default_factory=dict)
    doubtful: dict[Place, str] = field(default_factory=dict)
    records: int = 0
    began_us: int = 0
    ended_us: int = 0


def truth_of(ops: Sequence[Op], records: Iterable[LogRecord], *, window: int = WINDOW) -> Truth:
    """The truth of a log; `ops[i].number` is i + 1. `records` of a partition come in offset order.

    `window` is how many events rating's duplicate window holds.
    """
    truth = Truth()
    held: dict[tuple[int, str], Event] = {}
    counted: Counter[int] = Counter()
    number: dict[tuple[int, str], int] = {}
    place_of: dict[tuple[int, str], int] = {}
    appended: list[int] = []
    for record in records:
        truth.records += 1
        appended.append(record.append_us)
        op, place = ops[record.op - 1], (record.partition, record.offset)
        if op.event is None:
            truth.dead[place] = str(op.reason)
            continue
        event, before = op.event, held.get((record.partition, op.event.id))
        if event.event_us > record.append_us + MAX_AHEAD_US:
            truth.dead[place] = "in_the_future"
        elif before is None:
            held[record.partition, event.id] = event
            number[record.partition, event.id] = counted[record.partition]
            counted[record.partition] += 1
            place_of[record.partition, event.id] = len(truth.counted)
            truth.counted.append(_counted(event, record))
        elif event.revision > before.revision and event.event_us == before.event_us:
            held[record.partition, event.id] = event
            truth.counted[place_of[record.partition, event.id]] = _counted(event, record)
            truth.revised.append(place)
        elif (reason := _against(event, before)) is not None:
            gone = counted[record.partition] - number[record.partition, event.id] > window
            (truth.doubtful if gone else truth.dead)[place] = reason
        else:
            truth.copies.append(place)
    truth.began_us, truth.ended_us = min(appended, default=0), max(appended, default=0)
    return truth


def _against(event: Event, before: Event) -> str | None:
    """Why an event of a known id is a dead letter; None where it is a copy."""
    if event.revision == before.revision:
        return None if event == before else "conflicting_duplicate"
    return None if event.event_us == before.event_us else "event_time_moved"


def _counted(event: Event, record: LogRecord) -> Counted:
    live = record.append_us - event.event_us <= LIVE_HORIZON_US
    place = (record.partition, record.offset)
    if "input_tokens" not in event.data:  # a call without usage: no cost is known, and none was asked for
        return Counted(event, place, live, (0,) * len(LEAVES), None, unpriced=False)
    leaves = leaves_of(event.data)
    if event.data.get("gateway_cache_hit"):
        return Counted(event, place, live, leaves, 0, unpriced=False)
    hour = instant(event.event_us).replace(minute=0, second=0, microsecond=0)
    cost = cost_pico_usd(event.data, leaves, hour)
    ceiling = 0 if cost is not None else _ceiling_pico_usd(event.data)
    return Counted(event, place, live, leaves, cost, unpriced=cost is None, ceiling_pico_usd=ceiling)


def _ceiling_pico_usd(data: Mapping[str, Any]) -> int:
    """All its tokens at the ceiling that the run states for what has no price."""
    sides = zip(("input_tokens", "output_tokens"), CEILING_USD_PER_MTOK, strict=True)
    return sum(data[name] * rate * PICO_PER_USD // 10**6 for name, rate in sides)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an operation: its place where Kafka acknowledged it, else why not; both None: nobody knows."""

    place: Place | None = None
    error: str | None = None


def lost(ops: Sequence[Op], outcomes: Mapping[int, Outcome], records: Iterable[LogRecord]) -> list[str]:
    """The acknowledged operations that do not stand in the log where Kafka said, as they were sent."""
    log = {(record.partition, record.offset): record for record in records}
    wrong = []
    for op in ops:
        place = outcomes.get(op.number, Outcome()).place
        if place is None:
            continue
        found = log.get(place)
        if found is None or found.op != op.number or found.value != op.value:
            what = "nothing" if found is None else f"operation {found.op}"
            wrong.append(f"operation {op.number} at {place}: the log has {what}")
    return wrong
