"""What rows of budgets' windows have burnt up to one moment, and how much expected time lies in windows and periods."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from schemas.money import PICO_PER_MICRO
from schemas.periods import Period
from streams.burn import rings, week
from streams.burn.burn_rules import WINDOWS_SEC, Expected, Pairing
from streams.burn.limits import Pair, Plan, Unit
from streams.burn.shapes import shapes_of
from streams.burn.state import BurnState, MemberKey

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
SEC = 1_000_000


def in_windows(amount: Pair) -> float:
    """An amount as windows hold it: micro-USD, tokens, requests."""
    return amount[0] + amount[1] / PICO_PER_MICRO


class Paces:
    """Rows of members at a moment; each window is summed once for all of them, and so is expected time."""

    def __init__(self, columns: rings.Columns, slots: Ints, shapes: Ints, *, at_us: int) -> None:
        self.slots, self.shapes, self.at_us = slots, shapes, at_us
        self._columns = columns
        self._summed: dict[tuple[int, Unit], tuple[Ints, Ints, Bools]] = {}
        self._of_periods: dict[tuple[int, int], Ints] = {}
        at_sec = at_us // SEC
        spans = [(at_sec - window_sec, at_sec) for window_sec in WINDOWS_SEC]
        self._of_windows = dict(zip(WINDOWS_SEC, week.expected(shapes, spans).T, strict=True))

    def burnt(self, places: Ints, *, window_sec: int, unit: Unit) -> tuple[Ints, Ints, Bools]:
        """The amounts of the rows at these places, and whether the window is covered."""
        found = self._summed.get((window_sec, unit))
        if found is None:
            found = rings.amounts(self._columns, self.slots, window_sec=window_sec, at_us=self.at_us, unit=unit)
            self._summed[window_sec, unit] = found
        high, low, covered = found
        return high[places], low[places], covered[places]

    def in_window(self, places: Ints, window_sec: int) -> Ints:
        """Expected time in a window, of the rows at these places."""
        found: Ints = self._of_windows[window_sec][places]
        return found

    def in_period(self, places: Ints, period: Period) -> Floats:
        """Expected time in a period of whole days, to the accuracy of a float."""
        found: Floats = self._counted(period)[places].astype(np.float64)
        return found * np.float64(_whole_days(period))

    def until(self, places: Ints, sec: int) -> Ints:
        """Expected time in so many seconds from the moment on."""
        at_sec = self.at_us // SEC
        return week.expected(self.shapes[places], [(at_sec, at_sec + sec)])[:, 0]

    def expected(self, place: int, pairing: Pairing, period: Period) -> Expected:
        """The same of one row and a rung's two windows, exact."""
        long, short = (int(self._of_windows[sec][place]) for sec in (pairing.long_sec, pairing.short_sec))
        return Expected(long, short, int(self._counted(period)[place]) * _whole_days(period))

    def walked_sec(self, place: int, expected_time: int) -> int:
        """How many seconds from the moment on so much expected time takes."""
        return week.walked_sec(self.shapes[place].tolist(), since_sec=self.at_us // SEC, expected_time=expected_time)

    def _counted(self, period: Period) -> Ints:
        bounds = (period.start_us, period.end_us)
        found = self._of_periods.get(bounds)
        if found is None:
            since, until = (0, week.WEEK_SEC) if period.start_us == 0 else (bounds[0] // SEC, bounds[1] // SEC)
            found = self._of_periods[bounds] = week.expected(self.shapes, [(since, until)])[:, 0]
        return found


def _whole_days(period: Period) -> Fraction:
    """By what expected time from start to end is multiplied: for days of 24 h, whatever the clocks did.

    A rolling period has no start; its days are like those of a week.
    """
    length_sec = week.WEEK_SEC if period.start_us == 0 else (period.end_us - period.start_us) // SEC
    return Fraction(period.nominal_sec, length_sec)


def paces_of(
    state: BurnState, slots: Sequence[int], plans: Sequence[Plan | None], moments_us: Sequence[int]
) -> list[Paces]:
    """The paces of members of these budgets at each moment."""
    keys: list[MemberKey] = [state.members.keys[slot] or ("", "", "") for slot in slots]
    shapes = shapes_of(state.shapes, state.peers, keys, plans)
    where = np.array(slots, np.int64)
    return [Paces(state.members.columns, where, shapes, at_us=at_us) for at_us in moments_us]
