"""When records were appended, asked of many partitions at once. The broker is a stub."""

from confluent_kafka import Producer

from deploy.stack.positions import Positions
from schemas.connection import KafkaSettings
from tests.deaf import stub_broker

TOPIC = "internal.deltas"
AT_MS = 1_795_338_903_000


def test_each_partition_and_offset_has_its_own_answer_however_often_it_is_asked() -> None:
    """Also two offsets of one partition; where nothing stands at an offset or after it, nothing was appended."""
    first, third, other, none = (((TOPIC, 0), 0), ((TOPIC, 0), 2), ((TOPIC, 1), 1), ((TOPIC, 2), 0))
    expected = {first: AT_MS * 1000, third: (AT_MS + 2) * 1000, other: (AT_MS + 1) * 1000, none: None}
    with stub_broker(TOPIC) as broker:
        producer = Producer({"bootstrap.servers": broker, "log_level": 0})
        for partition in (0, 1):
            for number in range(3):
                producer.produce(TOPIC, b"", partition=partition, timestamp=AT_MS + number)
        assert producer.flush(10) == 0
        with Positions(KafkaSettings(bootstrap_servers=broker)) as positions:
            assert positions.append_times_us([]) == {}
            assert positions.append_times_us(expected) == expected
            assert positions.append_times_us(expected) == expected
            assert positions.append_time_us(*third) == expected[third]
