"""Asking the running sink for something: records of `internal.requests`, each acknowledged before the next matters."""

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.connection import ONE_IN_FLIGHT, KafkaSettings
from schemas.errors import KafkaUnavailableError, SettingsError
from schemas.requests import PRICES_HEADER, TOPIC, Request, request_bytes

_SEND_SEC = 15.0


class Asker:
    """Sends records in order; the offset of each is known once it is acknowledged."""

    def __init__(self, settings: KafkaSettings) -> None:
        quiet = {"log_level": 0, "error_cb": lambda _error: None}
        limits = {"acks": "all", "enable.idempotence": True, "message.timeout.ms": int(_SEND_SEC * 1000)}
        self._settings = settings
        self._topic = settings.topic(TOPIC)
        self._producer = Producer({**settings.to_confluent(), **quiet, **limits, **ONE_IN_FLIGHT})
        self._answers: list[tuple[KafkaError | None, int]] = []

    def news(self, request_id: str, value: bytes) -> int:
        """New prices or attributions for the request, which comes after them; the record's offset. Raises: as `ask`."""
        return self._send(value, [(PRICES_HEADER, request_id.encode())])

    def ask(self, request: Request) -> int:
        """The request is there; its offset.

        Raises: KafkaUnavailableError: not acknowledged in time.
                SettingsError: the topic is missing, or we may not write.
        """
        return self._send(request_bytes(request), [])

    def _send(self, value: bytes, headers: Sequence[tuple[str, bytes]]) -> int:
        self._answers.clear()
        try:
            self._producer.produce(self._topic, value, partition=0, headers=list(headers), on_delivery=self._delivered)
            self._producer.flush(_SEND_SEC + 1)
        except KafkaException as error:
            raise KafkaUnavailableError(f"the request was not sent: {error.args[0].str()}") from error
        timed_out = KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001  librdkafka's own code
        refusal, offset = self._answers[0] if self._answers else (timed_out, -1)
        if refusal is not None:
            raise self._told(refusal)
        return offset

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        self._answers.append((error, -1 if error is not None else int(message.offset())))

    def _told(self, refusal: KafkaError) -> KafkaUnavailableError | SettingsError:
        unknown = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)  # noqa: SLF001  as above
        if refusal.code() in unknown:
            return SettingsError(f"topic {self._topic} does not exist; create it with: burnline topics apply")
        if refusal.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return SettingsError(
                f"we may not write to topic {self._topic}; ask an administrator (burnline topics plan)"
            )
        servers = self._settings.bootstrap_servers
        return KafkaUnavailableError(f"Kafka at {servers} did not take the request: {refusal.str()}")


def ask_for(settings: KafkaSettings, request: Request) -> None:
    """The sink is asked. Raises: as `Asker.ask`."""
    Asker(settings).ask(request)
