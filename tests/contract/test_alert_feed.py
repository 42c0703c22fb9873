"""Following alerts while the broker goes away and comes back: said once each, and nothing is passed over."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer

from deploy.alert_feed import ALERT_TOPICS, follow
from deploy.stack.kafka_broker import running_kafka
from deploy.stack.kafka_config import KafkaConfig
from deploy.stack.ports import free_port
from schemas.connection import KafkaSettings
from tests.contract.producers_reading import make_topic
from tests.stack import installed_kafka

EXAMPLE = Path(__file__).parents[2] / "schemas" / "examples" / "alert.spike.json"


def publish(config: KafkaConfig, message: str) -> None:
    """An alert with this message stands on its topic."""
    alert = json.loads(EXAMPLE.read_text())
    alert["data"]["message"] = message
    producer = Producer({"bootstrap.servers": config.bootstrap_servers})
    producer.produce("alerts.anomalies", json.dumps(alert).encode(), partition=0)
    assert producer.flush(30) == 0


@pytest.mark.real
def test_who_follows_alerts_hears_of_an_outage_and_misses_nothing(tmp_path: Path) -> None:
    """The broker dies and returns; the alert that is published then is seen, after one line for each."""
    config = KafkaConfig(client_port=free_port(), controller_port=free_port())
    settings = KafkaSettings(bootstrap_servers=config.bootstrap_servers)
    said: list[str] = []
    seen: list[str] = []
    heard = threading.Condition()

    def hear(into: list[str], what: str) -> None:
        with heard:
            into.append(what)
            heard.notify_all()

    def read() -> None:
        for alert in follow(settings, on_state=lambda why: hear(said, "away" if why else "back")):
            hear(seen, alert.message)
            if alert.message == "after":
                return

    def wait_for(there: Callable[[], bool], timeout_sec: float) -> bool:
        with heard:
            return heard.wait_for(there, timeout_sec)

    reading = threading.Thread(target=read, daemon=True)
    with running_kafka(tmp_path / "kafka", installed_kafka(), config=config) as broker:
        for topic in ALERT_TOPICS:
            make_topic(config.bootstrap_servers, topic)
        reading.start()
        assert wait_for(lambda: said == ["back"], 60), "following did not begin"
        publish(config, "before")
        assert wait_for(lambda: bool(seen), 60)
        broker.kill()
    assert wait_for(lambda: said[1:] == ["away"], 60), "nobody said that Kafka is away"
    with running_kafka(tmp_path / "kafka", installed_kafka(), config=config):
        publish(config, "after")
        assert wait_for(lambda: "after" in seen and len(said) == 3, 60)
    reading.join(10)
    assert seen == ["before", "after"]
    assert said == ["back", "away", "back"]
