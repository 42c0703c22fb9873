"""One run: start, budgets, traffic, faults, drain, final read, checks."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import hook
from tests.faults.checks import Check, check
from tests.faults.disk import small_disk
from tests.faults.emitting import Emitter
from tests.faults.hurting import Hurting, Suffered
from tests.faults.judging import SETTLED_SEC, faults_check, judge
from tests.faults.ledger import WINDOW, Truth
from tests.faults.limits import ceilings_toml, limits_for
from tests.faults.papers import budgets_toml
from tests.faults.plan import Fault, kills_in
from tests.faults.proxy import Proxy
from tests.faults.traffic import Traffic
from tests.faults.watching import Watch
from tests.faults.world import World, wait_sec

Say = Callable[[str], None]
ENOUGH = threading.Event()
"""Set: no further fault happens; what was suffered is judged."""
_DRAIN_SEC = 900


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a run is to be. `seconds` is about how long its faults take.

    `window` is how many events rating's duplicate window holds; `hurry`: burn writes checkpoints all the time;
    `wide`: every event names new entities; `disk_mib`: the state directory has a small disk of its own.
    """

    seed: int
    seconds: float
    rate_per_sec: float
    faults: Sequence[Fault]
    session_sec: float
    hot_share: float = 0.0
    mutant: str | None = None
    hurry: bool = False
    window: int | None = None
    wide: bool = False
    disk_mib: int | None = None
    settled_sec: float = SETTLED_SEC

    def needs(self, *kinds: str) -> bool:
        """Whether any of its faults is of these kinds."""
        return any(fault.kind in kinds for fault in self.faults)


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

    def hurt_sec(self) -> float:
        """From the first fault to the last."""
        return (self.suffered[-1].at - self.suffered[0].at).total_seconds() if self.suffered else 0.0

    def kills(self) -> int:
        """How many processes were killed."""
        return kills_in([one.fault for one in self.suffered])


def run(wish: Wish, directory: Path, *, say: Say) -> Result:
    """A run in this directory, which keeps its operations and logs; the stack is down afterwards.

    Raises: FatalError, subprocess errors: the run itself could not be carried out.
    """
    result = Result(wish)
    with _world(wish, directory, say) as world:
        world.up()
        say("up")
        limits = limits_for(rate_per_sec=wish.rate_per_sec, seconds=wish.seconds)
        budgets = directory / "budgets.toml"
        budgets.write_text("\n".join([ceilings_toml(), budgets_toml(), *(limit.as_toml() for limit in limits)]))
        world.run("apply", str(budgets))
        traffic = Traffic(wish.seed, wish.hot_share, wide=wish.wide)
        emitter = Emitter(world.kafka(), traffic, rate_per_sec=wish.rate_per_sec)
        watch = Watch(world)
        _suffer(world, emitter, watch, result, say)
        emitter.write(directory / "ops.jsonl")
        say(f"draining {len(emitter.ops):,} operations")
        drained = world.run("drain", "--timeout", str(_DRAIN_SEC), check=False, timeout_sec=_DRAIN_SEC + 60)
        result.checks.append(check("I0", "everything drains", 1, [] if drained.returncode == 0 else [drained.stderr]))
        say("final read and checks")
        result.truth, found = judge(
            world, emitter, watch, limits, window=wish.window or WINDOW, settled_sec=wish.settled_sec
        )
        result.checks += [*found, faults_check(result.suffered)]
    return result


@contextlib.contextmanager
def _world(wish: Wish, directory: Path, say: Say) -> Iterator[World]:
    """The world of a run, not up yet; afterwards nothing of it lives."""
    state, settings = directory / "state", {"BURNLINE_STREAMS_SESSION_TIMEOUT_SEC": f"{wish.session_sec:g}"}
    hooks = {hook.MUTANT: wish.mutant} if wish.mutant else {}
    if wish.window is not None:
        settings["BURNLINE_STREAMS_DUPLICATE_WINDOW_EVENTS"] = str(wish.window)
    if wish.hurry:
        hooks[hook.HURRY] = "1"
    if wish.needs("point", "wedge", "failing agent"):
        (directory / "points").mkdir()
        hooks[hook.POINTS] = str(directory / "points")
    between = wish.needs("endpoint", "kill at insert", "late insert")
    proxy = Proxy(lambda: world.found().record.clickhouse_port) if between else None
    if proxy is not None:
        proxy.start()
        hooks[hook.PROXY] = str(proxy.port)
    world = World(state, settings | hook.environment(**hooks), proxy)
    with contextlib.ExitStack() as after:
        if proxy is not None:
            after.callback(proxy.stop)
        if wish.disk_mib is not None:
            after.enter_context(small_disk(state, mib=wish.disk_mib))
            say(f"the state directory has a disk of {wish.disk_mib} MiB")
        after.callback(world.down)
        yield world


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
            if ENOUGH.is_set():
                say("told that this is enough")
                break
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
