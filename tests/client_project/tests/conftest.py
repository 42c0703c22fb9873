"""The stub of the providers, and a broker of librdkafka's own that shows what was delivered."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from burnline_client import UsageEmitter
from tests.provider import Stub, running_stub

TOPIC = "usage.events"


class Told:
    """What a client's emitter delivered."""

    def __init__(self, broker: str) -> None:
        self.broker = broker
        self.emitter = UsageEmitter(bootstrap_servers=broker, source="checkout", defaults={"org": "acme"})

    def raw(self) -> list[bytes]:
        """Every event as it travelled, in the order of its time; closes the emitter."""
        self.emitter.close(30)
        consumer = Consumer({"bootstrap.servers": self.broker, "group.id": "look"})
        try:
            partitions = [TopicPartition(TOPIC, p, 0) for p in consumer.list_topics(TOPIC).topics[TOPIC].partitions]
            ends = {p.partition: consumer.get_watermark_offsets(p)[1] for p in partitions}
            consumer.assign(partitions)
            found = [consumer.poll(10) for _ in range(sum(ends.values()))]
        finally:
            consumer.close()
        return sorted((record.value() for record in found), key=lambda raw: json.loads(raw)["id"])

    def wait_for(self, count: int, *, timeout_sec: float = 30) -> list[bytes]:
        """Every event as it travelled, once there are so many; for callers that tell in the background."""
        give_up_at = time.monotonic() + timeout_sec
        while self.emitter.delivered < count and time.monotonic() < give_up_at:
            self.emitter.flush(0.1)
        return self.raw()

    def events(self) -> list[dict[str, Any]]:
        """The `data` of every event; closes the emitter."""
        return [json.loads(raw)["data"] for raw in self.raw()]

    def one(self) -> dict[str, Any]:
        """The only event's `data`; closes the emitter."""
        (event,) = self.events()
        return event


@pytest.fixture
def provider() -> Iterator[Stub]:
    """The stub of the providers."""
    with running_stub() as stub:
        yield stub


@pytest.fixture
def told() -> Iterator[Told]:
    """An emitter, and what it delivered."""
    host = Producer({"bootstrap.servers": "127.0.0.1:1", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = host.list_topics(timeout=10).brokers.values()
    found = Told(f"{broker.host}:{broker.port}")
    yield found
    found.emitter.close()
    del host
