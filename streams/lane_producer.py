"""One lane's transactional producer, behind our own errors. Starting it fences whoever had the lane before."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from schemas.errors import FatalError, FencedError, KafkaUnavailableError, TryAgainError
from streams.patience import patiently
from streams.ports import Headers
from streams.settings import TRANSACTION_TIMEOUT_SEC

_MAX_MESSAGE_BYTES = 16 * 1_048_576 + 65_536
_BATCH_BYTES = 524_288
"""Well below the smallest `max.message.bytes` of our topics, which bounds a whole batch."""
_FENCED = (ProducerFenced, InvalidProducerEpoch, InvalidProducerIdMapping, InvalidTxnState)
_LOG_APPEND_TIME = 1
_RETRY_MS = 30
"""A broker may ask to try again for the few milliseconds in which it ends the transaction before."""


@dataclass(frozen=True, slots=True)
class Message:
    """A record to send, with the topic's name on the broker and the partition decided."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: Headers


def to_burnline_error(error: BaseException, lane: str) -> FatalError | TryAgainError:
    """What an error of the driver means for a lane: try again before anything was begun, else end the process."""
    if isinstance(error, _FENCED):
        return FencedError(f"{lane}: another process owns this lane now, or its transaction timed out ({error!r})")
    if isinstance(error, KafkaConnectionError):
        return KafkaUnavailableError(f"{lane}: no broker answers")
    if isinstance(error, (TransactionalIdAuthorizationFailed, TopicAuthorizationFailedError)):
        return FatalError(f"{lane}: we may not write there: {error}; see `burnline topics plan` for what to allow")
    if isinstance(error, MessageSizeTooLargeError):
        return FatalError(f"{lane}: a message is larger than its topic takes: {error}")
    return FatalError(f"{lane}: the outcome of a transaction is unknown: {error!r}")


class LaneProducer:
    """Transactions of one lane; `transactional_id` is the lane's for ever, whichever process owns it."""

    def __init__(self, *, connection: Mapping[str, Any], transactional_id: str) -> None:
        self._connection = connection
        self.transactional_id = transactional_id
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Whoever had this lane can write nothing any more; its open transaction is aborted or completed.

        Raises: KafkaUnavailableError: no broker answers. FatalError: we may not use the transactional id.
        """
        producer = AIOKafkaProducer(
            **self._connection,
            transactional_id=self.transactional_id,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_SEC * 1000,
            retry_backoff_ms=_RETRY_MS,
            max_request_size=_MAX_MESSAGE_BYTES,
            max_batch_size=_BATCH_BYTES,
        )
        try:
            await patiently(producer.start(), f"{self.transactional_id} waits for the broker to fence its predecessor")
        except KafkaError as error:
            await producer.stop()
            raise to_burnline_error(error, self.transactional_id) from error
        except asyncio.CancelledError:
            await producer.stop()
            raise
        self._producer = producer

    async def commit(self, messages: Sequence[Message]) -> list[int | None]:
        """All messages are committed together; when the broker appended each, microseconds.

        The time is None where the topic does not use LogAppendTime.
        Waits as long as the broker is away. Raises: FatalError: nothing was committed, or nobody knows.
        """
        if self._producer is None:
            raise FatalError(f"{self.transactional_id}: not started")
        try:
            return await patiently(
                self._commit(self._producer, messages),
                f"{self.transactional_id} waits for the broker to commit",
            )
        except (KafkaError, AssertionError) as error:  # aiokafka asserts on partitions that it does not know
            raise to_burnline_error(error, self.transactional_id) from error

    async def _commit(self, producer: AIOKafkaProducer, messages: Sequence[Message]) -> list[int | None]:
        await producer.begin_transaction()
        # All partitions before the first message: aiokafka would register them one after the other while it sends. A
        # broker that checks an append against a transaction which changes meanwhile, or two appends of one at once,
        # calls that NOT_ENOUGH_REPLICAS to old clients, and the messages are sent again after a pause.
        # Source: https://cwiki.apache.org/confluence/display/KAFKA/KIP-890%3A+Transactions+Server-Side+Defense
        for message in messages:
            producer._txn_manager.maybe_add_partition_to_txn(TopicPartition(message.topic, message.partition))  # noqa: SLF001  aiokafka has no door for it
        sent = [
            await producer.send(
                message.topic,
                message.value,
                key=message.key,
                partition=message.partition,
                headers=list(message.headers),
            )
            for message in messages
        ]
        # Every delivery is awaited before the commit: aiokafka would commit without a message that was refused.
        acks = await asyncio.gather(*sent)
        await producer.commit_transaction()
        return [ack.timestamp * 1000 if ack.timestamp_type == _LOG_APPEND_TIME else None for ack in acks]

    async def stop(self) -> None:
        """The producer holds nothing any more; a transaction that is still open is left to the next owner's fence."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()
