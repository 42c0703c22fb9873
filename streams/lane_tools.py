"""What lanes are made of and share: names, tools, and where outputs go."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from schemas.connection import KafkaSettings
from schemas.errors import FatalError
from schemas.keys import partition_for
from schemas.topics import BY_NAME, TOPICS
from streams.lane_pace import Pace
from streams.lane_producer import Message
from streams.policy_log import KafkaPolicyLog
from streams.ports import Output

PROGRESS_TOPIC = "internal.progress"


class Ends(Protocol):
    """Says where a partition ends now."""

    async def end(self, topic: str, partition: int) -> int:
        """The high watermark, asked for after this call began."""
        ...


@dataclass(frozen=True, kw_only=True)
class LaneName:
    """Which lane: of which stage, on which partition; `topic` without prefix, `topic_id` the broker's.

    `state_id` is that of the topic in which the stage keeps its own state; "" where it has none.
    """

    stage: str
    topic: str
    topic_id: str
    partition: int
    state_id: str = ""


@dataclass(frozen=True, kw_only=True)
class LaneTools:
    """What all lanes of a worker share."""

    kafka: KafkaSettings
    policy_log: KafkaPolicyLog
    ends: Ends
    thread: Executor
    pace: Pace
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from an attempt's mark to its commit: a process that dies then died of nothing else."""


def state_topic(stage: str, source: str = "") -> str | None:
    """The internal topic that a stage both writes and reads, beside progress: without it, it knows not what it did.

    Of several that which is called like the source topic (`internal.charges` of `usage.charges`), else the first.
    """
    own = (topic for topic in TOPICS if not topic.public)
    both = (topic.name for topic in own if stage in topic.writers and stage in topic.readers)
    mine = [name for name in both if name != PROGRESS_TOPIC]
    alike = f"internal.{source.partition('.')[2]}"
    return alike if alike in mine else next(iter(mine), None)


def to_messages(outputs: Sequence[Output], kafka: KafkaSettings) -> list[Message]:
    """The outputs with their topics' names on the broker and their partitions; a key decides where nobody said.

    Raises: FatalError: a topic that is not in `schemas/topics.py`, or a partition that it does not have.
    """
    messages: list[Message] = []
    for output in outputs:
        topic = BY_NAME.get(output.topic)
        if topic is None:
            raise FatalError(f"an output is for topic {output.topic!r}, which schemas/topics.py does not declare")
        partition = output.partition
        if partition is None:
            partition = partition_for(output.key or b"", topic.partitions)
        if not 0 <= partition < topic.partitions:
            raise FatalError(f"an output is for {output.topic}/{partition}; it has {topic.partitions} partitions")
        messages.append(Message(kafka.topic(output.topic), partition, output.key, output.value, output.headers))
    return messages
