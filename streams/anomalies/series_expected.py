"""What the next value of a series should be: its level of late, its day and its week, each as far as it proved right.

Laws
1. Only the past speaks: `expected` is asked before `learn` is told the value.
2. A shape that was wrong of late has no say: each guess weighs by one over the square of its mean error.
3. What a guess costs does not grow with the series: a number per slot of the day and of the week.
"""

from dataclasses import dataclass, field

_DAY_SEC, _WEEK_SEC = 86_400, 604_800
_LEVEL_RATE = 0.02
_ENOUGH = 100
_ERROR_RATE = 0.002
_LEAST_ERROR = 1e-9
_NO_ERROR = 1e-150


@dataclass(slots=True)
class Shape:
    """The value at each slot of a period, as of late."""

    period_sec: int
    slot_sec: int
    rate: float
    values: list[float | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Nothing is known of any slot."""
        self.values = [None] * (self.period_sec // self.slot_sec)

    def guess(self, at_sec: float) -> float | None:
        """The value of that slot; None where it was never seen."""
        return self.values[self._slot(at_sec)]

    def learn(self, at_sec: float, value: float) -> None:
        """The slot has moved towards the value."""
        slot = self._slot(at_sec)
        known = self.values[slot]
        self.values[slot] = value if known is None else known + self.rate * (value - known)

    def _slot(self, at_sec: float) -> int:
        return min(int(at_sec % self.period_sec // self.slot_sec), len(self.values) - 1)


@dataclass(slots=True)
class Level:
    """The value as of late, whatever the hour."""

    value: float | None = None

    def guess(self, _at_sec: float) -> float | None:
        """The level; None before the first value."""
        return self.value

    def learn(self, _at_sec: float, value: float) -> None:
        """The level has moved towards the value."""
        self.value = value if self.value is None else self.value + _LEVEL_RATE * (value - self.value)


@dataclass(slots=True)
class _Judged:
    guesser: Shape | Level
    seen: int = 0
    error: float = 0.0


@dataclass(slots=True)
class Expected:
    """Guesses of a series and how wrong each was of late."""

    judged: list[_Judged] = field(
        default_factory=lambda: [
            _Judged(Level()),
            _Judged(Shape(_DAY_SEC, 300, 0.3)),
            _Judged(Shape(_WEEK_SEC, 900, 0.5)),
        ]
    )

    def expected(self, at_sec: float) -> float | None:
        """What the value should be; None while no guess has been tried often enough."""
        tried = [
            (guess, max(one.error, _LEAST_ERROR * abs(guess), _NO_ERROR))
            for one in self.judged
            if (guess := one.guesser.guess(at_sec)) is not None and one.seen > _ENOUGH
        ]
        if not tried:
            return None
        least = min(error for _, error in tried)
        weights = [(least / error) ** 2 for _, error in tried]
        return sum(weight * guess for weight, (guess, _) in zip(weights, tried, strict=True)) / sum(weights)

    def learn(self, at_sec: float, value: float) -> None:
        """Each guess has been held to the value, and has learnt it."""
        for one in self.judged:
            guess = one.guesser.guess(at_sec)
            if guess is not None:
                one.seen += 1
                one.error += (abs(value - guess) - one.error) * max(1 / one.seen, _ERROR_RATE)
            one.guesser.learn(at_sec, value)
