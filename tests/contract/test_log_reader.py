"""A reader whose connection brings nothing any more, though the broker has something. The broker is a stub."""

import time

import pytest
from confluent_kafka import Producer

from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError
from sinks import log_reader
from sinks.log_reader import LogReader, Record
from tests.deaf import deaf_at_first, stub_broker

WITHIN_SEC = 30.0


def test_a_reader_that_hears_nothing_reads_on_by_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two connections fall silent one after the other: every record comes once, in the order of its partition."""
    made: list[object] = []
    monkeypatch.setattr(log_reader, "Consumer", deaf_at_first(made, deaf=2))
    read: dict[int, list[int]] = {0: [], 1: []}
    until_sec = time.monotonic() + WITHIN_SEC
    with stub_broker("internal.rated") as broker:
        producer = Producer({"bootstrap.servers": broker, "log_level": 0})
        for number in range(20):
            producer.produce("internal.rated", str(number).encode(), partition=number % 2)
        assert producer.flush(10) == 0
        with LogReader(KafkaSettings(bootstrap_servers=broker), name="test", look_sec=0.1) as reader:
            reader.assign({("internal.rated", 0): 0, ("internal.rated", 1): 4})
            while sum(map(len, read.values())) < 16 and time.monotonic() < until_sec:
                fact = reader.take(wait_sec=0.05)
                if isinstance(fact, Record):
                    read[fact.partition].append(fact.offset)
    assert read == {0: list(range(10)), 1: list(range(4, 10))}
    assert len(made) == 3


def test_after_a_question_without_an_answer_a_new_connection_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of whom a broker knows nothing does not ask by the same connection again."""
    monkeypatch.setattr(log_reader, "TIMEOUT_SEC", 0.05)
    with LogReader(KafkaSettings(bootstrap_servers="127.0.0.1:9"), name="test") as reader:
        asked = reader._consumer
        with pytest.raises(KafkaUnavailableError):
            reader.bounds(("internal.rated", 0))
        assert reader._consumer is not asked
