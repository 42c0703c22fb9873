"""Chance that is the same on every machine: only random() of Python's generator and exact arithmetic. Pure.

Python guarantees the sequence of `Random(seed).random()`, but not its distributions, and a platform's exp() may differ
in the last bit; so sizes come from a table of exact decimals.
Source: https://docs.python.org/3/library/random.html#notes-on-reproducibility
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from random import Random
from typing import TypeVar

T = TypeVar("T")
_STEPS = 64
_REACH = 222  # 3.46 standard deviations, the most that four uniform numbers can say
_ONE = 4096
_ROOT_3 = 1.7320508075688772


@lru_cache(maxsize=64)
def _exponentials(spread_milli: int) -> tuple[int, ...]:
    """exp(spread x z) in 1/4096 for z from -222/64 to 222/64."""
    powers = (Decimal(spread_milli * step) / (1000 * _STEPS) for step in range(-_REACH, _REACH + 1))
    return tuple(int(power.exp() * _ONE) for power in powers)


class Dice:
    """A stream of chance of its own for each name: what one actor draws never moves another's draws."""

    def __init__(self, *names: object) -> None:
        self._random = Random("/".join(str(name) for name in names)).random  # noqa: S311  a simulation keeps no secret

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1."""
        return int(self._random() * n)

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both possible."""
        return low + self.below(high - low + 1)

    def chance(self, per_mille: int) -> bool:
        """True in so many of a thousand cases."""
        return self.below(1000) < per_mille

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices, all equally likely."""
        return choices[self.below(len(choices))]

    def weighted(self, choices: Sequence[tuple[T, int]]) -> T:
        """One of the choices, by weight."""
        at = self.below(sum(weight for _, weight in choices))
        for choice, weight in choices:
            at -= weight
            if at < 0:
                return choice
        raise AssertionError("weights are positive")

    def count(self, expected_milli: int) -> int:
        """A whole number whose mean is so many thousandths."""
        whole, rest = divmod(expected_milli, 1000)
        return whole + self.chance(rest)

    def size(self, median: int, *, spread_milli: int) -> int:
        """A log-normal size: `spread_milli` is a thousand times the standard deviation of its logarithm; at least 1."""
        z = (self._random() + self._random() + self._random() + self._random() - 2.0) * _ROOT_3
        return max(1, median * _exponentials(spread_milli)[int(z * _STEPS) + _REACH] // _ONE)

    def hex(self, digits: int) -> str:
        """So many hexadecimal digits."""
        return "".join("0123456789abcdef"[self.below(16)] for _ in range(digits))
