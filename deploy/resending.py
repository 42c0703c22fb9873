"""Asking the notifier to deliver alerts once more: requests on the topic of deliveries."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.connection import ONE_IN_FLIGHT, KafkaSettings
from schemas.deliveries import TOPIC, Asked, Resend
from schemas.errors import KafkaUnavailableError, SettingsError

LATELY = timedelta(minutes=10)
"""What was delivered within it is told again only to who insists."""
_SEND_SEC = 15.0


def requests_for(rows: Iterable[Mapping[str, Any]], *, actor: str, now: datetime) -> list[Resend]:
    """One request for each row of the view `deliveries`, in the order of the log: no end before its begin.

    Its id is that of the word which the row says: who asks twice before there is a newer one asks once.
    """
    names = ("delivery_id", "org", "route", "topic", "partition", "offset")
    return [
        Resend.model_validate(
            {name: row[name] for name in names}
            | {"request_id": _request_id(row["delivery_id"], _utc(row["at"])), "actor": actor, "at": now}
        )
        for row in sorted(rows, key=lambda row: (row["topic"], row["partition"], row["offset"], row["delivery_id"]))
    ]


def was_told_lately(row: Mapping[str, Any], *, now: datetime) -> bool:
    """Whether the row's delivery arrived within `LATELY`."""
    return bool(row["status"] == "delivered") and now - _utc(row["at"]) < LATELY


def _request_id(delivery_id: str, at: datetime) -> str:
    return uuid5(NAMESPACE_OID, f"{delivery_id} {at.isoformat()}").hex


def _utc(at: datetime) -> datetime:
    """The driver gives times of UTC without their zone."""
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def ask(settings: KafkaSettings, requests: Sequence[Resend]) -> None:
    """The notifier will find every request, also if it is down now.

    Raises: KafkaUnavailableError: one was not acknowledged in time. SettingsError: no such topic, or we may not write.
    """
    answers: list[KafkaError | None] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        answers.append(error)

    quiet = {"log_level": 0, "error_cb": lambda _error: None}
    limits = {"acks": "all", "enable.idempotence": True, "message.timeout.ms": int(_SEND_SEC * 1000)}
    producer = Producer({**settings.to_confluent(), **quiet, **limits, **ONE_IN_FLIGHT})
    topic = settings.topic(TOPIC)
    try:
        for request in requests:
            value = Asked(data=request).model_dump_json().encode()
            producer.produce(topic, value, key=request.delivery_id.encode(), partition=0, on_delivery=delivered)
            producer.poll(0)
        producer.flush(_SEND_SEC + 1)
    except (KafkaException, BufferError) as error:
        raise KafkaUnavailableError(f"the requests were not sent: {error}") from error
    refused = next((error for error in answers if error is not None), None)
    if refused is None and len(answers) == len(requests):
        return
    if refused is None:
        raise KafkaUnavailableError(f"Kafka at {settings.bootstrap_servers} did not acknowledge the requests in time")
    unknown = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)  # noqa: SLF001  librdkafka's own code
    if refused.code() in unknown:
        raise SettingsError(f"topic {topic} does not exist; create it with: burnline topics apply")
    if refused.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        raise SettingsError(f"we may not write to topic {topic}; ask an administrator (burnline topics plan)")
    raise KafkaUnavailableError(f"Kafka at {settings.bootstrap_servers} did not take the requests: {refused.str()}")
