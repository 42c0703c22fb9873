"""The laws of patterns over its log: any death leads to the same alerts and the same state; memory is bounded."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import CorruptStateError
from streams.checkpoints import digest
from streams.patterns import state as remembering
from streams.patterns.remembered import Remembered
from streams.patterns.stage import PatternsLane
from streams.patterns.state import TOPIC, PatternsState
from streams.ports import Output, SourceBatch, SourceRecord
from tests.scenarios.burn_log import MINUTE, SEC, us
from tests.scenarios.steps_log import Step, StepLog, call, kept, new_lane, policies, public, recovered, run

AT = us("2026-11-22T09:00:00")
RULES = ({"kind": "run_rule", "loop_least_sec": 30},)


def story(dice: random.Random) -> Iterator[Step]:
    """Runs of a few agents over an hour: some go round for a while, some are long, some fail again and again."""
    for number in range(40):
        begin = AT + dice.randrange(60) * MINUTE
        loops, fails = dice.random() < 0.4, dice.random() < 0.2
        for step in range(dice.choice([3, 12, 60])):
            yield call(
                begin + step * dice.randrange(1, 4) * SEC,
                usd=dice.choice([0.01, 0.05, 1.0]),
                run=f"run-{number % 25}",
                agent=dice.choice(["fixer", "tester"]),
                credential=dice.choice(["k1", "k2", None]),
                task_template=dice.choice(["fix", None]),
                step=step,
                tool="search",
                tool_call_hash="same" if loops else f"{step}",
                status="error" if fails else "ok",
                region=dice.choice(["eu-west-1", "us-east-1", None]),
                live=dice.random() < 0.95,
            )


def log_of(seed: int) -> StepLog:
    """A log of the story, with its silence afterwards."""
    log = StepLog()
    log.tell(story(random.Random(seed)), every_us=5 * SEC)  # noqa: S311  a seeded test
    for minute in range(0, 60, 5):
        log.tick(log.records[-1].append_time_us + minute * MINUTE)
    return log


def deaths(records: list[SourceRecord], dice: random.Random) -> tuple[list[Output], str]:
    """The outputs that are seen and the last state, where the worker dies at random and torn checkpoints lie about."""
    reader, seen, done = kept(), list[Output](), 0
    lane, position = recovered(policies(*RULES), reader, next_offset=0, step_bytes=1)
    while done < len(records):
        run(lane, records[position:done])
        size = dice.randrange(1, 60)
        result = lane.step(SourceBatch("internal.steps", 0, records[done : done + size]))
        committed = dice.random() > 0.1
        if committed:
            reader.keep(result.outputs)
            seen += result.outputs
            done = position = min(done + size, len(records))
        if not committed or dice.random() < 0.3:
            if committed and dice.random() < 0.4:
                reader.keep(lane.checkpoint())
            if reader.records and dice.random() < 0.3:
                torn = dice.randrange(len(reader.records))
                reader.records[torn] = SourceRecord(torn, 0, None, b"torn", ())
            lane, position = recovered(policies(*RULES), reader, next_offset=done, step_bytes=dice.choice([1, 10**6]))
    run(lane, records[position:])
    return seen, digest(lane.state)


@pytest.mark.parametrize("seed", range(2))
def test_a_life_with_deaths_says_what_a_plain_one_says(seed: int) -> None:
    """State and outputs with kills, aborted steps and torn checkpoints equal those without, to the byte."""
    log = log_of(seed)
    plain = new_lane(policies(*RULES))
    expected = public(run(plain, log.records))
    assert any(topic == "alerts.anomalies" for topic, _, _ in expected)
    seen, last = deaths(log.records, random.Random(seed))  # noqa: S311  a seeded test
    assert (expected, digest(plain.state)) == (public(seen), last)


@given(st.integers(1, 400))
@settings(max_examples=2, deadline=None)
def test_cutting_the_log_into_batches_changes_nothing(per_batch: int) -> None:
    """Records are concluded on one after the other, however many come at once."""
    log = log_of(7)
    assert public(run(new_lane(policies(*RULES)), log.records[:400])) == public(
        run(new_lane(policies(*RULES)), log.records[:400], per_batch=per_batch)
    )


@given(st.lists(st.tuples(st.sampled_from("aaaab"), st.integers(0, 6)), max_size=60))
def test_what_was_not_heard_of_for_the_longest_is_forgotten_first(words: list[tuple[str, int]]) -> None:
    """Memory is bounded by count: who holds no more than a share keeps all, others their newest."""
    held: Remembered[tuple[str, str], list[int]] = Remembered(most=4)
    heard: dict[str, dict[tuple[str, str], None]] = {"a": {}, "b": {}}
    for org, number in words:
        held.touched((org, str(number)), list)
        heard[org].pop((org, str(number)), None)
        heard[org][org, str(number)] = None
        assert len(list(held)) == len(held) <= 4
        for name, mine in heard.items():
            kept_of = [key for key in held if key[0] == name]
            assert kept_of == list(mine)[len(mine) - len(kept_of) :]
            assert len(kept_of) >= min(len(mine), 2)
    assert list(Remembered(held.items(), most=4).items()) == list(held.items())


def test_a_flood_of_runs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many runs there are, no more are remembered than agreed, and their state survives a checkpoint."""
    monkeypatch.setattr(remembering, "MOST_RUNS", 50)
    log = StepLog()
    log.tell((call(AT + n * SEC // 20, run=f"r{n}") for n in range(500)), every_us=SEC)
    lane = new_lane(policies())
    run(lane, log.records)
    assert list(lane.state.runs) == [("acme", f"r{n}") for n in range(450, 500)]
    again = PatternsState()
    again.take_cross(lane.state.cross())
    assert digest(again) == digest(lane.state)


def test_a_stop_is_free() -> None:
    """After a graceful stop the next owner is live at once, with the same state."""
    log = log_of(1)
    lane, reader = new_lane(policies(*RULES)), kept()
    run(lane, log.records[:300])
    reader.keep(lane.checkpoint())
    again, start = recovered(policies(*RULES), reader, next_offset=300, step_bytes=1)
    assert (start, digest(again.state)) == (300, digest(lane.state))
    assert public(run(lane, log.records[300:])) == public(run(again, log.records[300:]))


def test_rounds_are_written_once_a_minute() -> None:
    """A round is written when it is due, and never in replay."""
    log = log_of(2)
    outputs = run(new_lane(policies(*RULES)), log.records)
    rounds = {out.key for out in outputs if out.topic == TOPIC and (out.key or b"").endswith(b"|head|0")}
    assert 30 <= len(rounds) <= 70
    replayed: PatternsLane
    replayed, _ = recovered(policies(*RULES), kept(), next_offset=len(log.records), step_bytes=1)
    assert [out for out in run(replayed, log.records) if out.topic == TOPIC] == []


@pytest.mark.parametrize(
    "record",
    [SourceRecord(3, AT, None, b"", ()), SourceRecord(3, AT, None, b"no rows", ())],
    ids=["no header", "no rows"],
)
def test_what_rating_cannot_have_written_ends_the_process(record: SourceRecord) -> None:
    """A record without a header or rows of ours is damage, which nobody passes in silence."""
    log = StepLog()
    log.tick(AT)
    if record.value:
        record = SourceRecord(3, AT, None, record.value, log.records[0].headers)
    with pytest.raises(CorruptStateError, match=r"internal\.steps offset 3"):
        new_lane(policies()).step(SourceBatch("internal.steps", 0, [record]))
