"""What is known at a moment: spend per bucket of equal length, and its sums. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError

Amounts = NDArray[np.float64]
HOUR_SEC, DAY_SEC, WEEK_HOURS = 3600, 86_400, 168


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Spend per bucket from `start`, oldest first, of whole buckets only; any unit. Refunds below zero count as zero.

    Raises: InputError: a bucket does not divide an hour, `start` has no zone or stands within a bucket, or an amount
            is not finite.
    """

    start: datetime
    bucket_sec: int
    amounts: Amounts

    def __post_init__(self) -> None:
        if self.bucket_sec <= 0 or HOUR_SEC % self.bucket_sec:
            raise InputError(f"a bucket of {self.bucket_sec} s does not divide an hour")
        if self.start.tzinfo is None or self.start.timestamp() % self.bucket_sec:
            raise InputError(f"a history that starts at {self.start} does not start with a bucket of known zone")
        if not np.isfinite(self.amounts).all():
            raise InputError("a history holds an amount that is not finite")

    def position(self, at: datetime) -> float:
        """How many buckets lie between the start and this time, with a fraction."""
        return (at - self.start).total_seconds() / self.bucket_sec

    def at(self, position: int) -> datetime:
        """When this bucket begins."""
        return self.start + timedelta(seconds=position * self.bucket_sec)

    def buckets(self, seconds: float) -> int:
        """How many whole buckets fit this length, at least one."""
        return max(1, round(seconds / self.bucket_sec))


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A history with its running sums: `spent_sums[i]` before bucket i, `shape_sums` likewise, into the future too."""

    history: History
    spent_sums: Amounts
    shape_sums: Amounts

    @property
    def length(self) -> int:
        """How many buckets are known."""
        return len(self.spent_sums) - 1

    def shape_between(self, begin: float, end: float) -> float:
        """How many average buckets' spend the shape expects between two positions."""
        places = np.arange(len(self.shape_sums), dtype=np.float64)
        found = np.interp([begin, end], places, self.shape_sums)
        return float(found[1] - found[0])

    def rate(self, buckets: int) -> float:
        """Spend per average bucket over the newest buckets, or over all where there are fewer."""
        begin = max(self.length - buckets, 0)
        return float(self.rates(np.array([begin]), np.array([self.length]))[0])

    def rates(self, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> Amounts:
        """Spend per average bucket of each window [begin, end)."""
        return (self.spent_sums[ends] - self.spent_sums[begins]) / (self.shape_sums[ends] - self.shape_sums[begins])


def sums(amounts: Amounts) -> Amounts:
    """The running sums of amounts, the first one zero."""
    found = np.zeros(len(amounts) + 1)
    np.cumsum(amounts, out=found[1:])
    return found
