"""Who is watched for anomalies: a row for each spender, and what those of an organisation have shown. Pure.

Laws
1. A row is what the detectors remember (streams/anomalies/page.py), and minutes of spending that are not judged yet.
2. Who borrows from whom: a spender from those of its kind (user, agent, credential) in its team, where the directory
   knows it, else in its org. A person and that person's key are not each other's peers.
3. Everything is numbers in tables, and what is not is written with the head of a checkpoint: the same log, the same
   state.
A row takes 740 bytes.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from streams.anomalies.detector import Detector
from streams.anomalies.hours import HOURS_OF_WEEK, Shapes
from streams.anomalies.page import KINDS, WINDOW_MIN, Page
from streams.anomalies.rules import Rules
from streams.anomalies.tail import Day, Pool, Tail
from streams.anomalies.thresholds import Threshold, new_threshold
from streams.burn.clock import Clock
from streams.burn.in_force import InForceHere
from streams.burn.table import Column, Slots, Table

SpenderKey = tuple[str, str, str]
"""org, entity type, entity id."""
ParentKey = tuple[str, str]
"""org, and a kind, or "user of web" and so on for a kind in a team."""
RULES = Rules()
AHEAD_MIN = 32
"""Places for minutes that are not judged yet: at most 20 behind the lead, 5 before it, and some to spare."""
Ints = npt.NDArray[np.int64]
GRACE_US = 10_000_000
MOST_BEHIND_US = 1_200_000_000
_MONDAY_MIN = 4 * 1440
_MINUTE_US = 60_000_000


def minute_of(at_us: int) -> int:
    """The minute of a moment, counted from Monday, 1970-01-05, on."""
    return at_us // _MINUTE_US - _MONDAY_MIN


def start_us(minute: int) -> int:
    """When a minute begins."""
    return (minute + _MONDAY_MIN) * _MINUTE_US


def passed_us(clock: Clock) -> int:
    """Up to where the log is over for the watch: the floor, and at most `MOST_BEHIND_US` before the lead."""
    return max(clock.floor_us or 0, clock.lead_us - MOST_BEHIND_US)


def minutes_over(clock: Clock) -> int:
    """The first minute that is not over, by `GRACE_US`."""
    return minute_of(passed_us(clock) - GRACE_US)


def new_spenders() -> Table[SpenderKey]:
    """Nobody is watched."""
    spec = {name: Column(kind.dtype, kind.width) for name, kind in KINDS.items()}
    spec["minutes"] = Column("int64", AHEAD_MIN)  # micro-USD; minute m at place m % AHEAD_MIN
    spec["learnt_min"] = Column("int32")  # the newest minute with spending that was judged; 0 = none yet
    spec["newest"] = Column("float32", WINDOW_MIN)  # USD of that minute and of the two before it, by minute modulo 3
    spec["parent"] = Column("int32")
    return Table(spec, page_rows=512)


def new_parents() -> Table[ParentKey]:
    """No shape of a week is known."""
    return Table({"logs": Column("float32", HOURS_OF_WEEK), "weight": Column("float32", HOURS_OF_WEEK)}, page_rows=128)


class ThresholdBytes(msgspec.Struct, array_like=True):
    """A threshold as it is written."""

    org: str
    spenders: int
    margin: float
    told: list[float]
    told_on: list[int]
    tail: tuple[float, float, float, float, float]
    days: list[tuple[bytes, int, float]]
    today: bytes
    today_blocks: float


class WatchBytes(msgspec.Struct):
    """What is in no table, as it is written."""

    next_min: int = 0
    gated_as: int = -1
    thresholds: list[ThresholdBytes] = msgspec.field(default_factory=list)
    late: tuple[bytes, bytes, bytes, bytes] = (b"", b"", b"", b"")  # slots, minutes, micro-USD, live, of each cell
    late_oldest_us: int = 0
    late_newest_us: int = 0


Cells = tuple[Slots, Ints, Ints, npt.NDArray[np.bool_]]
"""Slots, minutes, micro-USD, and whether a live row was among them."""


@dataclass(slots=True)
class Watch:
    """The spenders of a partition. Minutes before `next_min` are judged; `late`: what came after its minute was.

    gated_as: of which rules and directory the rows' gates and parents are (in_force.py); -1 none.
    """

    spenders: Table[SpenderKey] = field(default_factory=new_spenders)
    parents: Table[ParentKey] = field(default_factory=new_parents)
    next_min: int = 0
    gated_as: int = -1
    thresholds: dict[str, Threshold] = field(default_factory=dict)  # by org
    of_parents: list[Threshold] = field(default_factory=list)
    late: list[Cells] = field(default_factory=list)
    late_oldest_us: int = 0  # log time at which the first of them came; 0 = there are none
    late_newest_us: int = 0

    def page(self) -> Page:
        """The columns of all rows, to read and to write; ask anew after rows were added."""
        count = len(self.spenders)
        columns: dict[str, npt.NDArray[Any]] = {name: self.spenders.columns[name][:count] for name in KINDS}
        return Page(**{name: column.T for name, column in columns.items()})

    def shapes(self) -> Shapes:
        """The shapes of all parents, likewise."""
        return Shapes(self.parents.column("logs"), self.parents.column("weight"))

    def detector(self) -> Detector:
        """The detectors over all rows."""
        parents = self.spenders.column("parent").astype(np.int64)
        teams = frozenset(slot for key, slot in self.parents.slots.items() if key[1] == "team")
        return Detector(self.page(), parents, self.shapes(), self.thresholds_of_parents(), RULES, teams)

    def thresholds_of_parents(self) -> list[Threshold]:
        """The threshold of each parent's org, in the order of `parents`."""
        for key in self.parents.keys[len(self.of_parents) :]:
            self.of_parents.append(self._threshold(key[0] if key else ""))
        return self.of_parents

    def _threshold(self, org: str) -> Threshold:
        if not self.thresholds:  # a checkpoint of before there was one for each organisation has none
            counts = Counter(key[0] for key in self.spenders.slots)
            self.thresholds = {name: new_threshold(RULES, spenders=count) for name, count in sorted(counts.items())}
        if org not in self.thresholds:
            self.thresholds[org] = new_threshold(RULES, spenders=0)
        return self.thresholds[org]

    def slot(self, key: SpenderKey, policies: InForceHere) -> int:
        """The row of a spender; one of whom nothing is known where there was none."""
        known = self.spenders.slots.get(key)
        if known is not None:
            return known
        self._threshold(key[0]).watches(1, RULES)
        slot = self.spenders.slot(key)
        for name, kind in KINDS.items():
            self.spenders.columns[name][slot] = kind.fresh
        self._place(slot, key, policies)
        return slot

    def gate(self, policies: InForceHere) -> None:
        """Every row is told from its rule's excess on, and borrows from its team of now."""
        if self.gated_as == policies.watched_as:
            return
        self.gated_as = policies.watched_as
        self.spenders.will_change(np.arange(len(self.spenders)))
        for key, slot in sorted(self.spenders.slots.items()):
            self._place(slot, key, policies)

    def _place(self, slot: int, key: SpenderKey, policies: InForceHere) -> None:
        rule = policies.spike(key[0])
        told = rule.enabled and key[1] in rule.entity_types
        self.spenders.columns["gate_usd"][slot] = float(rule.min_excess_usd_per_hour) if told else np.inf
        team = policies.teams.get(key)
        self.spenders.columns["parent"][slot] = self.parents.slot((key[0], f"{key[1]} of {team}" if team else key[1]))

    def to_bytes(self) -> WatchBytes:
        """What is in no table; the same for the same state, whatever led to it."""
        slots, minutes, micro, live = together(self.late)
        return WatchBytes(
            next_min=self.next_min,
            gated_as=self.gated_as,
            thresholds=[_to_bytes(org, one) for org, one in sorted(self.thresholds.items())],
            late=(slots.tobytes(), minutes.tobytes(), micro.tobytes(), live.tobytes()),
            late_oldest_us=self.late_oldest_us,
            late_newest_us=self.late_newest_us,
        )

    def from_bytes(self, held: WatchBytes) -> None:
        """What is in no table is what the bytes say."""
        self.next_min, self.gated_as = held.next_min, held.gated_as
        self.thresholds, self.of_parents = {one.org: _from_bytes(one) for one in held.thresholds}, []
        slots, minutes, micro = (np.frombuffer(raw, np.int64) for raw in held.late[:3])
        self.late = [(slots, minutes, micro, np.frombuffer(held.late[3], np.bool_))] if len(slots) else []
        self.late_oldest_us, self.late_newest_us = held.late_oldest_us, held.late_newest_us


def _to_bytes(org: str, one: Threshold) -> ThresholdBytes:
    pool, tail = one.pool, one.tail
    return ThresholdBytes(
        org=org,
        spenders=one.spenders,
        margin=one.margin,
        told=one.told,
        told_on=list(one.told_on),
        tail=(tail.base, tail.base_rate, tail.scale, tail.shape, tail.any_rate),
        days=[(day.kept.tobytes(), day.positive, day.blocks) for day in pool.days],
        today=np.concatenate([*pool.today, np.zeros(0, np.float32)]).tobytes(),
        today_blocks=pool.today_blocks,
    )


def _from_bytes(held: ThresholdBytes) -> Threshold:
    pool = Pool(today=[np.frombuffer(held.today, np.float32)], today_blocks=held.today_blocks)
    pool.days.extend(Day(np.frombuffer(kept, np.float32), positive, blocks) for kept, positive, blocks in held.days)
    found = Threshold(pool, Tail(*held.tail), held.margin, held.told, spenders=held.spenders)
    found.told_on.extend(held.told_on)
    return found


def together(some: list[Cells]) -> Cells:
    """One cell per slot and minute, sorted."""
    none = np.zeros(0, np.int64)
    slots = np.concatenate([*(one[0] for one in some), none])
    minutes = np.concatenate([*(one[1] for one in some), none])
    micro = np.concatenate([*(one[2] for one in some), none])
    live = np.concatenate([*(one[3] for one in some), none.astype(np.bool_)])
    order = np.lexsort((minutes, slots))
    slots, minutes, micro, live = slots[order], minutes[order], micro[order], live[order]
    if len(slots) == 0:
        return slots, minutes, micro, live
    fresh = np.ones(len(slots), np.bool_)
    fresh[1:] = (slots[1:] != slots[:-1]) | (minutes[1:] != minutes[:-1])
    starts = np.flatnonzero(fresh)
    return slots[starts], minutes[starts], np.add.reduceat(micro, starts), np.logical_or.reduceat(live, starts)
