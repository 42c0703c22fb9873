"""Drain and a broker that goes away: it is waited for, in peace, and for no longer than was asked."""

import threading
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer

from deploy.stack.drain import drain
from deploy.stack.kafka_broker import running_kafka
from deploy.stack.position_rules import Behind
from deploy.topics_admin import apply_topics
from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError
from tests.stack import installed_kafka

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
TIMEOUT_SEC = 20.0
AT_MOST_CPU_SEC = 1.0
"""Asking without a pause took all of a core, and what librdkafka kept of each question took minutes to free."""


def one_event_waits(bootstrap_servers: str) -> KafkaSettings:
    """Fresh topics, just created, with an event that nobody rates."""
    settings = KafkaSettings(bootstrap_servers=bootstrap_servers)
    apply_topics(settings)
    producer = Producer(settings.to_confluent())
    producer.produce("usage.events", b"{}", partition=0)
    assert producer.flush(30) == 0
    return settings


def test_a_broker_that_goes_away_is_asked_now_and_then(tmp_path: Path) -> None:
    """Drain waits out its time without burning a core, and says that no broker answered."""
    with running_kafka(tmp_path, installed_kafka()) as broker:
        settings = one_event_waits(broker.bootstrap_servers)
        looks: list[list[Behind]] = []

        def look(missing: list[Behind]) -> None:
            if not looks:
                threading.Thread(target=broker.kill).start()
            looks.append(missing)

        began_sec, began_cpu_sec = time.monotonic(), time.process_time()
        with pytest.raises(KafkaUnavailableError):
            drain(settings, timeout_sec=TIMEOUT_SEC, said=look)
        assert [str(one) for one in looks[0]] == ["rating: 1 of usage.events/0 (is at 0)"]
        assert time.monotonic() - began_sec >= TIMEOUT_SEC
        assert time.process_time() - began_cpu_sec < AT_MOST_CPU_SEC
