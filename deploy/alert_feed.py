"""Alerts as they come: a plain consumer of the alert topics, in no group, so that it disturbs nobody."""

import time
from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from pydantic import ValidationError

from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError, SettingsError
from schemas.signals import Alert, CloudSignal
from schemas.topics import BY_NAME, TOPICS
from sinks.log_reader import LogReader, Place, Record, Vanished

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
    on_state: Callable[[str], None] = lambda _why: None,
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator[Alert]:
    """Each alert transition that is committed from now on; ends within a second of silence once `is_over`.

    Waits where Kafka goes away, and passes over nothing. `on_state` is told '' when following begins, why when Kafka
    goes away, and '' when it answers again.
    Raises: SettingsError: a topic is missing or may not be read.
        KafkaUnavailableError: no broker answers at the start.
    """
    why, lost = "", set[Place]()
    with LogReader(settings, name="operators-follow", queued_bytes=8 * 2**20, idle_ms=500) as reader:
        reader.assign(_ends(settings))
        on_state("")
        while True:
            try:
                fact = reader.take(wait_sec=_ASK_SEC)
                told = ""
            except KafkaUnavailableError as error:
                fact, told = None, _away(error)
            if bool(told) != bool(why):
                why = told
                on_state(why)
            if fact is None and is_over():
                return
            if isinstance(fact, Record) and (alert := _alert_in(fact.value)) is not None:
                yield alert
            elif isinstance(fact, Vanished):
                lost.add((fact.topic, fact.partition))
            lost = {place for place in lost if not _reads_on(reader, place)}


def _away(error: KafkaUnavailableError) -> str:
    """Why Kafka is away; '' where only a partition has trouble of its own that passes. Raises: SettingsError."""
    if not isinstance(error.__cause__, KafkaException):
        return str(error)
    _judge(error.__cause__.args[0])
    return ""


def _reads_on(reader: LogReader, place: Place) -> bool:
    """Whether the partition is read again, from the oldest alert that retention left; not if nobody says which."""
    try:
        reader.seek(place, reader.bounds(place)[0])
    except KafkaUnavailableError:
        return False
    return True


def _ends(settings: KafkaSettings) -> dict[Place, int]:
    """Where each partition of the alert topics ends now, as offsets: an outage later does not move them."""
    quiet = {"log_level": 0, "error_cb": lambda _error: None}
    consumer = Consumer({**settings.to_confluent(), **quiet, "group.id": f"{settings.group_prefix}operators-follow"})
    until = time.monotonic() + _START_SEC
    try:
        return {
            (name, at): _end(
                consumer, TopicPartition(settings.topic(name), at), settings.bootstrap_servers, until=until
            )
            for name in ALERT_TOPICS
            for at in range(BY_NAME[name].partitions)
        }
    finally:
        consumer.close()


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
