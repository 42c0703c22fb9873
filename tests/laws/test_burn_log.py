"""Burn is a function of its log: other batches, other orders of rows, deaths and recoveries change nothing."""

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.internal import batch_from_headers, from_arrow_bytes
from streams.burn.checkpoint import TOPIC
from streams.checkpoints import digest
from streams.ports import SourceRecord
from tests.laws.burn_deaths import Recorded, fingerprint, run_plainly, run_with_kills, write_logs
from tests.laws.test_adjustments import CHANGES, lived
from tests.scenarios.burn_log import (
    DAY,
    HOUR,
    MINUTE,
    SEC,
    BurnLog,
    MemoryReader,
    PolicyHistory,
    Row,
    new_lane,
    public,
    record_of,
    recovered,
    run,
    us,
)

FEW = settings(
    max_examples=int(os.environ.get("BURN_EXAMPLES", "2")),
    suppress_health_check=[HealthCheck.too_slow],
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
"""Each example is a whole log, so few by default; `BURN_EXAMPLES=200` looks harder."""

ROOT = Path(__file__).parents[2]
START = us("2026-11-30T21:00:00")  # a month ends within the longer logs
TEAMS, USERS = ("code", "data", "ops"), tuple(f"user-{index}" for index in range(6))


def changes() -> list[dict[str, Any]]:
    """Budgets of each unit and period; the second change edits one, the third removes one and matches one anew."""
    team: dict[str, Any] = {"kind": "budget", "id": "team", "org": "acme", "scope": {"team": "code"}, "limit": "40"}
    team |= {"escalate_to": ["kim", "lee"], "escalate_after_sec": 120}
    coming: dict[str, Any] = {**team, "id": "coming", "period": "quarter", "commitment": True}
    coming |= {"forecast_chance": "0.5", "forecast_after": "0"}
    each = {"kind": "budget", "id": "each", "org": "acme", "each": "user", "limit": "3", "period": "hour"}
    calls = {"kind": "budget", "id": "calls", "org": "acme", "limit": "90", "unit": "requests", "period": "day"}
    left: dict[str, Any] = {"kind": "budget", "id": "left", "org": "acme", "each": "user", "limit": "5"}
    left |= {"period": "day", "starts": "2026-11-28", "roll_over": True, "commitment": True}
    left |= {"threshold_amounts": ["4.5"]}
    rolls: dict[str, Any] = {"kind": "budget", "id": "rolls", "org": "acme", "each": "user", "limit": "6"}
    rolls |= {"period": "rolling", "days": 2, "timezone": "Europe/Berlin", "threshold_amounts": ["2"]}
    more = {"kind": "budget_increase", "id": "more", "org": "acme", "budget": "left", "member": "user-1", "amount": "3"}
    more |= {"starts": "2026-11-30T22:00:00Z", "ends": "2026-12-01T00:10:00Z"}
    spike = {"kind": "spike_rule", "org": "acme", "min_excess_usd_per_hour": "1"}
    return [
        {"sets": [team, each, calls, left, rolls, spike, coming]},
        {"sets": [{**team, "limit": "20"}, {**rolls, "limit": "9"}, more, {**coming, "limit": "50"}]},
        {"sets": [{**each, "period": "day"}, {**coming, "limit": "45"}], "removes": [("budget", "acme", "calls")]},
    ]


def policies() -> PolicyHistory:
    """These changes as a policy log."""
    return PolicyHistory(changes())


def make_log(seed: int, *, batches: int = 40) -> list[SourceRecord]:
    """A random log of three lanes: idle and busy stretches, late, future and backfill rows, policies that change."""
    dice = random.Random(seed)  # noqa: S311  a repeatable log, no secret
    log = BurnLog(lanes=3)
    times = [START] * 3
    policy = [-1] * 3
    for index in range(batches):
        lane = dice.randrange(3)
        times[lane] += dice.choice([SEC // 4, SEC, 2 * SEC, 20 * SEC, 3 * MINUTE, 25 * MINUTE])
        policy[lane] = max(policy[lane], min(2, index * 4 // batches - dice.randrange(2)))
        rows = [row for _ in range(dice.choice([0, 0, 1, 3, 12])) for row in event(dice, times[lane])]
        log.say(times[lane], rows, lane=lane, policy_offset=policy[lane])
    return log.records


def event(dice: random.Random, now_us: int) -> list[Row]:
    """What one event adds everywhere."""
    late = dice.randrange(30 * HOUR), dice.randrange(12 * DAY)
    ago = dice.choice([0, dice.randrange(60 * SEC), -dice.randrange(240 * SEC), *late])
    at_us, live = now_us - ago, ago < HOUR or dice.random() < 0.3
    team, user = dice.choice(TEAMS), dice.choice(USERS)
    cost, tokens = int(dice.lognormvariate(26, 1.5)), dice.randrange(5000)
    unpriced = dice.random() < 0.2
    who: list[tuple[str, str, str | None]] = [("org", "acme", None), ("team", team, None), ("user", user, None)]
    who.append(("model", "m-unknown" if unpriced else "m", None))
    who.append(("credential", f"key-{team}", None))
    if team == "code":
        who += [("budget", "team", None), ("budget", "coming", None)]
    who += [("budget", "each", user), ("budget", "calls", None), ("budget", "left", user), ("budget", "rolls", user)]
    return [
        Row(
            "acme",
            kind,
            name,
            at_us,
            cost_pico=0 if unpriced else cost,
            ceiling_pico=2 * cost if unpriced else 0,
            unpriced=int(unpriced),
            tokens=tokens,
            member=member,
            live=live,
            users=(hash_of(user),) if kind == "credential" else (),
        )
        for kind, name, member in who
    ]


def hash_of(name: str) -> int:
    """A hash that is the same in every process."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def shuffled(record: SourceRecord, dice: random.Random) -> SourceRecord:
    """The same record with its rows in another order."""
    if record.value is None:
        return record
    batch: pa.RecordBatch = from_arrow_bytes(record.value)
    order = list(range(batch.num_rows))
    dice.shuffle(order)
    return record_of(batch.take(pa.array(order)), batch_from_headers(record.headers), offset=record.offset)


@settings(FEW)
@given(st.integers(0, 10**6), st.integers(2, 50))
def test_cutting_the_log_into_other_batches_changes_nothing(seed: int, per_batch: int) -> None:
    """State and outputs are those of a run record by record, to the byte."""
    records = make_log(seed)
    one, other = new_lane(policies()), new_lane(policies())
    assert public(run(one, records)) == public(run(other, records, per_batch=per_batch))
    assert digest(one.state) == digest(other.state)


@settings(FEW)
@given(st.integers(0, 10**6))
def test_order_of_rows_within_a_batch_does_not_matter(seed: int) -> None:
    """What is sent is the same for any order of the rows."""
    records, dice = make_log(seed), random.Random(seed)  # noqa: S311  a repeatable order
    mixed = [shuffled(record, dice) for record in records]
    assert public(run(new_lane(policies()), records)) == public(run(new_lane(policies()), mixed))


@settings(FEW)
@given(st.integers(0, 10**6))
def test_dying_and_recovering_anywhere_changes_nothing(seed: int) -> None:
    """State and outputs of a run with kills, aborted steps and torn checkpoints equal those of one without."""
    log = Recorded(changes(), make_log(seed))
    expected, state = run_plainly(log)
    seen, last = run_with_kills(log, random.Random(seed))  # noqa: S311  repeatable deaths
    assert public(expected) == public(seen)
    assert state == last


@settings(FEW)
@given(st.integers(0, 10**6))
def test_deaths_amid_corrections_and_openings_change_nothing(seed: int) -> None:
    """The same over logs in which budgets wait for the ledger, open, and are corrected."""
    world = lived(random.Random(seed))  # noqa: S311  a repeatable world
    log = Recorded(CHANGES[: world.policies.latest()[0] + 1], world.deltas)
    expected, state = run_plainly(log)
    seen, last = run_with_kills(log, random.Random(seed))  # noqa: S311  repeatable deaths
    assert public(expected) == public(seen)
    assert state == last


def test_another_process_concludes_the_same(tmp_path: Path) -> None:
    """A fresh process with other hash seeds, another rhythm of checkpoints and deaths in between: byte for byte."""
    worlds = [lived(random.Random(seed)) for seed in range(3)]  # noqa: S311  repeatable worlds
    logs = [Recorded(changes(), make_log(seed)) for seed in (99, 100, 101)]
    logs += [Recorded(CHANGES[: world.policies.latest()[0] + 1], world.deltas) for world in worlds]
    path = tmp_path / "logs.json"
    write_logs(path, logs)
    done = subprocess.run(
        [sys.executable, "-m", "tests.laws.burn_deaths", str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "4242", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [fingerprint(*run_plainly(log, per_batch=7)) for log in logs] == done.stdout.split()


def test_checkpoints_are_spread_and_none_is_written_in_replay() -> None:
    """Rounds come at most once a minute of log time; replayed records write none."""
    records = make_log(5, batches=90)
    lane = new_lane(policies())
    outputs = run(lane, records)
    heads = [out for out in outputs if out.topic == TOPIC and out.key is not None and b"|head|" in out.key]
    minutes = {record.append_time_us // MINUTE for record in records}
    assert 2 <= len(heads) <= len(minutes)
    again, start = recovered(policies(), MemoryReader(), next_offset=len(records))
    assert start == 0
    assert [out for out in run(again, records) if out.topic == TOPIC] == []
