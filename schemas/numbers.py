"""What a process counts of itself while it works, for whoever watches it. Pure: no clock, no I/O.

Laws
1. Counting is an addition: it is done once for each batch, insert or delivery, never for each event.
2. Label values are of a fixed few kinds. What comes beyond MOST_CHILDREN of a name is counted under `other`, so that no
   input can make a page of numbers grow.
3. What was never counted is not told: missing is not zero.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from threading import Lock
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
Labels = tuple[str, ...]
MOST_CHILDREN = 64
OTHER = "other"
BOUNDS_SEC = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper ends of the buckets of times, each inclusive."""


@dataclass(frozen=True)
class Sample:
    """One number and what it is of; of a histogram, `buckets` are how often up to each bound and in all."""

    value: float
    labels: Mapping[str, str]
    buckets: Sequence[int] = ()


@dataclass(frozen=True)
class Family:
    """All numbers of one name; `labels` are the only ones that its samples have."""

    name: str
    kind: Kind
    says: str
    samples: tuple[Sample, ...]


@dataclass
class Instrument:
    """Numbers of one name, by the values of its labels; for many threads."""

    name: str
    kind: Kind
    says: str
    labels: Labels = ()
    _values: dict[Labels, float] = field(default_factory=dict)
    _buckets: dict[Labels, list[int]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def add(self, value: float, *labels: str) -> None:
        """So much more was counted."""
        with self._lock:
            child = self._child(labels)
            self._values[child] = self._values.get(child, 0) + value

    def set(self, value: float, *labels: str) -> None:
        """It is this now."""
        with self._lock:
            self._values[self._child(labels)] = value

    def took(self, sec: float, *labels: str) -> None:
        """Once more, for so many seconds."""
        with self._lock:
            child = self._child(labels)
            self._values[child] = self._values.get(child, 0) + sec
            counts = self._buckets.setdefault(child, [0] * (len(BOUNDS_SEC) + 1))
            counts[bisect_left(BOUNDS_SEC, sec)] += 1

    def family(self) -> Family:
        """The numbers as they are now."""
        with self._lock:
            return Family(
                self.name,
                self.kind,
                self.says,
                tuple(
                    Sample(
                        value,
                        dict(zip(self.labels, child, strict=True)),
                        tuple(accumulate(self._buckets.get(child, ()))),
                    )
                    for child, value in self._values.items()
                ),
            )

    def _child(self, labels: Labels) -> Labels:
        """Raises: ValueError: not one value for each label."""
        if len(labels) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, given were {labels}")
        full = len(self._values) >= MOST_CHILDREN and labels not in self._values
        return (OTHER,) * len(labels) if full else labels
