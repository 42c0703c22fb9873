"""How soon an alert is possible again after burn was killed while it knew many active entities.

Each round: burn is killed; at once one event per org is sent that crosses a budget of its own; measured is the time
from the kill until a read_committed consumer has each org's alert. The round before the first is without a kill.
"""

import shutil
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Self

from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.connection import KafkaSettings
from schemas.signals import Alert, CloudSignal
from schemas.topics import BY_NAME
from tests.faults.traffic import ORGS, Event, Traffic, key_of
from tests.faults.world import World, wait_sec

MOST_SEC = 10.0
ROUNDS = 6
_PER_EVENT = 5
_EVENTS_PER_SEC = 4000
_WAIT_SEC = 60.0
_CHECKPOINTED_SEC = 75.0


def measure_recovery(entities: int) -> int:
    """Prints each round's seconds; 0 if every alert after a kill came within MOST_SEC."""
    directory = Path(tempfile.mkdtemp(prefix="burnline-faults-recovery-"))
    world = World(directory / "state", {"BURNLINE_STREAMS_SESSION_TIMEOUT_SEC": "6"})
    try:
        world.up()
        took = _rounds(world, directory, entities)
    finally:
        world.down()
        shutil.rmtree(directory)
    after = sorted(sec for number, secs in enumerate(took) if number for sec in secs)
    middle, last = after[len(after) // 2], after[-1]
    _say(
        f"{entities:,} active entities, {ROUNDS} kills of burn: next alert after p50 {middle:.1f} s, most {last:.1f} s"
    )
    return 0 if last <= MOST_SEC else 1


def _rounds(world: World, directory: Path, entities: int) -> list[list[float]]:
    budgets = directory / "budgets.toml"
    budgets.write_text("\n".join(_budget(org, number) for org in ORGS for number in range(ROUNDS + 1)))
    world.run("apply", str(budgets))
    traffic = Traffic(1, wide=True)
    producer = Producer({**world.kafka().to_confluent(), "partitioner": "murmur2_random", "linger.ms": 20})
    _fill(producer, world.kafka(), traffic, entities)
    world.run("drain", "--timeout", "200")
    _say(f"{entities:,} entities are known; waiting for a checkpoint")
    _keep_alive(producer, world.kafka(), traffic, seconds=_CHECKPOINTED_SEC)
    rss = world.process("burn").memory_info().rss / 2**20
    _say(f"burn has {rss:,.0f} MiB")
    return [_round(world, producer, traffic, number) for number in range(ROUNDS + 1)]


def _round(world: World, producer: Producer, traffic: Traffic, number: int) -> list[float]:
    """Seconds until each org's alert; round 0 kills nobody."""
    with _Alerts(world.kafka(), number) as alerts:
        process = world.process("burn")
        began_sec = time.monotonic()
        if number:
            process.kill()
        for org in ORGS:
            event = traffic.plain(time.time_ns() // 1000)
            data = {**event.data, "org": org, "project": f"round-{number}", "model": "gpt-4o", "provider": "openai"}
            _send(producer, world.kafka(), replace(event, data=data))
        producer.flush(10)
        at_sec = alerts.wait(timeout_sec=_WAIT_SEC)
        found = [at - began_sec for at in at_sec]
    _say(f"{'kill' if number else 'no kill'}: alerts after {', '.join(f'{sec:.2f}' for sec in found)} s")
    _keep_alive(producer, world.kafka(), traffic, seconds=15)
    return found


class _Alerts:
    """Hears the alerts of one round as they are committed."""

    def __init__(self, kafka: KafkaSettings, number: int) -> None:
        self._number = number
        self._consumer = Consumer(
            {
                **kafka.to_confluent(),
                "group.id": f"{kafka.group_prefix}faults-recovery",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 10,
            }
        )
        places = []
        for partition in range(BY_NAME["alerts.budgets"].partitions):
            at = TopicPartition(kafka.topic("alerts.budgets"), partition)
            places.append(TopicPartition(at.topic, partition, self._consumer.get_watermark_offsets(at, timeout=10)[1]))
        self._consumer.assign(places)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def wait(self, *, timeout_sec: float) -> list[float]:
        """When each org's alert was read, monotonic; the end of the wait for those that never came."""
        began_sec, heard = time.monotonic(), dict[str, float]()
        while len(heard) < len(ORGS) and time.monotonic() - began_sec < timeout_sec:
            message = self._consumer.poll(0.5)
            if message is None or message.error() is not None:
                continue
            data = CloudSignal.model_validate_json(message.value() or b"").data
            if isinstance(data, Alert) and data.budget_id == f"round-{self._number}":
                heard.setdefault(data.org, time.monotonic())
        return [heard.get(org, began_sec + timeout_sec) for org in ORGS]


def _budget(org: str, number: int) -> str:
    return (
        f'[[budget]]\nid = "round-{number}"\norg = "{org}"\nscope = {{ project = "round-{number}" }}\n'
        'unit = "requests"\nlimit = 1\nperiod = "month"\nthresholds = [1]\nburn_alerts = false\n'
    )


def _fill(producer: Producer, kafka: KafkaSettings, traffic: Traffic, entities: int) -> None:
    """So many entities have spent something, at a pace that lets burn keep up."""
    began_sec = time.monotonic()
    for number in range(entities // _PER_EVENT):
        late_sec = number / _EVENTS_PER_SEC - (time.monotonic() - began_sec)
        if late_sec > 0.02:
            wait_sec(late_sec)
        _send(producer, kafka, traffic.plain(time.time_ns() // 1000))
    producer.flush(60)


def _keep_alive(producer: Producer, kafka: KafkaSettings, traffic: Traffic, *, seconds: float) -> None:
    """For so long there were some events each second, as anywhere."""
    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    timer.start()
    while not stop.wait(0.05):
        _send(producer, kafka, traffic.plain(time.time_ns() // 1000))
    producer.flush(10)


def _send(producer: Producer, kafka: KafkaSettings, event: Event) -> None:
    producer.produce(kafka.topic("usage.events"), event.as_bytes(), key_of(event.data))
    producer.poll(0)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
