"""What stands in a topic, read to its end by a plain consumer; and topics for one test."""

from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 4


@dataclass(frozen=True)
class Record:
    """One record of a topic."""

    partition: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def make_topic(bootstrap_servers: str, name: str, **config: str) -> None:
    """The topic exists, with four partitions and log append times."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    settings = {
        "message.timestamp.type": "LogAppendTime",
        **{key.replace("_", "."): text for key, text in config.items()},
    }
    topic = NewTopic(name, num_partitions=PARTITIONS, replication_factor=1, config=settings)
    admin.create_topics([topic])[name].result(30)


def read_all(bootstrap_servers: str, topic: str) -> list[Record]:
    """Every record from the beginning to the end that each partition has now."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "reader",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    records: list[Record] = []
    ended: set[int] = set()
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        while len(ended) < PARTITIONS:
            message = consumer.poll(30)
            assert message is not None, f"{topic} did not answer"
            if message.error() is not None:
                ended.add(message.partition())
                continue
            headers = tuple(message.headers() or ())
            records.append(Record(message.partition(), message.key(), message.value(), headers))
    finally:
        consumer.close()
    return records
