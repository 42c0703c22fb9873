"""Replay against a real Kafka: every row is acknowledged or skipped for a reason; a second replay adds nothing."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest

from deploy.stack.kafka_broker import running_kafka
from deploy.stack.kafka_config import KafkaConfig
from deploy.stack.ports import free_port
from producers.replay import Plan, Progress, parse_shift, parse_speed, prepare, run
from producers.sending import Sender
from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError, SettingsError
from schemas.keys import partition_for
from tests.contract.producers_reading import PARTITIONS, Record, make_topic, read_all
from tests.stack import installed_kafka

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SETS = {"org": "acme", "provider": "openai", "model": "gpt-4o"}
pytestmark = [pytest.mark.real]


@pytest.fixture
def stack(kafka: str, request: pytest.FixtureRequest) -> KafkaSettings:
    """Settings with a topic prefix of the test's own, where `usage.events` exists."""
    settings = KafkaSettings(bootstrap_servers=kafka, topic_prefix=f"{request.node.name}.")
    make_topic(kafka, settings.topic("usage.events"))
    return settings


def events_of(settings: KafkaSettings) -> list[Record]:
    """What stands in usage.events."""
    return read_all(settings.bootstrap_servers, settings.topic("usage.events"))


def trace(folder: Path, rows: int, *, every: timedelta = timedelta(seconds=1)) -> Path:
    """A CSV trace of so many good rows and one broken one at its end."""
    file = folder / "trace.csv"
    start = datetime(2023, 11, 16, 18, 0, tzinfo=UTC)
    lines = [f"{start + n * every:%Y-%m-%d %H:%M:%S.%f}0,{n},{n % 7}" for n in range(rows)]
    file.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *lines, "broken"]) + "\n")
    return file


def planned(file: Path) -> Plan:
    """The plan of a trace that goes to two teams' worth of nothing but one org."""
    return prepare("azure-llm", [str(file)], now=NOW, sets=SETS)


def test_every_row_is_acknowledged_or_skipped(stack: KafkaSettings, tmp_path: Path) -> None:
    """The counts are those of the topic and the file; the broken row is named; the key chooses the partition."""
    outcome = run(planned(trace(tmp_path, 3_000)), stack, now=NOW)
    assert (outcome.rows, outcome.sent, outcome.skipped_count, outcome.unacknowledged) == (3_001, 3_000, 1, 0)
    assert [(item.row, item.reason) for item in outcome.skipped["broken_row"].first] == [(3_002, "broken_row")]
    records = events_of(stack)
    assert len(records) == 3_000
    assert sum(json.loads(record.value)["data"]["input_tokens"] for record in records) == sum(range(3_000))
    assert {record.partition for record in records} == {partition_for(b"acme", PARTITIONS)}


def test_a_second_replay_repeats_the_same_records(stack: KafkaSettings, tmp_path: Path) -> None:
    """Nothing new stands in the topic: the same bytes under the same identities, for rating to drop."""
    file = trace(tmp_path, 50)
    for _ in range(2):
        assert run(planned(file), stack, now=NOW).sent == 50
    records = events_of(stack)
    assert (len(records), len({record.value for record in records})) == (100, 50)


def test_an_interrupted_replay_is_made_whole_by_running_it_again(stack: KafkaSettings, tmp_path: Path) -> None:
    """Ctrl-C flushes what is under way and says what was sent; the same command completes it."""
    file = trace(tmp_path, 20_000)

    pressed: list[int] = []

    def interrupt(progress: Progress) -> None:
        if progress.sent > 100 and not pressed:
            pressed.append(progress.sent)
            raise KeyboardInterrupt

    plan = planned(file)
    outcome = run(plan, stack, now=NOW, on_progress=interrupt)
    assert outcome.interrupted
    assert 100 < outcome.sent < 20_000
    assert outcome.unacknowledged == 0
    assert len(events_of(stack)) == outcome.sent
    again = prepare("azure-llm", [str(file)], now=NOW, sets=SETS, shift=parse_shift(outcome.shift))
    assert run(again, stack, now=NOW).sent == 20_000
    assert len({record.value for record in events_of(stack)}) == 20_000


def test_a_message_that_the_broker_refuses_is_skipped(kafka: str, tmp_path: Path) -> None:
    """Only the row that is too large by itself is skipped, though the whole batch was refused with it."""
    settings = KafkaSettings(bootstrap_servers=kafka, topic_prefix="large.")
    make_topic(kafka, "large.usage.events", max_message_bytes="3000")
    event = {"time": "2026-11-22T09:15:03Z", **SETS}
    noise = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(1000))
    rows: list[dict[str, object]] = [{**event, "user": f"u{n}"} for n in range(40)]
    rows[7]["tags"] = {"noise": noise, "more": noise[::-1]}
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    outcome = run(prepare("burnline", [str(file)], now=NOW), settings, now=NOW)
    assert (outcome.sent, outcome.skipped_count) == (39, 1)
    assert [item.row for item in outcome.skipped["refused_too_large"].first] == [8]
    users = {json.loads(record.value)["data"]["user"] for record in read_all(kafka, "large.usage.events")}
    assert users == {f"u{n}" for n in range(40)} - {"u7"}


def test_identities_that_repeat_in_a_file_are_noted(stack: KafkaSettings, tmp_path: Path) -> None:
    """Two lines of one id are both sent and counted as a repeat; Burnline counts them once."""
    file = tmp_path / "rows.jsonl"
    line = json.dumps({"id": "a", "source": "s", "time": "2026-11-22T09:15:03Z", **SETS})
    file.write_text(f"{line}\n{line}\n")
    outcome = run(prepare("burnline", [str(file)], now=NOW), stack, now=NOW)
    assert (outcome.sent, outcome.repeated) == (2, 1)


def test_speed_follows_the_events(stack: KafkaSettings, tmp_path: Path) -> None:
    """A minute of events at 60x takes a second, and progress is told meanwhile."""
    told: list[Progress] = []
    began = monotonic()
    outcome = run(
        planned(trace(tmp_path, 3, every=timedelta(seconds=30))),
        stack,
        now=NOW,
        speed=parse_speed("60x"),
        on_progress=told.append,
    )
    assert 1.0 <= monotonic() - began < 10
    assert outcome.sent == told[-1].sent == 3
    assert any(progress.sent < 3 for progress in told)


def test_no_broker_is_said_at_once() -> None:
    """The sentence names the address and what to do."""
    settings = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")
    with pytest.raises(KafkaUnavailableError, match=r"no Kafka broker answers at 127.*burnline up"):
        Sender(settings, "usage.events", find_timeout_sec=0.5)


def test_a_missing_topic_is_said_at_once_and_not_made(kafka: str) -> None:
    """The sentence names the topic and what to do; the broker has no such topic afterwards either."""
    settings = KafkaSettings(bootstrap_servers=kafka, topic_prefix="nowhere.")
    for _ in range(2):
        with pytest.raises(SettingsError, match=r"nowhere\.usage\.events does not exist .*burnline topics apply"):
            Sender(settings, "usage.events")


def test_a_broker_that_dies_and_comes_back_costs_no_event(tmp_path: Path) -> None:
    """The replay waits, says for what, and goes on; every event stands in the topic exactly once."""
    config = KafkaConfig(client_port=free_port(), controller_port=free_port())
    settings = KafkaSettings(bootstrap_servers=config.bootstrap_servers)
    plan = planned(trace(tmp_path, 60_000))
    told: list[str] = []
    with running_kafka(tmp_path / "kafka", installed_kafka(), config=config) as broker:
        make_topic(config.bootstrap_servers, "usage.events")
        revived = running_kafka(tmp_path / "kafka", installed_kafka(), config=config)

        def kill_and_revive(progress: Progress) -> None:
            if not told and progress.sent > 1_000:
                broker.kill()
                told.append("killed")
            elif progress.waiting_for and len(told) == 1:
                told.append(progress.waiting_for)
                revived.__enter__()

        try:
            outcome = run(plan, settings, now=NOW, on_progress=kill_and_revive)
            records = read_all(config.bootstrap_servers, "usage.events")
        finally:
            if len(told) > 1:
                revived.__exit__(None, None, None)
    assert len(told) == 2
    assert outcome.sent == 60_000
    assert (len(records), len({record.value for record in records})) == (60_000, 60_000)
