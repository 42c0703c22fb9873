"""Which process lives and does nothing: pure.

Laws
1. A process is hung when it has given no sign of life for `hang_sec` while everything that it needs was well.
2. Time in which something that it needs was away, or in which it had nothing to do, does not count.
3. Who was killed for hanging and gives no sign of life afterwards is given twice the time, then four times, ...
4. A process that has given no sign of life yet may be recovering: it is given three times as long. So are Kafka and
   ClickHouse, on which everybody else hangs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

NEEDS: dict[str, tuple[str, ...]] = {
    "kafka": (),
    "clickhouse": (),
    "rating": ("kafka",),
    "burn": ("kafka",),
    "patterns": ("kafka",),
    "sink": ("kafka", "clickhouse"),
    "notifier": ("kafka",),
    "collector": (),
}
HELD_SEC = 90.0
"""No transaction of ours stays open for longer: after at most 60 s a broker ends it, looking every second or ten."""
_MOST_DOUBLINGS = 6
_LONGER = 3
_PATIENTLY = frozenset({"kafka", "clickhouse"})


@dataclass(frozen=True)
class Look:
    """What one look at a running process gave. `sign` changes with each sign of life; None: it is well without one."""

    pid: int
    sign: str | None


@dataclass(frozen=True)
class Watched:
    """What is remembered of a process: its last sign, since when there was no other, how often it was killed for it."""

    pid: int
    sign: str | None
    since_sec: float
    strikes: int = 0
    excused: bool = False  # something that it needs was away at the last look
    spoken: bool = False  # it has given a sign of life since it started

    def patience(self, name: str) -> int:
        """How many times `hang_sec` it may be silent."""
        return (_LONGER if name in _PATIENTLY or not self.spoken else 1) * (1 << min(self.strikes, _MOST_DOUBLINGS))


@dataclass(frozen=True)
class Held:
    """Up to where `internal.progress` could be read, since when, while there was more behind an open transaction."""

    readable: int
    since_sec: float

    def too_long(self, *, now_sec: float) -> bool:
        """Whether the broker should have ended that transaction by now: it answers, and moves nothing."""
        return now_sec - self.since_sec >= HELD_SEC


def held(before: Held | None, *, readable: int, end: int, now_sec: float) -> Held | None:
    """What is remembered of a look at both ends of `internal.progress`; None where all of it can be read."""
    if readable >= end:
        return None
    return before if before is not None and before.readable == readable else Held(readable, now_sec)


def step(
    before: Mapping[str, Watched], looks: Mapping[str, Look], *, well: frozenset[str], now_sec: float, hang_sec: float
) -> tuple[dict[str, Watched], list[str]]:
    """What is remembered after a look, and who is hung.

    `looks` has the running processes only; `well` names who of Kafka and ClickHouse answers, whoever runs them;
    `now_sec` is monotonic. The sign "" says that a part which should always answer did not.
    """
    after: dict[str, Watched] = {}
    hung: list[str] = []
    for name, look in looks.items():
        known = before.get(name)
        same = known is not None and known.pid == look.pid
        spoken = same and known is not None and known.spoken
        fresh = Watched(look.pid, look.sign, now_sec, known.strikes if known else 0, spoken=spoken)
        if not well.issuperset(NEEDS[name]):
            after[name] = replace(fresh, excused=True)
        elif known is None or not same or known.excused:
            after[name] = fresh
        elif look.sign is None or (look.sign != known.sign and look.sign):
            after[name] = replace(fresh, strikes=0, spoken=True)
        elif now_sec - known.since_sec > hang_sec * known.patience(name):
            hung.append(name)
            after[name] = replace(fresh, strikes=known.strikes + 1)
        else:
            after[name] = replace(known, sign=look.sign or known.sign)
    return after, hung


def first_words(before: Mapping[str, Watched], after: Mapping[str, Watched]) -> list[str]:
    """Who has spoken for the first time since it started, between two looks: from now on it is given less time."""
    silent = {(name, one.pid) for name, one in before.items() if not one.spoken}
    return [name for name, one in after.items() if one.spoken and (name, one.pid) in silent]
