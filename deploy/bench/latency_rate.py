"""At which rate a burst was stored, from looks at how much of it stands in the ledger. Pure.

The sink stores in groups, so the count rises in steps. A rate is told from one step to another: never from looks
between which nothing was stored, which once said 0/s on a machine that stored the whole middle in one step.
"""

from collections.abc import Sequence
from itertools import pairwise

MOST_EVENTS = 5_000_000
GROWS = 4
_LEAST_STEPS = 3
_LEAST_SEC = 2.0
Look = tuple[float, int]
"""Seconds, and how many events were stored by then."""


def rate_of(looks: Sequence[Look], *, burst: int) -> float | None:
    """Events per second, without the first and the last tenth; None where that took too short, or too few steps."""
    rises = [now for before, now in pairwise(looks) if now[1] > before[1]]
    middle = [one for one in rises if 0.1 * burst <= one[1] <= 0.9 * burst]
    if len(middle) <= _LEAST_STEPS:
        return None
    (began_sec, began), (ended_sec, ended) = middle[0], middle[-1]
    return (ended - began) / (ended_sec - began_sec) if ended_sec - began_sec >= _LEAST_SEC else None


def next_burst(burst: int) -> int | None:
    """How many events to send where this many said nothing; None where that is enough."""
    return min(MOST_EVENTS, GROWS * burst) if burst < MOST_EVENTS else None
