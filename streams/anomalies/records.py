"""How far a value lies outside everything that was seen before it. Pure.

Where nobody knows the distribution, the range of the past is the honest yardstick: of n values that come alike one in
n / 2 is a new extreme, whatever they are distributed like; and it cannot collapse as a scale does.
"""

from dataclasses import dataclass

_LEAST_TO_SIZE = 1e-9


@dataclass(slots=True)
class Range:
    """The least and the greatest of the values seen; `seen` counts them."""

    least: float = 0.0
    greatest: float = 0.0
    seen: int = 0

    def margin(self, value: float) -> float:
        """How far the value lies outside, in widths of the range; 0 within, or while nothing was seen."""
        outside = max(value - self.greatest, self.least - value)
        return outside / self._width() if outside > 0 and self.seen > 0 else 0.0

    def closeness(self, value: float) -> float:
        """0 in the middle of the range, 1 at its ends and beyond."""
        if self.seen == 0:
            return 0.0
        from_middle = abs(value - (self.greatest + self.least) / 2)
        return min(2 * from_middle / self._width(), 1.0)

    def add(self, value: float) -> None:
        """The range holds the value."""
        self.least = value if self.seen == 0 else min(self.least, value)
        self.greatest = value if self.seen == 0 else max(self.greatest, value)
        self.seen += 1

    def _width(self) -> float:
        size = max(abs(self.least), abs(self.greatest))
        return max(self.greatest - self.least, size * _LEAST_TO_SIZE, 1e-300)
