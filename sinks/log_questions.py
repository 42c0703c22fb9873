"""Questions about Kafka's topics, each asked by a client of its own: an old one may answer nothing any more, for good.

Such a client costs about 2 ms of processor time.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError

_Place = tuple[str, int]
ANSWER_SEC = 10.0
_LOOK_ANSWER_SEC = 3.0
SILENT = logging.getLogger("burnline.librdkafka")
"""Where librdkafka's own lines go: nowhere. What matters comes back as an error, and our log is JSON lines only."""
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What tells a topic from another of the same name."""

    topic_id: str
    partitions: int


class LogQuestions:
    """Asks one cluster about topics of one prefix; for one thread."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._asked: tuple[AdminClient, dict[_Place, Future[Any]]] | None = None

    def _client(self) -> AdminClient:
        quiet = {"log_level": 0, "error_cb": lambda _error: None}
        return AdminClient({**self._settings.to_confluent(), **quiet}, logger=SILENT)

    def facts(self, topic: str) -> TopicFacts:
        """The topic's id and number of partitions. Raises: KafkaUnavailableError: no broker, or no such topic yet."""
        name = self._settings.topic(topic)
        client = self._client()  # held until the answer is there: it dies with it
        try:
            asked = client.describe_topics(TopicCollection([name]), request_timeout=ANSWER_SEC)
            described = asked[name].result(ANSWER_SEC)
        except KafkaException as error:
            raise unavailable(error, f"topic {name}") from error
        except TimeoutError as error:
            raise KafkaUnavailableError(f"topic {name}: no answer in {ANSWER_SEC:g} s") from error
        return TopicFacts(str(described.topic_id), len(described.partitions))

    def ends(self, places: Iterable[_Place]) -> dict[_Place, int]:
        """The high watermark of each partition. Raises: KafkaUnavailableError."""
        client = self._client()  # held as above
        return _answers(_ask(client, self._named(places), IsolationLevel.READ_UNCOMMITTED, ANSWER_SEC))

    def bounds(self, place: _Place) -> tuple[int, int]:
        """The first offset that is kept, and up to where a `read_committed` reader can read.

        Raises: KafkaUnavailableError.
        Two questions, each with its own answer: a consumer's `get_watermark_offsets` asks both at once, and right after
        a broker's death it has named the end as the beginning (records that lay there were taken for lost).
        """
        client, named = self._client(), self._named([place])
        first = _answers(_ask(client, named, IsolationLevel.READ_COMMITTED, ANSWER_SEC, OffsetSpec.earliest()))
        end = _answers(_ask(client, named, IsolationLevel.READ_COMMITTED, ANSWER_SEC))
        return first[place], end[place]

    def readable_ends(self, places: Collection[_Place]) -> Mapping[_Place, int] | None:
        """Up to where a `read_committed` reader can read each; None, at once, while the answer is under way.

        The answer is to the question of the call before, and is given once.
        Raises: KafkaUnavailableError: no answer; the next call asks anew.
        """
        if self._asked is None:
            client = self._client()
            self._asked = client, _ask(client, self._named(places), IsolationLevel.READ_COMMITTED, _LOOK_ANSWER_SEC)
        client, asked = self._asked
        if not all(answer.done() for answer in asked.values()):
            return None
        self._asked = None
        return _answers(asked)

    def _named(self, places: Iterable[_Place]) -> dict[TopicPartition, _Place]:
        return {TopicPartition(self._settings.topic(topic), part): (topic, part) for topic, part in places}


def _ask(
    client: AdminClient,
    named: Mapping[TopicPartition, _Place],
    isolation: IsolationLevel,
    within_sec: float,
    spec: OffsetSpec | None = None,
) -> dict[_Place, Future[Any]]:
    wanted = dict.fromkeys(named, spec or OffsetSpec.latest())
    asked = client.list_offsets(wanted, isolation_level=isolation, request_timeout=within_sec)
    return {named[place]: answer for place, answer in asked.items()}


def _answers(asked: Mapping[_Place, Future[Any]]) -> dict[_Place, int]:
    try:
        return {place: int(answer.result(ANSWER_SEC).offset) for place, answer in asked.items()}
    except KafkaException as error:
        raise unavailable(error, "ends") from error
    except TimeoutError as error:
        raise KafkaUnavailableError(f"ends: no answer in {ANSWER_SEC:g} s") from error


def unavailable(error: KafkaException, what: str) -> KafkaUnavailableError:
    """The error as one that may pass, with what was wanted."""
    return KafkaUnavailableError(f"Kafka does not do it ({what}): {error.args[0].str()}")
