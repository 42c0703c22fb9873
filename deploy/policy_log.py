"""The door to `usage.policies`: what was changed, a new change, and when the stages have it in force."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from pydantic import ValidationError

from deploy.stack.position_rules import SPEAKS, not_in_force
from deploy.stack.positions import Positions
from schemas.connection import ONE_IN_FLIGHT, KafkaSettings
from schemas.errors import CorruptStateError, KafkaUnavailableError, SettingsError
from schemas.policies import Policies, PolicyChange, fold
from schemas.topics import BY_NAME

TOPIC = "usage.policies"
_TIMEOUT_SEC = 15.0
_EVERY_SEC = 0.2
_QUIET = {"log_level": 0, "error_cb": lambda _error: None}


@dataclass(frozen=True)
class Logged:
    """A change as it stands in the log; its offset is the policy offset."""

    offset: int
    at: datetime
    change: PolicyChange


def read_log(settings: KafkaSettings) -> list[Logged]:
    """Every change, oldest first.

    Raises: KafkaUnavailableError: no answer in time. SettingsError: the topic is missing or may not be read.
        CorruptStateError: a record is no policy change.
    """
    topic = settings.topic(TOPIC)
    consumer = Consumer(
        {
            **settings.to_confluent(),
            **_QUIET,
            "group.id": f"{settings.group_prefix}policies",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    found: list[Logged] = []
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        while True:
            message = consumer.poll(_TIMEOUT_SEC)
            if message is None:
                raise KafkaUnavailableError(f"Kafka at {settings.bootstrap_servers} did not answer in time")
            error = message.error()
            if error is None:
                found.append(_logged(message))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  confluent-kafka's public name for it
                return found
            else:
                raise _unreadable(topic, error)
    finally:
        consumer.close()


def _logged(message: Message) -> Logged:
    try:
        change = PolicyChange.model_validate_json(message.value() or b"")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise CorruptStateError(
            f"{message.topic()} holds at offset {message.offset()} what is no policy change ({first['msg']})"
        ) from None
    return Logged(message.offset(), datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC), change)


def _unreadable(topic: str, error: KafkaError) -> KafkaUnavailableError | SettingsError:
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return SettingsError(f"topic {topic} does not exist; create it with: burnline topics apply")
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return SettingsError(f"we may not read topic {topic}; ask an administrator (burnline topics plan)")
    return KafkaUnavailableError(f"cannot read {topic}: {error.str()}")


def in_force(log: Sequence[Logged]) -> Policies:
    """What all changes together say."""
    policies: Policies = {}
    for logged in log:
        policies = fold(policies, logged.change, offset=logged.offset)
    return policies


def send_change(settings: KafkaSettings, change: PolicyChange) -> int:
    """The policy offset of the change, which all replicas have.

    Raises: KafkaUnavailableError: not acknowledged in time. SettingsError: we may not write.
    """
    topic = settings.topic(TOPIC)
    answers: list[tuple[KafkaError | None, Message]] = []
    producer = Producer(
        {
            **settings.to_confluent(),
            **_QUIET,
            "acks": "all",
            "enable.idempotence": True,
            **ONE_IN_FLIGHT,
            "message.timeout.ms": int(_TIMEOUT_SEC * 1000),
            "message.max.bytes": BY_NAME[TOPIC].max_message_bytes,
        }
    )
    try:
        producer.produce(
            topic,
            change.model_dump_json().encode(),
            key=change.change_id.encode(),
            partition=0,
            on_delivery=lambda error, message: answers.append((error, message)),
        )
        producer.flush(_TIMEOUT_SEC + 1)
    except KafkaException as error:
        raise KafkaUnavailableError(f"the change was not sent: {error.args[0].str()}") from error
    if not answers:
        raise KafkaUnavailableError(f"Kafka at {settings.bootstrap_servers} did not acknowledge the change in time")
    refusal, message = answers[0]
    if refusal is not None:
        if refusal.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise SettingsError(f"we may not write to topic {topic}; ask an administrator (burnline topics plan)")
        raise KafkaUnavailableError(f"the change was not acknowledged: {refusal.str()}")
    return int(message.offset())


def wait_in_force(settings: KafkaSettings, policy_offset: int, *, timeout_sec: float) -> list[str]:
    """Who has not applied policies up to the offset when time is up; nothing where all stages have.

    Raises: KafkaUnavailableError: Kafka did not answer.
    """
    lanes = {
        stage: [(topic, partition) for topic in SPEAKS[stage] for partition in range(BY_NAME[topic].partitions)]
        for stage in SPEAKS
    }
    deadline = time.monotonic() + timeout_sec
    with Positions(settings) as positions:
        while missing := not_in_force(positions.progress(), policy_offset, lanes):
            if time.monotonic() > deadline:
                return missing
            time.sleep(_EVERY_SEC)
    return []
