"""Each process is killed once while a trace is replayed and a charge revised; afterwards every sum is exact."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli_stack import SET, TRACE, Stack, started

DEATHS = (("rating",), ("sink",), ("burn", "patterns"), ("clickhouse",), ("kafka",))
"""Who dies together: burn and patterns read different logs of rating's, and neither waits for the other."""
SERVERS = ("clickhouse", "kafka")
SPEED = "90x"  # the hour of the trace takes 40 s, long enough to meet every death
RECOVERY_SEC = 90.0

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not TRACE.exists(), reason="the Azure trace is not beside this checkout (shared/data)"),
]


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of this test's own."""
    yield from started(tmp_path_factory.mktemp("killed") / "state")


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Returns when a condition holds; fails the test when it does not within the time that recovery may take."""
    deadline = time.monotonic() + RECOVERY_SEC
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} took more than {RECOVERY_SEC:.0f} s")
        signal.sigtimedwait([], 0.2)


def kill_and_see_their_work_done(stack: Stack, *names: str) -> None:
    """The processes die at once and others do their work: a stage has moved on, or all is done; a server answers."""
    before = stack.status()["parts"]
    for name in names:
        os.kill(before[name]["pid"], signal.SIGKILL)

    def works(name: str) -> bool:
        now = stack.status()["parts"][name]
        if now["pid"] in (None, before[name]["pid"]) or now["health"] == "down":
            return False
        moved = (now["position"] or 0) > (before[name]["position"] or 0)
        return name in SERVERS or moved or now["lag"] == 0

    wait_until(lambda: all(works(name) for name in names), f"{' and '.join(names)} coming back to work")


BUDGET = '[[budget]]\nid = "desks"\norg = "acme"\nscope = { team = "desks" }\nlimit = 10000\nperiod = "month"\n'


def revise(stack: Stack, folder: Path, *, revision: int) -> None:
    """The charge of two days, all of them due, costs 100 USD more than in the revision before."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    file = folder / f"charge-{revision}.csv"
    file.write_text(
        "id,revision,kind,amount_usd,service_from,service_until,org,team\n"
        f"desks,{revision},seat,{revision}00.000000000001,{yesterday},{yesterday + timedelta(days=2)},acme,desks\n"
    )
    stack.run("replay", "charges", str(file))


def test_sums_are_exact_after_each_process_was_killed_during_a_replay(stack: Stack, tmp_path: Path) -> None:
    """Requests, tokens and debits equal those of the files in events, rollup, budget, whatever died on the way."""
    (tmp_path / "budget.toml").write_text(BUDGET)
    stack.run("apply", str(tmp_path / "budget.toml"))
    command = [sys.executable, "-m", "deploy", "replay", "azure-llm", str(TRACE), "--speed", SPEED, *SET]
    with subprocess.Popen(
        command, env=stack.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as replay:
        for revision, names in enumerate(DEATHS, start=1):
            revise(stack, tmp_path, revision=revision)
            kill_and_see_their_work_done(stack, *names)
        wait_until(lambda: bool(stack.status()["health"] == "ok"), "all of them being healthy")
        _, said = replay.communicate(timeout=300)
    assert replay.returncode == 0, said.decode()[-2000:]
    stack.run("drain", "--timeout", "120")
    with TRACE.open() as lines:
        rows = list(csv.DictReader(lines))
    expected = {
        "requests": str(len(rows)),
        "input_tokens": str(sum(int(row["ContextTokens"]) for row in rows)),
        "output_tokens": str(sum(int(row["GeneratedTokens"]) for row in rows)),
    }
    tokens = "toString(sum(input_tokens)) AS input_tokens, toString(sum(output_tokens)) AS output_tokens"
    for view, count in (("usage_events", "count()"), ("usage_15m", "sum(requests)"), ("usage_1h", "sum(requests)")):
        assert stack.rows(f"SELECT toString({count}) AS requests, {tokens} FROM {view}") == [expected], view
    debited = "SELECT toString(sum(spent)) AS usd FROM budget_states WHERE budget_id = 'desks'"
    stands = "SELECT toString(sum(amount_usd)) AS usd FROM charges"
    days = "SELECT toString(sum(amount_usd)) AS usd FROM charges_daily"
    assert [stack.rows(query) for query in (debited, stands, days)] == [[{"usd": "500.000000000001"}]] * 3
