"""When a reader that hears nothing opens a new connection: pure.

After the death or a pause of a broker, librdkafka's old consumers were seen to fetch nothing any more, for good, while
the broker answered everybody else. So a reader to whom nothing comes has somebody else ask where the partitions end.

Laws
1. Who reads on, or has nothing to read, keeps its connection.
2. Who stands, at two looks in a row, where it stood while there was something to read, opens a new one.
3. After each new one that brought nothing, the looks are twice as far apart, up to LONGEST_TIMES of the least.
A verdict may be wrong, at the cost of one connection: the new one begins where the reader stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

LOOK_SEC = 5.0
_MOST_DOUBLINGS = 4
LONGEST_TIMES = 1 << _MOST_DOUBLINGS
_Place = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """What is remembered of the last look; times are monotonic.

    `waiting`: where the reader stood on partitions that held more for it. `in_vain`: new connections in a row since
    one brought anything.
    """

    looked_sec: float
    waiting: Mapping[_Place, int] = field(default_factory=dict)
    in_vain: int = 0

    def is_due(self, *, now_sec: float, look_sec: float) -> bool:
        """Whether to look again, at the earliest after `look_sec`; a suspicion is settled in half of that."""
        times = 1 << min(self.in_vain, _MOST_DOUBLINGS)
        return now_sec - self.looked_sec >= look_sec * times / (2 if self.waiting else 1)


def looked(
    before: Silence, *, stands: Mapping[_Place, int], ends: Mapping[_Place, int], now_sec: float
) -> tuple[Silence, bool]:
    """What is remembered of this look, and whether a new connection is due.

    `stands`: the next offset that the reader awaits of each partition; `ends`: up to where each can be read.
    """
    waiting = {place: at for place, at in stands.items() if ends.get(place, at) > at}
    stuck = any(before.waiting.get(place) == at for place, at in waiting.items())
    return Silence(looked_sec=now_sec, waiting=waiting, in_vain=before.in_vain + 1 if stuck else 0), stuck
