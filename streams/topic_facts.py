"""What the broker says about our topics and our group: which are there, their ids, committed offsets.

Asked through librdkafka's admin client, which knows topic ids and stable committed offsets; aiokafka does not.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from schemas.connection import KafkaSettings
from schemas.errors import FatalError, KafkaUnavailableError, LogChangedError
from schemas.topics import BY_NAME

_TIMEOUT_SEC = 5.0
_MISSING = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.UNKNOWN_TOPIC_ID}
_AWAY = {KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}  # noqa: SLF001  librdkafka's own codes
_DENIED = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}


class TopicsMissingError(KafkaUnavailableError):
    """Topics that we need are not there yet; nothing was lost."""


class TopicFacts:
    """Asks one broker about the topics of one prefix; every answer is as of the call."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    async def require(self, topics: Iterable[str]) -> dict[str, str]:
        """The id of each topic (names without prefix), which is there with the partitions that we declare.

        Raises: TopicsMissingError: some are not there. LogChangedError: another number of partitions.
        KafkaUnavailableError. FatalError: we may not see them.
        """
        return await asyncio.to_thread(self._require, sorted(set(topics)))

    async def committed(self, group: str, topic: str, partition: int) -> int | None:
        """The group's committed offset, once no transaction on it is pending; None where there is none.

        Raises: KafkaUnavailableError. FatalError: we may not see it.
        """
        return await asyncio.to_thread(self._committed, group, self._kafka.topic(topic), partition)

    def _admin(self) -> AdminClient:
        return AdminClient({**self._kafka.to_confluent(), "log_level": 0, "error_cb": lambda _error: None})

    def _require(self, names: list[str]) -> dict[str, str]:
        on_broker = {self._kafka.topic(name): name for name in names}
        admin = self._admin()  # held until the answers are there: they die with it
        asked = admin.describe_topics(TopicCollection(list(on_broker)), request_timeout=_TIMEOUT_SEC)
        ids: dict[str, str] = {}
        missing: list[str] = []
        for full, answer in asked.items():
            try:
                found = answer.result()
            except KafkaException as error:
                if error.args[0].code() not in _MISSING:
                    raise _translated(error.args[0], f"describe topic {full}") from error
                missing.append(full)
                continue
            declared = BY_NAME.get(on_broker[full])
            if declared is not None and len(found.partitions) != declared.partitions:
                raise LogChangedError(
                    f"topic {full} has {len(found.partitions)} partitions, but {declared.partitions} are fixed for life"
                )
            ids[on_broker[full]] = _as_text(found.topic_id)
        if missing:
            raise TopicsMissingError(f"topics are missing: {', '.join(sorted(missing))}; run burnline topics apply")
        return ids

    def _committed(self, group: str, topic: str, partition: int) -> int | None:
        admin = self._admin()  # held until the answer is there: it dies with it
        asked = admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition)])],
            require_stable=True,
            request_timeout=_TIMEOUT_SEC,
        )
        answer: Callable[[], Any] = next(iter(asked.values())).result
        try:
            (found,) = answer().topic_partitions
        except KafkaException as error:
            raise _translated(error.args[0], f"read the offsets of group {group}") from error
        if found.error is not None:
            raise _translated(found.error, f"read the offset of group {group} on {topic}/{partition}")
        return int(found.offset) if found.offset >= 0 else None


def _translated(error: Any, what: str) -> KafkaUnavailableError | FatalError:  # noqa: ANN401  confluent-kafka has no types
    if error.code() in _DENIED:
        return FatalError(f"we may not {what}: {error.str()}; see `burnline topics plan` for what to allow")
    if error.code() in _AWAY:
        return KafkaUnavailableError("no broker answers")
    return KafkaUnavailableError(f"cannot {what}: {error.str()}")


def _as_text(topic_id: Any) -> str:  # noqa: ANN401  confluent-kafka has no types
    """A topic's id as 32 hexadecimal digits."""
    mask = (1 << 64) - 1
    return f"{topic_id.get_most_significant_bits() & mask:016x}{topic_id.get_least_significant_bits() & mask:016x}"
