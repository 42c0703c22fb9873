"""Which faults a run suffers and when, from its seed. Pure.

The same seed gives the same faults at the same seconds; what a process is doing at that moment is the machine's choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

WORKERS = ("rating", "burn", "patterns", "sink")
PARTS = (*WORKERS, "clickhouse", "kafka")
_WEIGHTS = {
    "kill": 32,  # kill -9 of one process
    "kill mid-write": 26,  # within milliseconds of a record of its transaction, or while a group is inserted
    "kill at insert": 4,  # of the sink, while ClickHouse lives and executes its insert
    "late insert": 3,  # the same, and what it sent reaches ClickHouse when its successor has long repeated it
    "kill again": 9,  # and again while its successor starts
    "kill two": 8,  # two at once
    "stop": 6,  # SIGTERM, as an upgrade does
    "pause": 6,  # SIGSTOP for some seconds, then SIGCONT
    "zombie": 4,  # SIGSTOP for two session time-outs, a second worker in its place, then SIGCONT
    "extra": 3,  # a second instance joins, then dies
    "moving": 2,  # a second instance joins, and the group's coordinator is away while partitions move
    "storm": 1,  # 1 -> 3 -> 2 -> 1 workers within half a minute
    "supervisor": 3,  # kill -9 of the supervisor, then `burnline up`
    "endpoint": 6,  # ClickHouse as the sink sees it refuses, is slow, or fails after it committed
}
KINDS = tuple(_WEIGHTS)
LANES = ("rating", "burn", "patterns")
ENDPOINT = ("refuses", "slow", "fails after it committed", "loses the answer")
_TARGETS: dict[str, tuple[str, ...]] = {
    "kill mid-write": (*WORKERS, "clickhouse"),
    "kill at insert": ("sink",),
    "late insert": ("sink",),
    "zombie": WORKERS,
    "extra": LANES,
    "moving": LANES,
    "storm": LANES,
    "supervisor": ("supervisor",),
    "endpoint": ENDPOINT,
}
"""Whom each kind hurts, where not anybody."""
_HOLDS_SEC = {
    "kill again": (0.2, 4),
    "extra": (5, 12),
    "moving": (3, 6),
    "storm": (27, 27),
    "late insert": (1, 9),
    "endpoint": (3, 8),
}
"""The least and the longest time that a kind holds."""


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


def with_kills(plan: Sequence[Fault], kills: int) -> list[Fault]:
    """The plan up to the fault in which so many processes have died."""
    for number in range(len(plan) + 1):
        if kills_in(plan[:number]) >= kills:
            return list(plan[:number])
    return list(plan)


def with_points(plan: Sequence[Fault], names: Sequence[str]) -> list[Fault]:
    """The plan, and each of these failpoints visited once, spread over it."""
    points = point_plan(names)
    each = max(1, len(plan) // max(1, len(points)))
    found = [
        one
        for at, fault in enumerate(plan)
        for one in (fault, *(points[at // each : at // each + 1] if at % each == 0 else ()))
    ]
    return [*found, *points[-(-len(plan) // each) :]]


def with_full_disks(plan: Sequence[Fault]) -> list[Fault]:
    """The plan, and the disk is full for some seconds after every tenth fault."""
    full = Fault(after_sec=2, kind="full disk", targets=("the state directory",), hold_sec=6)
    return [one for number, fault in enumerate(plan) for one in ((fault, full) if number % 10 == 4 else (fault,))]


def short_plan(*, seed: int, session_sec: float) -> list[Fault]:
    """Each process killed once at work, in any order; a zombie, two pauses, one killed while its successor starts.

    The broker is paused for longer than its own session, so its controller puts it aside and takes it back.
    """
    dice = Random(f"plan-{seed}")  # noqa: S311  a seeded test
    order = dice.sample(PARTS, len(PARTS))
    kills = [
        Fault(after_sec=dice.uniform(1, 2), kind="kill" if part == "kafka" else "kill mid-write", targets=(part,))
        for part in order
    ]
    return [
        *kills,
        Fault(after_sec=2, kind="zombie", targets=(dice.choice(WORKERS),), hold_sec=2 * session_sec),
        Fault(after_sec=2, kind="pause", targets=("clickhouse",), hold_sec=dice.uniform(3, 6)),
        Fault(after_sec=2, kind="pause", targets=("kafka",), hold_sec=dice.uniform(5, 9)),
        Fault(after_sec=2, kind="kill again", targets=(dice.choice(WORKERS),), hold_sec=dice.uniform(0.3, 3)),
    ]


def point_plan(names: Sequence[str]) -> list[Fault]:
    """Each of these failpoints visited once, after a second of peace."""
    return [Fault(after_sec=1, kind="point", targets=(name,)) for name in names]


def hang_plan() -> list[Fault]:
    """Each way to live and do nothing, once: the watchdog must end it."""
    frozen = [Fault(after_sec=12, kind="freeze", targets=(part,)) for part in WORKERS]
    wedged = [Fault(after_sec=12, kind="wedge", targets=(part,)) for part in WORKERS]
    return [*frozen, *wedged, Fault(after_sec=12, kind="failing agent", targets=("rating",))]


def kills_in(faults: Sequence[Fault]) -> int:
    """How many processes die by these faults."""
    each = {
        **dict.fromkeys(
            ("kill", "kill mid-write", "kill at insert", "late insert", "extra", "moving", "supervisor", "point"), 1
        ),
        **dict.fromkeys(("kill again", "kill two", "storm"), 2),
        **dict.fromkeys(("freeze", "wedge", "failing agent"), 1),
    }
    return sum(each.get(fault.kind, 0) for fault in faults)


def _fault(dice: Random, kind: str, *, after_sec: float, session_sec: float) -> Fault:
    targets: tuple[str, ...] = (dice.choice(_TARGETS.get(kind, PARTS)),)
    hold_sec = 0.0
    if kind == "kill mid-write":
        hold_sec = dice.choice((0.0, dice.uniform(0, 0.8)))
    elif kind == "kill two":
        targets = tuple(dice.sample(PARTS, 2))
    elif kind == "pause":
        hold_sec = dice.uniform(1, 12 if targets[0] not in WORKERS else 22)
    elif kind == "zombie":
        hold_sec = 2 * session_sec
    elif kind in _HOLDS_SEC:
        hold_sec = dice.uniform(*_HOLDS_SEC[kind])
    return Fault(after_sec=after_sec, kind=kind, targets=targets, hold_sec=hold_sec)
