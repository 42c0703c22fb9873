"""When a lane speaks: what it says at once, what may wait for its next word, how often one with nothing to read ticks.

Laws
1. A step that led to anything is said at once. One that led to a new position alone waits for the next word, at most
   `HOLD_SEC`. A crash before that repeats such steps, and they lead to nothing again.
2. Lanes with nothing to read tick together, so that who reads them finds all their ticks in one fetch.
3. Once nothing has come to any lane of the worker for `SETTLED_SEC`, ticks are rarer. The first record or policy wakes
   all lanes. What is judged at the log's floor is later by that much, never other.
Times are seconds of the event loop's clock; they decide when a lane speaks, never what it says.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from streams.ports import SourceRecord, StepResult

HOLD_SEC = 0.2
"""Longer than the ticks of one moment take to arrive one after the other, shorter than anybody waits for progress."""
SETTLED_SEC = 10.0
"""By then burn has said everything that it held back, which takes 5 s of log time and two ticks."""


class Pace:
    """How often the lanes of a worker tick; one for all of them."""

    def __init__(self, *, tick_sec: float, idle_tick_sec: float, now_sec: float) -> None:
        """As if something had come at `now_sec`."""
        self._tick_sec = tick_sec
        self._idle_tick_sec = max(tick_sec, idle_tick_sec)
        self._heard_sec = now_sec

    def heard(self, now_sec: float) -> bool:
        """Something came; whether the lanes must be woken, because they would tick too late."""
        settled = self._settled(now_sec)
        self._heard_sec = now_sec
        return settled

    def tick_at_sec(self, spoke_sec: float, *, now_sec: float) -> float:
        """When a lane ticks that has had nothing to read since `spoke_sec`: within half an interval and one and a half.

        All lanes tick at multiples of the interval.
        """
        step_sec = self._idle_tick_sec if self._settled(now_sec) else self._tick_sec
        return math.ceil(spoke_sec / step_sec + 0.5) * step_sec

    def _settled(self, now_sec: float) -> bool:
        return now_sec - self._heard_sec >= SETTLED_SEC


@dataclass(frozen=True, slots=True)
class Quiet:
    """Steps since the last word that led to a position alone: the last one's result, and the records of all."""

    since_sec: float
    result: StepResult
    next_offset: int
    records: Sequence[SourceRecord]

    @property
    def until_sec(self) -> float:
        """When it is said even if nothing else is."""
        return self.since_sec + HOLD_SEC


def may_wait(result: StepResult) -> bool:
    """Whether a step led to nothing but a position."""
    return not result.outputs and not result.counted
