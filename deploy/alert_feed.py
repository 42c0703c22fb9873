"""Alerts as they come: a plain consumer of the alert topics, in no group, so that it disturbs nobody."""

from collections.abc import Iterator

from confluent_kafka import OFFSET_END, Consumer, KafkaError, TopicPartition
from pydantic import ValidationError

from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError, SettingsError
from schemas.signals import Alert, CloudSignal
from schemas.topics import TOPICS

ALERT_TOPICS = tuple(topic.name for topic in TOPICS if topic.name.startswith("alerts."))


def follow(settings: KafkaSettings, *, idle_sec: float | None = None) -> Iterator[Alert]:
    """Each alert transition that is committed from now on; ends only after `idle_sec` without one, if given.

    Waits where Kafka is away. Raises: SettingsError: a topic is missing or may not be read.
        KafkaUnavailableError: no broker answers at the start.
    """
    consumer = Consumer(
        {
            **settings.to_confluent(),
            "log_level": 0,
            "error_cb": lambda _error: None,
            "group.id": f"{settings.group_prefix}operators-follow",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    try:
        places = [
            TopicPartition(settings.topic(name), partition, OFFSET_END)
            for name in ALERT_TOPICS
            for partition in range(next(topic.partitions for topic in TOPICS if topic.name == name))
        ]
        consumer.assign(places)
        while True:
            message = consumer.poll(idle_sec if idle_sec is not None else 1.0)
            if message is None:
                if idle_sec is not None:
                    return
                continue
            error = message.error()
            if error is not None:
                _judge(error)
                continue
            alert = _alert_in(message.value() or b"")
            if alert is not None:
                yield alert
    finally:
        consumer.close()


def _judge(error: KafkaError) -> None:
    if error.code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED}:
        raise SettingsError(f"cannot read the alert topics: {error.str()}")
    if error.fatal():
        raise KafkaUnavailableError(error.str())


def _alert_in(raw: bytes) -> Alert | None:
    """The alert of a record; None for what a newer version may write there."""
    try:
        data = CloudSignal.model_validate_json(raw).data
    except ValidationError:
        return None
    return data if isinstance(data, Alert) else None
