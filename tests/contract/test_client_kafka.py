"""The emitter against a real Kafka: right partitions, nothing lost when the broker dies, nothing lost in silence."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from burnline_client import ClosedError, QueueFullError, UndeliveredError, UsageEmitter, UsageFields
from deploy.stack.kafka_broker import running_kafka
from deploy.stack.kafka_config import KafkaConfig
from deploy.stack.ports import free_port
from schemas.keys import partition_for
from schemas.usage_codec import decode
from tests.contract.producers_reading import PARTITIONS, make_topic, read_all
from tests.stack import installed_kafka

ROOT = Path(__file__).parents[2]
WHO: UsageFields = {"org": "acme", "provider": "openai", "model": "gpt-4o"}
pytestmark = [pytest.mark.real]


def wait_until(true: Callable[[], bool], *, timeout_sec: float = 30.0) -> None:
    """Returns when the condition holds; fails when the time is over."""
    tick = threading.Event()
    for _ in range(int(timeout_sec / 0.02)):
        if true():
            return
        tick.wait(0.02)
    pytest.fail("the condition did not come true in time")


@pytest.fixture
def topic(kafka: str, request: pytest.FixtureRequest) -> str:
    """A topic of the test's own on the shared broker."""
    name = f"client.{request.node.originalname}"[:200]
    make_topic(kafka, name)
    return name


def test_each_event_lands_in_the_partition_of_its_key(kafka: str, topic: str) -> None:
    """Keyed by credential, else team, else org, with murmur2; a CloudEvent that Burnline reads, said so in a header."""
    with UsageEmitter(bootstrap_servers=kafka, topic=topic, source="svc", defaults=WHO) as usage:
        ids = [usage.emit(input_tokens=1)]
        ids += [usage.emit(team=f"team-{n}", input_tokens=1) for n in range(20)]
        ids += [usage.emit(team="t", credential=f"key-{n}", input_tokens=1) for n in range(20)]
        assert usage.flush(30) == 0
        assert (usage.delivered, usage.undelivered) == (41, 0)
    records = read_all(kafka, topic)
    assert sorted(json.loads(record.value)["id"] for record in records) == sorted(ids)
    assert {record.key for record in records} > {b"acme", b"team-7", b"key-7"}
    for record in records:
        assert record.partition == partition_for(record.key, PARTITIONS)
        assert record.headers == (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
        assert decode(record.value).data.org == "acme"


def test_many_threads_lose_nothing(kafka: str, topic: str) -> None:
    """Four threads that share an emitter deliver all that each of them emitted."""
    with UsageEmitter(bootstrap_servers=kafka, topic=topic, source="svc", defaults=WHO) as usage:
        emit = lambda who: [usage.emit(id=f"{who}-{n}", user=f"u{who}", output_tokens=n) for n in range(500)]  # noqa: E731  a thread's work
        threads = [threading.Thread(target=emit, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    ids = [json.loads(record.value)["id"] for record in read_all(kafka, topic)]
    assert sorted(ids) == sorted(f"{who}-{n}" for who in range(4) for n in range(500))


def test_a_killed_broker_that_comes_back_costs_no_event(tmp_path: Path) -> None:
    """While the broker is dead the full queue makes `emit` wait; after it is back every event stands there once."""
    config = KafkaConfig(client_port=free_port(), controller_port=free_port())
    ids = [f"e-{n}" for n in range(600)]
    failed: list[str] = []
    usage = UsageEmitter(
        bootstrap_servers=config.bootstrap_servers,
        topic="usage.events",
        source="svc",
        defaults=WHO,
        config={"queue.buffering.max.messages": 100, "reconnect.backoff.max.ms": 200},
        on_error=lambda event_id, _reason: failed.append(event_id),
    )
    emitting = threading.Thread(target=lambda: [usage.emit(id=event_id, output_tokens=1) for event_id in ids])
    with running_kafka(tmp_path / "kafka", installed_kafka(), config=config) as broker:
        make_topic(config.bootstrap_servers, "usage.events")
        first = [usage.emit(id=f"before-{n}", output_tokens=1) for n in range(50)]
        wait_until(lambda: usage.delivered >= 10)
        broker.kill()
        emitting.start()
        before = usage.delivered
        emitting.join(1.0)
        assert emitting.is_alive(), "emit must wait while the queue is full"
        assert usage.delivered == before
    with running_kafka(tmp_path / "kafka", installed_kafka(), config=config):
        emitting.join(60)
        usage.close()
        found = [json.loads(record.value)["id"] for record in read_all(config.bootstrap_servers, "usage.events")]
    assert sorted(found) == sorted(first + ids)
    assert failed == []


def test_a_queue_that_stays_full_is_an_error_at_the_call() -> None:
    """With `queue_wait_sec` the call that finds no room says so; what was taken before is told by `close`."""
    told: list[tuple[str, str]] = []
    usage = UsageEmitter(
        bootstrap_servers=f"127.0.0.1:{free_port()}",
        source="svc",
        defaults=WHO,
        config={"queue.buffering.max.messages": 5},
        queue_wait_sec=0.3,
        on_error=lambda event_id, reason: told.append((event_id, reason)),
    )
    taken = [usage.emit(output_tokens=1) for _ in range(5)]
    with pytest.raises(QueueFullError, match=r"stayed full for 0\.3 s"):
        usage.emit(output_tokens=1)
    with pytest.raises(UndeliveredError, match="not acknowledged in time") as error:
        usage.close(timeout_sec=0.2)
    assert error.value.count == 5
    assert sorted(event_id for event_id, _ in told) == sorted(taken)
    with pytest.raises(ClosedError):
        usage.emit(output_tokens=1)
    usage.close()


def _emit_large_then_small(emitter: UsageEmitter) -> None:
    with emitter as usage:
        usage.emit(id="large", tags={f"t{n}": "x" * 1000 for n in range(3)})
        assert usage.flush(30) == 0
        usage.emit(id="small")


def test_what_the_broker_refuses_is_told(kafka: str, request: pytest.FixtureRequest) -> None:
    """An event that is too large for the topic is counted, told to `on_error` and raised when the block ends."""
    topic = request.node.name
    make_topic(kafka, topic, max_message_bytes="1000")
    told: list[str] = []
    usage = UsageEmitter(
        bootstrap_servers=kafka,
        topic=topic,
        source="svc",
        defaults=WHO,
        config={"linger.ms": 0, "compression.type": "none"},
        on_error=lambda event_id, _reason: told.append(event_id),
    )
    with pytest.raises(UndeliveredError, match="1 usage events could not be delivered") as error:
        _emit_large_then_small(usage)
    assert (error.value.count, told) == (1, ["large"])
    assert [json.loads(record.value)["id"] for record in read_all(kafka, topic)] == ["small"]


def test_a_callback_that_raises_stops_nothing() -> None:
    """An error in `on_error` does not keep the emitter from telling of the others."""

    def on_error(_event_id: str, _reason: str) -> None:
        raise RuntimeError("the service's own mistake")

    usage = UsageEmitter(bootstrap_servers=f"127.0.0.1:{free_port()}", source="svc", defaults=WHO, on_error=on_error)
    for _ in range(3):
        usage.emit()
    with pytest.raises(UndeliveredError) as error:
        usage.close(timeout_sec=0.1)
    assert error.value.count == 3


@pytest.mark.parametrize(
    "change",
    [
        {"acks": 1},
        {"enable.idempotence": False},
        {"max.in.flight.requests.per.connection": 5},
        {"partitioner": "random"},
    ],
)
def test_the_promises_cannot_be_configured_away(change: dict[str, object]) -> None:
    """What the emitter's laws rest on is refused in `config`."""
    with pytest.raises(ValueError, match="config may not change"):
        UsageEmitter(bootstrap_servers="127.0.0.1:1", source="svc", config=change)


def run_program(program: str, *args: str) -> str:
    """What a program of its own process prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *args],
        env={**os.environ, "PYTHONPATH": str(ROOT / "producers" / "client")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_a_process_that_forgets_to_close_loses_nothing(kafka: str, topic: str) -> None:
    """At the end of the process what waits is sent."""
    program = """
import sys
from burnline_client import UsageEmitter
usage = UsageEmitter(bootstrap_servers=sys.argv[1], topic=sys.argv[2], source="svc", config={"linger.ms": 900})
for n in range(10):
    usage.emit(id=str(n), org="acme", provider="openai", model="gpt-4o")
"""
    run_program(program, kafka, topic)
    ids = sorted(json.loads(record.value)["id"] for record in read_all(kafka, topic))
    assert ids == [str(n) for n in range(10)]


def test_after_a_fork_the_child_is_told_to_make_its_own(kafka: str, topic: str) -> None:
    """In the child every call is a clear error; the parent goes on."""
    program = """
import os, sys
from burnline_client import ForkedError, UsageEmitter
usage = UsageEmitter(bootstrap_servers=sys.argv[1], topic=sys.argv[2], source="svc", defaults={"org": "acme"})
child = os.fork()
if child == 0:
    for call in (lambda: usage.emit(provider="openai", model="gpt-4o"), usage.close, usage.flush):
        try:
            call()
        except ForkedError as error:
            print("make one after the fork" in str(error), flush=True)
    sys.exit(0)
os.waitpid(child, 0)
usage.emit(provider="openai", model="gpt-4o")
usage.close()
print(usage.delivered)
"""
    assert run_program(program, kafka, topic).split() == ["True", "True", "True", "1"]
