"""What runs of one task template have cost, and what that says of a run that is still going on. Pure.

Laws
1. The newest `KEPT` finished runs are known; nothing is predicted before `LEAST` of them are.
2. A run that has cost so much already is held against those of them that cost at least as much: its expected end is
   their median, its high end the ninth of ten. One that is past all of them is expected to cost half as much again.
"""

from typing import NamedTuple

import msgspec

KEPT = 64
LEAST = 8


class Template(msgspec.Struct, array_like=True):
    """The costs in micro-USD of the newest finished runs of a template, oldest first."""

    costs_micro: list[int] = msgspec.field(default_factory=list)

    def finished(self, cost_micro: int) -> None:
        """One more run is over."""
        self.costs_micro.append(cost_micro)
        del self.costs_micro[:-KEPT]

    def median_micro(self) -> int | None:
        """What a run costs in the middle; None before enough are known."""
        return None if len(self.costs_micro) < LEAST else sorted(self.costs_micro)[len(self.costs_micro) // 2]

    def rank(self, cost_micro: int) -> float:
        """Which share of the known runs cost less."""
        return sum(one < cost_micro for one in self.costs_micro) / max(1, len(self.costs_micro))

    def chance(self, cost_micro: int) -> float:
        """How likely a run costs as much in the end, if it is like the known ones: (as dear + 1) / (known + 1)."""
        return (sum(one >= cost_micro for one in self.costs_micro) + 1) / (len(self.costs_micro) + 1)


class Prediction(NamedTuple):
    """What a run will have cost in the end, in micro-USD: as likely more as less; and more in one of ten cases."""

    expected_micro: int
    high_micro: int
    runs: int
    """Of how many runs that is known."""


def predict(template: Template | None, cost_micro: int) -> Prediction | None:
    """The end of a run that has cost so much; None before enough runs of its template are known."""
    if template is None or len(template.costs_micro) < LEAST:
        return None
    further = sorted(one for one in template.costs_micro if one >= cost_micro)
    if not further:
        return Prediction(cost_micro * 3 // 2, cost_micro * 3, len(template.costs_micro))
    return Prediction(further[len(further) // 2], further[len(further) * 9 // 10], len(template.costs_micro))
