"""Guards taken away on purpose, one at a time, so that a check that cannot fail is found.

Nothing in the product knows of this, see `hook.py`. Only the standard library is imported here, since every process of
the stack runs it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from tests.faults import without
from tests.faults.hook import Patch
from tests.faults.plan import Fault


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """What is broken, how, under which faults it must show, and which checks may be the ones that find it."""

    what: str
    patches: dict[str, Patch]
    faults: tuple[Fault, ...]
    caught_by: frozenset[str]
    hurry: bool = False
    window: int | None = None


ZOMBIE_SEC = 12.5


def _several(targets: Sequence[str], *, times: int, kind: str = "kill mid-write") -> tuple[Fault, ...]:
    """So many faults of a kind, shortly after each other, by turns."""
    hold_sec = ZOMBIE_SEC if kind == "zombie" else 0.0
    return tuple(
        Fault(
            after_sec=1 + 0.37 * number,
            kind=kind,
            targets=(targets[number % len(targets)],),
            hold_sec=hold_sec or 0.15 * number,
        )
        for number in range(times)
    )


MUTANTS: dict[str, Mutant] = {
    "no fence in the lanes": Mutant(
        what="a zombie's transactions are not refused",
        patches={
            "streams.lane_producer": without.no_fence_in_lanes,
            "streams.seat": without.hears_late_of_its_seat,
        },
        faults=_several(("rating", "burn"), times=2, kind="zombie"),
        caught_by=frozenset({"I3", "I5", "I7", "I12"}),
    ),
    "no fence in the sink": Mutant(
        what="two sinks write side by side",
        patches={"sinks.group_log": without.no_fence_in_sink},
        faults=_several(("sink",), times=1, kind="zombie"),
        caught_by=frozenset({"I3", "I12"}),
    ),
    "positions apart": Mutant(
        what="progress is committed after the outputs, in a transaction of its own",
        patches={
            "streams.lane": without.position_apart,
            "streams.lane_producer": partial(without.slow_commit_of_lanes, seconds=1.0),
        },
        # Apart by more than a restart takes, or deaths fall on the count of deaths. Burn alone: rating's window of
        # duplicates drops what it sees twice. Commits take longer than it takes to see what was written.
        faults=tuple(
            Fault(after_sec=8, kind="kill mid-write", targets=("burn",), hold_sec=0.03 * number) for number in range(8)
        ),
        caught_by=frozenset({"I1", "I3", "I5", "I7"}),
    ),
    "no token": Mutant(
        what="a repeated insert is not recognised, and nothing reconciles",
        patches={"sinks.store": without.no_token, "sinks.inserter": without.no_reconcile},
        faults=_several(("sink",), times=5, kind="kill at insert"),
        caught_by=frozenset({"I3"}),
    ),
    "progress before the insert": Mutant(
        what="the sink says that it has stored what it is about to store",
        patches={"sinks.rated": without.progress_first},
        faults=_several(("sink",), times=5),
        caught_by=frozenset({"I1", "I2", "I4"}),
    ),
    "adjustments after the insert": Mutant(
        what="a late copy is taken back from the budgets after its group is stored, not in one transaction",
        patches={"sinks.rated": without.adjustments_after_the_insert},
        faults=(Fault(after_sec=0, kind="peace", targets=("nobody",), hold_sec=15), *_several(("sink",), times=5)),
        caught_by=frozenset({"I5", "I7"}),
        window=100,
    ),
    "the worker's clock": Mutant(
        what="burn judges by its own clock, not by the log's",
        patches={"streams.burn.clock": without.own_clock},
        faults=_several(("burn",), times=2),
        caught_by=frozenset({"I7"}),
    ),
    "no replay": Mutant(
        what="burn goes on from its checkpoint without the records after it",
        patches={"streams.burn.stage": without.no_replay},
        faults=_several(("burn",), times=4),
        caught_by=frozenset({"I5", "I7"}),
    ),
    "head first": Mutant(
        what="a checkpoint's head is written before its pages, and recovery believes it",
        patches={"streams.checkpoints": without.head_first},
        faults=(Fault(after_sec=4, kind="point", targets=("burn: pages committed, before the head",)),) * 3,
        caught_by=frozenset({"I5", "I7"}),
        hurry=True,
    ),
    "reconcile beside an insert": Mutant(
        what="rollups are repaired while an insert runs",
        patches={"sinks.inserter": without.reconcile_beside},
        faults=(Fault(after_sec=0, kind="peace", targets=("nobody",), hold_sec=15),),
        caught_by=frozenset({"I3"}),
    ),
    "no watchdog": Mutant(
        what="nobody ends a worker that lives and does nothing",
        patches={"deploy.stack.watchdog": without.nobody_hangs},
        faults=(Fault(after_sec=12, kind="freeze", targets=("burn",)),),
        caught_by=frozenset({"I12"}),
    ),
    "read uncommitted": Mutant(
        what="the sink reads what was aborted",
        patches={"sinks.log_reader": without.reads_uncommitted, "streams.lane_producer": without.slow_commit_of_lanes},
        faults=_several(("rating",), times=6),
        # Rows that stand twice in a group are taken back from the budgets, which never had the aborted ones.
        caught_by=frozenset({"I1", "I3", "I7"}),
    ),
}
