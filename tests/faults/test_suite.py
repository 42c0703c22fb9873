"""The fault suite's own rules: its ledger, budgets and plan; and that its checks can fail."""

from collections import Counter
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from schemas.keys import partition_for
from schemas.topics import BY_NAME
from tests.faults import checks, rerun
from tests.faults.checks import check
from tests.faults.failpoints import ALL, DELIVER, POINTS, Point, path_of
from tests.faults.ledger import LogRecord, Outcome, Truth, lost, truth_of
from tests.faults.limits import Expected, Limit, limits_for, sums_of, thresholds
from tests.faults.moments import instant, period_of
from tests.faults.plan import PARTS, Fault, kills_in, random_plan, short_plan, with_points
from tests.faults.traffic import KINDS, ORGS, Op, Traffic

NOW_US = 1_795_338_903_500_000  # 2026-11-22T09:15:03.5Z, a Sunday
HOUR_US = 3_600_000_000
STEP_US = 5_000


def ops_of(seed: int, number: int = 2_000) -> list[Op]:
    """Operations of a seed, 5 ms apart."""
    traffic = Traffic(seed)
    return [traffic.next(NOW_US + at * STEP_US) for at in range(number)]


def log_of(ops: list[Op]) -> list[LogRecord]:
    """The log when every operation was appended once, in order, a millisecond after it was sent."""
    ends: Counter[int] = Counter()
    records = []
    for op in ops:
        partition = partition_for(op.key, BY_NAME["usage.events"].partitions)
        append_us = NOW_US + op.number * STEP_US
        records.append(LogRecord(partition, ends[partition], append_us, op.number, op.value))
        ends[partition] += 1
    return records


@pytest.fixture(scope="module")
def truth() -> Truth:
    """The truth of an undisturbed log of one seed."""
    ops = ops_of(7)
    return truth_of(ops, log_of(ops))


def test_traffic_of_a_seed_is_repeatable() -> None:
    """The same seed and times give the same records; another seed gives others; every kind occurs."""
    assert ops_of(1, 200) == ops_of(1, 200)
    assert ops_of(1, 200) != ops_of(2, 200)
    assert {op.kind.partition(":")[0] for op in ops_of(1)} == set(KINDS)


def test_orgs_meet_every_lane_of_burn() -> None:
    """Each partition of internal.deltas has an org, so that no lane of burn is idle in a run."""
    partitions = BY_NAME["internal.deltas"].partitions
    assert {partition_for(org.encode(), partitions) for org in ORGS} == set(range(partitions))


def test_every_record_is_counted_a_copy_or_a_dead_letter(truth: Truth) -> None:
    """The ledger's three parts add up to the log, and no id is counted twice."""
    assert truth.records == len(truth.counted) + len(truth.copies) + len(truth.revised) + len(truth.dead)
    assert min(len(truth.counted), len(truth.copies), len(truth.revised), len(truth.dead)) > 0
    assert len({one.event.id for one in truth.counted}) == len(truth.counted)


def test_a_record_that_stands_twice_in_the_log_counts_once(truth: Truth) -> None:
    """What a producer's retry repeats is a copy; sums stay as they were."""
    ops = ops_of(7)
    log = log_of(ops)
    again = [replace(record, offset=record.offset + 10_000) for record in log if ops[record.op - 1].kind == "event"]
    repeated = truth_of(ops, [*log, *again])
    assert checks.usage_sums(repeated) == checks.usage_sums(truth)
    assert len(repeated.copies) == len(truth.copies) + len(again)


def test_a_contradiction_from_beyond_the_window_is_doubtful_and_no_other() -> None:
    """With a window of one event, contradictions of older ones may be dead letters or copies; nothing else changes."""
    ops = ops_of(7)
    whole, narrow = truth_of(ops, log_of(ops)), truth_of(ops, log_of(ops), window=1)
    assert narrow.doubtful
    assert {**narrow.dead, **narrow.doubtful} == whole.dead
    assert (narrow.counted, narrow.copies) == (whole.counted, whole.copies)


def test_an_acknowledged_record_that_is_gone_or_another_is_found() -> None:
    """What Kafka acknowledged must stand where it said, as it was sent."""
    ops = ops_of(3, 50)
    log = log_of(ops)
    outcomes = {record.op: Outcome(place=(record.partition, record.offset)) for record in log}
    assert lost(ops, outcomes, log) == []
    assert len(lost(ops, outcomes, log[1:])) == 1
    assert len(lost(ops, outcomes, [replace(log[0], value=b"other"), *log[1:]])) == 1
    assert lost(ops, {**outcomes, log[0].op: Outcome(error="time out")}, log[1:]) == []


@pytest.mark.parametrize(
    ("kind", "zone", "start", "end"),
    [
        ("hour", "UTC", "2026-11-22T09:00", "2026-11-22T10:00"),
        ("day", "Asia/Kolkata", "2026-11-21T18:30", "2026-11-22T18:30"),
        ("week", "UTC", "2026-11-16T00:00", "2026-11-23T00:00"),
        ("month", "UTC", "2026-11-01T00:00", "2026-12-01T00:00"),
    ],
)
def test_periods_are_those_of_the_calendar(kind: str, zone: str, start: str, end: str) -> None:
    """Hours, days, ISO weeks and months begin at their local beginning."""
    began_us, ended_us = period_of(NOW_US, kind, zone)
    assert [instant(at).strftime("%Y-%m-%dT%H:%M") for at in (began_us, ended_us)] == [start, end]


def test_a_limit_of_nothing_is_reached_by_anything() -> None:
    """A threshold needs at least the least amount that can be spent; shares are exact."""
    assert Limit(id="b", org="acme", limit="0").need("0.5") == 1
    assert Limit(id="b", org="acme", limit="0").shares() == ("1",)
    assert Limit(id="b", org="acme", limit="0.000000000003").need("0.5") == 2
    assert Limit(id="b", org="acme", unit="requests", limit="5").need("0.5") == 3


def test_only_open_or_purely_live_periods_must_fire(truth: Truth) -> None:
    """Thresholds of periods that only late events touch are never expected; those of today and this month are."""
    limits = limits_for(rate_per_sec=200, seconds=10)
    sums = sums_of(limits, truth.counted)
    expected = thresholds(limits, sums, began_us=truth.began_us, ended_us=truth.ended_us)
    assert expected.may == frozenset()
    closed = {key for key, total in sums.items() if total.end_us < NOW_US - HOUR_US}
    assert closed
    assert not {key[:4] for key in expected.must} & closed
    assert {key[1] for key in expected.must} >= {"month", "week-tokens", "code-day", "users-hour", "forbidden"}


def test_a_month_that_ends_meanwhile_may_fire_or_not(truth: Truth) -> None:
    """Where both live and late events touch a period that ends during the run, nothing is demanded."""
    limits = limits_for(rate_per_sec=200, seconds=10)
    sums = sums_of(limits, truth.counted)
    end_us = max(total.end_us for key, total in sums.items() if key[1] == "month")
    expected = thresholds(limits, sums, began_us=end_us - 1, ended_us=end_us + 1)
    assert {key[1] for key in expected.may} >= {"month"}
    assert not {key for key in expected.must if key[1] == "month"}


def test_a_plan_is_its_seeds_alone() -> None:
    """The same seed gives the same faults; kills come about as often as asked for; the short one kills each part."""
    plan = random_plan(seed=5, seconds=3600, every_sec=7, session_sec=6)
    assert plan == random_plan(seed=5, seconds=3600, every_sec=7, session_sec=6)
    assert kills_in(plan) >= 200
    for seed in range(20):
        short = short_plan(seed=seed, session_sec=6)
        assert {fault.targets[0] for fault in short if fault.kind in {"kill", "kill mid-write"}} == set(PARTS)
        assert kills_in(short) == 8


def test_a_plan_with_failpoints_visits_each_once() -> None:
    """However long the plan is, it is kept, and every failpoint is visited once."""
    for length in (0, 3, 54, 500):
        plan = [Fault(after_sec=1, kind="kill", targets=(str(number),)) for number in range(length)]
        found = with_points(plan, list(POINTS))
        assert [fault for fault in found if fault.kind == "kill"] == plan
        assert sorted(fault.targets[0] for fault in found if fault.kind == "point") == sorted(POINTS)


@pytest.mark.parametrize("point", [*POINTS.values(), DELIVER], ids=lambda point: f"{point.part}: {point.name}")
def test_each_failpoint_is_in_the_product(point: Point) -> None:
    """Its function exists, so that a renamed one is missed here and not in a run."""
    owner, _, name = point.function.rpartition(".")
    assert callable(getattr(getattr(import_module(point.module), owner), name))


def test_failpoints_have_files_of_their_own(tmp_path: Path) -> None:
    """No two points are armed by one file."""
    assert len({path_of(tmp_path, point) for point in POINTS.values()}) == len(POINTS) == len(ALL)


def test_checks_fail_on_the_smallest_difference(truth: Truth) -> None:
    """One token, one pico-dollar, one missing minute or nothing at all to compare is a failed check."""
    sums = checks.usage_sums(truth)
    key = next(iter(sums))
    for changed in ((*sums[key][:-1], sums[key][-1] + 1), (sums[key][0], *(value + 1 for value in sums[key][1:]))):
        assert len(checks.compare(sums, {**sums, key: changed})) == 1
    assert len(checks.compare(sums, {other: value for other, value in sums.items() if other != key})) == 1
    assert checks.compare(sums, dict(sums)) == []
    assert not check("I1", "nothing", 0, []).passed


def test_a_missing_double_or_groundless_alert_is_found() -> None:
    """I5 and I6 fail for each way in which alerts can be wrong."""
    key = ("acme", "month", "", 0, "1")
    found = checks.alert_checks([], Expected(frozenset({key}), frozenset()))
    assert [one.passed for one in found] == [False] * 4
    assert "never said" in found[0].wrong[0]


def test_a_rerun_tells_another_byte_and_a_missing_signal() -> None:
    """What was said may go on after the re-run's end, but must begin with it."""
    assert rerun.difference([b"a"], [b"a", b"b"]) == ""
    assert "signal 0" in rerun.difference([b"a"], [b"b"])
    assert "never said" in rerun.difference([b"a", b"b"], [b"a"])
