"""Which faults a run suffers and when, from its seed. Pure.

The same seed gives the same faults at the same seconds; what a process is doing at that moment is the machine's choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

WORKERS = ("rating", "burn", "sink")
PARTS = (*WORKERS, "clickhouse", "kafka")
_WEIGHTS = {
    "kill": 35,  # kill -9 of one process
    "kill mid-write": 30,  # within milliseconds of a record of its transaction, or while a group is inserted
    "kill again": 10,  # and again while its successor starts
    "kill two": 8,  # two at once
    "stop": 8,  # SIGTERM, as an upgrade does
    "pause": 10,  # SIGSTOP for some seconds, then SIGCONT
    "zombie": 5,  # SIGSTOP for two session time-outs, a second worker in its place, then SIGCONT
    "extra": 4,  # a second instance joins, then dies
    "supervisor": 4,  # kill -9 of the supervisor, then `burnline up`
}
KINDS = tuple(_WEIGHTS)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault: so many seconds after the fault before it was over, to whom, how long."""

    after_sec: float
    kind: str
    targets: tuple[str, ...]
    hold_sec: float = 0.0

    def __str__(self) -> str:
        """As a person reads it."""
        hold = f" ({self.hold_sec:.3g} s)" if self.hold_sec else ""
        return f"{self.kind} {', '.join(self.targets)}{hold}"


def random_plan(*, seed: int, seconds: float, every_sec: float, session_sec: float) -> list[Fault]:
    """Faults for a run of so many seconds, one every `every_sec` on average (`after_sec` and holds together)."""
    dice = Random(f"plan-{seed}")  # noqa: S311  a seeded test
    faults: list[Fault] = []
    spent_sec = 0.0
    while True:
        kind = dice.choices(KINDS, list(_WEIGHTS.values()))[0]
        fault = _fault(dice, kind, after_sec=dice.expovariate(1 / every_sec), session_sec=session_sec)
        spent_sec += fault.after_sec + fault.hold_sec
        if spent_sec > seconds:
            return faults
        faults.append(fault)


def short_plan(*, seed: int, session_sec: float) -> list[Fault]:
    """Each process killed once at work, in any order; then two pauses, one killed while its successor starts."""
    dice = Random(f"plan-{seed}")  # noqa: S311  a seeded test
    order = dice.sample(PARTS, len(PARTS))
    kills = [
        Fault(after_sec=dice.uniform(1, 2), kind="kill" if part == "kafka" else "kill mid-write", targets=(part,))
        for part in order
    ]
    # No zombie here: one that wakes may rejoin, or hear late that it is fenced; the sums are exact all the same (the
    # long form, which freezes all three and asks that they end).
    return [
        *kills,
        Fault(after_sec=2, kind="pause", targets=(dice.choice(WORKERS),), hold_sec=2 * session_sec),
        Fault(after_sec=2, kind="pause", targets=(dice.choice(("clickhouse", "kafka")),), hold_sec=dice.uniform(3, 6)),
        Fault(after_sec=2, kind="kill again", targets=(dice.choice(WORKERS),), hold_sec=dice.uniform(0.3, 3)),
    ]


def kills_in(faults: Sequence[Fault]) -> int:
    """How many processes die by these faults."""
    each = {
        "kill": 1,
        "kill at work": 1,
        "kill mid-write": 1,
        "kill again": 2,
        "kill two": 2,
        "extra": 1,
        "supervisor": 1,
    }
    return sum(each.get(fault.kind, 0) for fault in faults)


def _fault(dice: Random, kind: str, *, after_sec: float, session_sec: float) -> Fault:
    targets: tuple[str, ...] = (dice.choice(PARTS),)
    hold_sec = 0.0
    if kind == "kill mid-write":
        targets, hold_sec = (dice.choice((*WORKERS, "clickhouse")),), dice.choice((0.0, dice.uniform(0, 0.8)))
    elif kind == "kill again":
        hold_sec = dice.uniform(0.2, 4)
    elif kind == "kill two":
        targets = tuple(dice.sample(PARTS, 2))
    elif kind == "pause":
        hold_sec = dice.uniform(1, 12 if targets[0] not in WORKERS else 22)
    elif kind == "zombie":
        targets, hold_sec = (dice.choice(WORKERS),), 2 * session_sec
    elif kind == "extra":
        targets, hold_sec = (dice.choice(("rating", "burn")),), dice.uniform(5, 20)
    elif kind == "supervisor":
        targets = ("supervisor",)
    return Fault(after_sec=after_sec, kind=kind, targets=targets, hold_sec=hold_sec)
