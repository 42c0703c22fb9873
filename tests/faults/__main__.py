"""`python -m tests.faults --minutes M --seed S`: a run that hurts a stack at random and checks everything afterwards.

Exit code 0 if every check passes. The directory with operations, faults, report and the stack's logs is kept where one
does not, or with --keep. SIGUSR1 ends the faults early; what happened until then is judged.
"""

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.failpoints import POINTS
from tests.faults.mutants import MUTANTS
from tests.faults.plan import (
    Fault,
    hang_plan,
    kills_in,
    point_plan,
    random_plan,
    short_plan,
    with_full_disks,
    with_kills,
    with_points,
)
from tests.faults.recovering import measure_recovery
from tests.faults.run import ENOUGH, Wish, report, run, write_faults

_LONG_SEC = 1800.0
"""A run this long visits every failpoint, too."""


def break_each(names: list[str]) -> int:
    """Each mutant is run; exit code 0 if the checks caught all of them."""
    missed = []
    for name in names:
        mutant = MUTANTS[name]
        directory = Path(tempfile.mkdtemp(prefix="burnline-faults-mutant-"))
        wish = Wish(
            seed=1,
            seconds=60,
            rate_per_sec=100,
            faults=mutant.faults,
            session_sec=6,
            mutant=name,
            hurry=mutant.hurry,
            window=mutant.window,
            settled_sec=15,
        )
        result = run(wish, directory, say=lambda _text: None)
        wrong = sorted({one.name for one in result.checks if not one.passed})
        caught = mutant.caught_by & set(wrong)
        failed = ", ".join(wrong) or "none"
        sys.stdout.write(f"{'caught' if caught else 'MISSED'}: {name} ({mutant.what}); checks that failed: {failed}\n")
        sys.stdout.write("" if caught else report(result) + "\n")
        sys.stdout.flush()
        missed += [] if caught else [name]
        shutil.rmtree(directory)
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--kills", type=int, help="ends after so many kills, however long that takes")
    parser.add_argument("--seed", type=int, help="of traffic and faults; a new one unless given")
    parser.add_argument("--rate", type=float, default=200, help="events per second")
    parser.add_argument("--every", type=float, default=7, help="seconds between faults, on average")
    parser.add_argument("--session", type=float, default=6, help="session time-out of the workers, in seconds")
    parser.add_argument("--hot", type=float, help="share of the events on one key (0.8 with every fourth seed)")
    parser.add_argument("--window", type=int, help="events in rating's duplicate window: copies come from beyond it")
    parser.add_argument("--wide", action="store_true", help="each event names five entities that are new")
    parser.add_argument("--disk", type=int, metavar="MIB", help="the state directory's own disk; it is filled at times")
    parser.add_argument("--hurry", action="store_true", help="burn writes checkpoints all the time")
    parser.add_argument("--short", action="store_true", help="the short form that `make test` runs")
    parser.add_argument("--points", nargs="*", help="dies once at each of these failpoints (all unless named)")
    parser.add_argument("--hangs", action="store_true", help="each way to live and do nothing; the watchdog ends them")
    parser.add_argument("--keep", action="store_true", help="keep the directory of a run that passed")
    parser.add_argument("--mutants", nargs="*", help="break these guards one by one (all unless named); see mutants.py")
    parser.add_argument("--recovery", type=int, metavar="ENTITIES", help="time from kill -9 of burn to the next alert")
    return parser.parse_args()


def _plan(given: argparse.Namespace, seed: int) -> tuple[list[Fault], float]:
    """The faults that the command line asks for, and about how many seconds they take."""
    seconds = given.minutes * 60
    if given.short:
        return short_plan(seed=seed, session_sec=given.session), 60
    if given.points is not None:
        faults = point_plan([name for name in POINTS if any(text in name for text in given.points or [""])])
        return faults, 5.0 * len(faults)
    if given.hangs:
        return hang_plan(), 240
    if given.kills:
        seconds = 60.0 * given.kills
    faults = random_plan(seed=seed, seconds=seconds, every_sec=given.every, session_sec=given.session)
    if given.kills:
        faults = with_kills(faults, given.kills)
        seconds = sum(fault.after_sec + fault.hold_sec for fault in faults)
    if seconds >= _LONG_SEC and not given.kills:
        faults = with_points(faults, list(POINTS))
    if given.disk:
        faults = with_full_disks(faults)
    return faults, seconds


def main() -> int:
    """Runs what the command line asks for."""
    given = _arguments()
    if given.mutants is not None:
        return break_each(given.mutants or list(MUTANTS))
    if given.recovery is not None:
        return measure_recovery(given.recovery)
    seed = given.seed if given.seed is not None else secrets.randbelow(1_000_000)
    faults, seconds = _plan(given, seed)
    hot = given.hot if given.hot is not None else (0.8 if seed % 4 == 0 else 0.0)
    wish = Wish(
        seed=seed,
        seconds=seconds,
        rate_per_sec=given.rate,
        faults=faults,
        session_sec=given.session,
        hot_share=hot,
        hurry=given.hurry or given.points is not None,
        window=given.window,
        wide=given.wide,
        disk_mib=given.disk,
    )
    directory = Path(tempfile.mkdtemp(prefix=f"burnline-faults-{seed}-"))
    began_sec = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"[{time.monotonic() - began_sec:7.1f} s] {text}\n")
        sys.stdout.flush()

    say(f"seed {seed}: {len(faults)} faults, {kills_in(faults)} kills, {given.rate:g} events/s, hot key {hot:g}")
    say(f"directory {directory}")
    result = run(wish, directory, say=say)
    text = report(result)
    (directory / "report.txt").write_text(text + "\n")
    write_faults(result, directory / "faults.jsonl")
    say(f"{result.kills()} kills among {len(result.suffered)} faults in {result.hurt_sec():.0f} s\n{text}")
    if result.passed and not given.keep:
        shutil.rmtree(directory)
    words = [word for word in sys.argv[1:] if given.seed is None or word not in {"--seed", str(seed)}]
    again = f"python -m tests.faults {' '.join(words)} --seed {seed}"
    say("all checks passed" if result.passed else f"NOT all checks passed; again: {again}; kept: {directory}")
    return 0 if result.passed else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the stack is ended on this way out, too
    signal.signal(signal.SIGUSR1, lambda *_: ENOUGH.set())
    sys.exit(main())
