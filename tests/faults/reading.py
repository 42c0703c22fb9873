"""The final read: what the log holds, and what the stack says, through the doors that everybody has."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from deploy.stack.positions import Positions
from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError
from schemas.heartbeats import is_beat
from schemas.topics import BY_NAME
from streams.ports import SourceRecord
from tests.faults.emitting import OP_HEADER
from tests.faults.ledger import LogRecord
from tests.faults.papers import CHARGES, OUTCOMES, Logged

_TIMEOUT_SEC = 60.0
_GATHER_SEC = 0.02
"""Each partition takes at least so long, however little it holds."""


def read_partition(kafka: KafkaSettings, topic: str, partition: int, *, from_offset: int = 0) -> list[SourceRecord]:
    """Every committed record of a partition up to its end now. Raises: KafkaUnavailableError: no answer in time."""
    records: list[SourceRecord] = []
    read_each(kafka, topic, partition, records.append, from_offset=from_offset)
    return records


def read_each(
    kafka: KafkaSettings,
    topic: str,
    partition: int,
    take: Callable[[SourceRecord], None],
    *,
    from_offset: int = 0,
) -> int:
    """Every committed record up to the end now is taken, in order; returns the offset behind all of them.

    Raises: KafkaUnavailableError: no answer in time; some records were taken already.
    """
    consumer = _consumer(kafka, isolation="read_committed")
    try:
        consumer.assign([TopicPartition(kafka.topic(topic), partition, from_offset)])
        while True:
            for message in consumer.consume(1000, _GATHER_SEC) or [consumer.poll(_TIMEOUT_SEC)]:
                if message is None:
                    raise KafkaUnavailableError(f"{topic}/{partition} was not read within {_TIMEOUT_SEC:g} s")
                error = message.error()
                if error is None:
                    take(_record(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    return int(message.offset())
                else:
                    raise KafkaUnavailableError(f"{topic}/{partition}: {error.str()}")
    finally:
        consumer.close()


def _consumer(kafka: KafkaSettings, *, isolation: str) -> Any:
    return Consumer(
        {
            **kafka.to_confluent(),
            "group.id": f"{kafka.group_prefix}faults",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": isolation,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 10,
            "log_level": 0,
            "error_cb": lambda _error: None,
        }
    )


def at_next_write(
    kafka: KafkaSettings, topic: str, *, key: bytes, timeout_sec: float, then: Callable[[], None]
) -> bool:
    """`then` was called as soon as a record whose key begins so stood in partition 0, committed or not; else False."""
    consumer = _consumer(kafka, isolation="read_uncommitted")
    try:
        at = TopicPartition(kafka.topic(topic), 0)
        _, end = consumer.get_watermark_offsets(at, timeout=timeout_sec)
        consumer.assign([TopicPartition(at.topic, 0, end)])
        until_sec = time.monotonic() + timeout_sec
        while time.monotonic() < until_sec:
            message = consumer.poll(1)
            if message is not None and message.error() is None and (message.key() or b"").startswith(key):
                then()
                return True
    except KafkaException:
        pass
    finally:
        consumer.close()
    return False


def _record(message: Any) -> SourceRecord:
    headers = [(name, value or b"") for name, value in message.headers() or ()]
    return SourceRecord(message.offset(), message.timestamp()[1] * 1000, message.key(), message.value(), headers)


def read_log(kafka: KafkaSettings) -> list[LogRecord]:
    """Every record of `usage.events` that is no heartbeat, and which operation it is."""
    found: list[LogRecord] = []
    for partition in range(BY_NAME["usage.events"].partitions):
        for record in read_partition(kafka, "usage.events", partition):
            if is_beat(record.headers):
                continue  # no operation of ours, and counted nowhere
            op = int(dict(record.headers)[OP_HEADER])
            found.append(LogRecord(partition, record.offset, record.append_time_us, op, record.value))
    return found


def read_papers(kafka: KafkaSettings) -> list[Logged]:
    """Every outcome and charge that stands in the log, in the order of each partition."""
    return [
        Logged(topic, partition, record.offset, record.value or b"")
        for topic in (OUTCOMES, CHARGES)
        for partition in range(BY_NAME[topic].partitions)
        for record in read_partition(kafka, topic, partition)
    ]


@dataclass(frozen=True)
class Concluded:
    """What burn and patterns had concluded by a moment: up to where of each partition, and all signals then."""

    next_offsets: Mapping[tuple[str, int], int]  # stage, partition
    signals: Mapping[str, Sequence[Sequence[SourceRecord]]]  # topic -> partition -> records


def read_concluded(kafka: KafkaSettings, topics: Sequence[str]) -> Concluded:
    """The signals are read after the positions, so they hold all that was concluded up to these, and maybe more."""
    with Positions(kafka) as positions:
        said = positions.progress()
    next_offsets = {
        (stage, partition): found.progress.next_offset
        for (stage, _, partition), found in said.items()
        if stage in {"burn", "patterns"}
    }
    signals = {
        topic: [read_partition(kafka, topic, partition) for partition in range(BY_NAME[topic].partitions)]
        for topic in topics
    }
    return Concluded(next_offsets, signals)
