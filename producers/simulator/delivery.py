"""In which order the day's events are sent: a little after each call, some late, some twice. Pure.

Laws
1. Nothing is sent after the day's end, and nothing before its call.
2. A second sending is the same bytes as the first, and comes after it.
"""

from dataclasses import dataclass

from producers.simulator.dice import Dice
from producers.simulator.shape import DAY_US

LATE_PER_MILLE = 10
TWICE_PER_MILLE = 20
_LATE_FROM_US, _LATE_TO_US = 5 * 60_000_000, 120 * 60_000_000


@dataclass(frozen=True, slots=True)
class Sending:
    """When an event (by its number) is sent, in microseconds since the day began; `copy` is 1 for the second time."""

    sent_us: int
    event: int
    copy: int
    late: bool


def order(ended_us: list[int], *, seed: int) -> list[Sending]:
    """Every event once, about 2 % twice, about 1 % five minutes to two hours late, by time of sending."""
    dice = Dice(seed, "delivery")
    sendings: list[Sending] = []
    for event, ended in enumerate(ended_us):
        wait, late = dice.between(50_000, 900_000), False
        delay = dice.between(_LATE_FROM_US, _LATE_TO_US)
        if dice.chance(LATE_PER_MILLE) and ended + delay < DAY_US:
            wait, late = delay, True
        sent = min(ended + wait, DAY_US)
        sendings.append(Sending(sent, event, 0, late))
        again = sent + dice.size(20_000_000, spread_milli=1200)
        if dice.chance(TWICE_PER_MILLE) and again < DAY_US:
            sendings.append(Sending(again, event, 1, late))
    return sorted(sendings, key=lambda sending: (sending.sent_us, sending.event, sending.copy))
