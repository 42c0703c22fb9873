"""Alerts as they come: a plain consumer of the alert topics, in no group, so that it disturbs nobody."""

import time
from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from pydantic import ValidationError

from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError, SettingsError
from schemas.signals import Alert, CloudSignal
from schemas.topics import TOPICS

ALERT_TOPICS = tuple(topic.name for topic in TOPICS if topic.name.startswith("alerts."))
_START_SEC = 10.0
_ASK_SEC = 1.0
_AGAIN_SEC = 0.2
_MOVING = {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE}
"""A partition that was made a moment ago, or whose broker has just started, answers so for some tenths of a second."""
_UNKNOWN = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001  a public name of librdkafka
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001  a public name of librdkafka
}


def follow(
    settings: KafkaSettings,
    *,
    idle_sec: float | None = None,
    on_state: Callable[[str], None] = lambda _why: None,
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator[Alert]:
    """Each alert transition that is committed from now on; ends only after `idle_sec` without one, if given.

    Ends within a second of silence once `is_over`, too.

    Waits where Kafka goes away, and passes over nothing. `on_state` is told '' when following begins, why when Kafka
    goes away, and '' when it answers again.
    Raises: SettingsError: a topic is missing or may not be read.
        KafkaUnavailableError: no broker answers at the start.
    """
    away = _Away(on_state)
    consumer = Consumer(
        {
            **settings.to_confluent(),
            "log_level": 0,
            "error_cb": away.note,
            "group.id": f"{settings.group_prefix}operators-follow",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    try:
        consumer.assign(_ends(consumer, settings))
        away.begin()
        while True:
            message = consumer.poll(idle_sec if idle_sec is not None else 1.0)
            away.look(consumer)
            if message is None:
                if idle_sec is not None or is_over():
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


class _Away:
    """Whether Kafka is away, said once when it goes and once when it is back; nothing before following began."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._why = ""
        self._begun = False

    def begin(self) -> None:
        """Following has begun."""
        self._begun = True
        self._tell("")

    def note(self, error: KafkaError) -> None:
        """The connection complains; one broker of several that does is no outage."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN and self._begun and not self._why:  # noqa: SLF001  a public name of librdkafka
            self._why = error.str()
            self._tell(self._why)

    def look(self, consumer: Consumer) -> None:
        """While Kafka is away it is asked whether it answers again."""
        if not self._why:
            return
        try:
            consumer.list_topics(timeout=_ASK_SEC)
        except KafkaException:
            return
        self._why = ""
        self._tell("")


def _ends(consumer: Consumer, settings: KafkaSettings) -> list[TopicPartition]:
    """Where each partition of the alert topics ends now, as offsets: an outage later does not move them."""
    partitions = {topic.name: topic.partitions for topic in TOPICS}
    places = [TopicPartition(settings.topic(name), at) for name in ALERT_TOPICS for at in range(partitions[name])]
    until = time.monotonic() + _START_SEC
    for place in places:
        place.offset = _end(consumer, place, settings.bootstrap_servers, until=until)
    return places


def _end(consumer: Consumer, place: TopicPartition, where: str, *, until: float) -> int:
    """Where this partition ends; one that was made a moment ago may not be known everywhere yet."""
    while True:
        try:
            return int(consumer.get_watermark_offsets(place, timeout=_START_SEC)[1])
        except KafkaException as error:
            said: KafkaError = error.args[0]
            if said.code() in _UNKNOWN | _MOVING and time.monotonic() < until:
                consumer.poll(_AGAIN_SEC)
                continue
            _judge(said)
            raise KafkaUnavailableError(f"no Kafka broker answers at {where} ({said.str()})") from error


def _judge(error: KafkaError) -> None:
    if error.code() in {KafkaError.TOPIC_AUTHORIZATION_FAILED, *_UNKNOWN}:
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
