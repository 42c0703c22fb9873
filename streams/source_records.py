"""aiokafka consumers that give `SourceRecord`s instead of records of their own: one small object for each event."""

from collections import OrderedDict
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult

from streams.ports import SourceRecord


def source_record(_partition: object, record: Any) -> SourceRecord:  # noqa: ANN401  aiokafka has no types
    """A record of aiokafka's reader as ours; a millisecond of LogAppendTime becomes microseconds."""
    return SourceRecord(record.offset, record.timestamp * 1000, record.key, record.value, record.headers)


class _LeanRecords(OrderedDict[TopicPartition, Any]):
    """The fetcher's buffer; what comes in will be read as `SourceRecord`s."""

    def __setitem__(self, partition: TopicPartition, result: Any) -> None:  # noqa: ANN401  aiokafka has no types
        if type(result) is FetchResult:
            result._partition_records._consumer_record = source_record  # noqa: SLF001  the one place that makes records
        super().__setitem__(partition, result)


def read_source_records(consumer: AIOKafkaConsumer) -> None:
    """From now on this started consumer's `getmany` and `getone` give `SourceRecord`s."""
    consumer._fetcher._records = _LeanRecords()  # noqa: SLF001  aiokafka has no door for it
