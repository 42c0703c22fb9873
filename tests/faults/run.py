"""One run: start, budgets, traffic, faults, drain, final read, checks."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cli_stack import ROOT
from tests.faults.checks import Check, check
from tests.faults.emitting import Emitter
from tests.faults.hurting import Hurting, Suffered
from tests.faults.judging import faults_check, judge
from tests.faults.ledger import Truth
from tests.faults.limits import limits_for
from tests.faults.plan import Fault, kills_in
from tests.faults.traffic import Traffic
from tests.faults.watching import Watch
from tests.faults.world import World, wait_sec

Say = Callable[[str], None]
_DRAIN_SEC = 300


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a run is to be. `seconds` is about how long its faults take."""

    seed: int
    seconds: float
    rate_per_sec: float
    faults: Sequence[Fault]
    session_sec: float
    hot_share: float = 0.0
    mutant: str | None = None


@dataclass
class Result:
    """What became of it."""

    wish: Wish
    suffered: list[Suffered] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    truth: Truth = field(default_factory=Truth)

    @property
    def passed(self) -> bool:
        """Whether every check did."""
        return all(one.passed for one in self.checks)

    def kills(self) -> int:
        """How many processes were killed."""
        return kills_in([one.fault for one in self.suffered])


def run(wish: Wish, directory: Path, *, say: Say) -> Result:
    """A run in this directory, which keeps its operations and logs; the stack is down afterwards.

    Raises: FatalError, subprocess errors: the run itself could not be carried out.
    """
    world = World(directory / "state", _settings(wish))
    result = Result(wish)
    try:
        world.up()
        say("up")
        limits = limits_for(rate_per_sec=wish.rate_per_sec, seconds=wish.seconds)
        budgets = directory / "budgets.toml"
        budgets.write_text("\n".join(limit.as_toml() for limit in limits))
        world.run("apply", str(budgets))
        emitter = Emitter(world.kafka(), Traffic(wish.seed, wish.hot_share), rate_per_sec=wish.rate_per_sec)
        watch = Watch(world)
        _suffer(world, emitter, watch, result, say)
        emitter.write(directory / "ops.jsonl")
        say(f"draining {len(emitter.ops):,} operations")
        drained = world.run("drain", "--timeout", str(_DRAIN_SEC), check=False)
        result.checks.append(check("I0", "everything drains", 1, [] if drained.returncode == 0 else [drained.stderr]))
        say("final read and checks")
        result.truth, found = judge(world, emitter, watch, limits)
        result.checks += [*found, faults_check(result.suffered)]
    finally:
        world.down()
    return result


def _settings(wish: Wish) -> dict[str, str]:
    settings = {"BURNLINE_STREAMS_SESSION_TIMEOUT_SEC": f"{wish.session_sec:g}"}
    if wish.mutant is not None:
        path = os.pathsep.join([str(ROOT), str(ROOT / "producers/client"), str(Path(__file__).with_name("broken"))])
        settings |= {"FAULTS_MUTANT": wish.mutant, "PYTHONPATH": path}
    return settings


def _suffer(world: World, emitter: Emitter, watch: Watch, result: Result, say: Say) -> None:
    """The faults happened under traffic."""

    def said(one: Suffered) -> None:
        extra = "".join(f"; {text}" for text in (one.outcome, one.health, one.wrong) if text and text != "done")
        say(f"{one.at:%H:%M:%S} {one.fault} (pids {', '.join(map(str, one.pids))}){extra}; {len(emitter.ops):,} sent")

    hurting = Hurting(world, said=said)
    result.suffered = hurting.suffered
    emitter.start()
    watch.start()
    try:
        for fault in result.wish.faults:
            hurting.suffer(fault)
        wait_sec(2)
    finally:
        unknown = emitter.stop(flush_sec=120)
        watch.stop()
    failed = [f"operation {number}: {found.error}" for number, found in emitter.outcomes.items() if found.error]
    say(f"sent {len(emitter.ops):,}: {len(failed)} refused, {unknown} unknown")


def report(result: Result) -> str:
    """The checks as a table, failed ones with what is wrong."""
    lines = []
    for one in result.checks:
        lines.append(f"{'ok  ' if one.passed else 'WRONG'} {one.name:<7} {one.what} ({one.compared:,} compared)")
        lines += [f"        {text[:600]}" for text in one.wrong[:6]]
        lines += [f"        and {len(one.wrong) - 6} more"] if len(one.wrong) > 6 else []
    return "\n".join(lines)


def write_faults(result: Result, path: Path) -> None:
    """Every fault and what was seen of it, one JSON line each."""
    with path.open("w") as out:
        for one in result.suffered:
            out.write(
                json.dumps(
                    {"at": one.at.isoformat(), "fault": str(one.fault), "pids": one.pids, "outcome": one.outcome}
                    | {"health": one.health, "wrong": one.wrong}
                )
                + "\n"
            )
