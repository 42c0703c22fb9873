"""Readers of our own topics against a real broker: they end, and miss nothing that was committed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import confluent_kafka
import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from schemas.policies import Budget, PolicyChange
from streams.policy_log import KafkaPolicyLog
from streams.readers import KafkaReader, LogEnds
from tests.contract.lanes_kit import Place, until

pytestmark = pytest.mark.real
Answer = TypeVar("Answer")
TOPIC = "internal.seen"


@pytest.fixture
def place(kafka: str, request: pytest.FixtureRequest) -> Place:
    """A prefix of the test's own."""
    place = Place(kafka, request.node.name.removeprefix("test_")[:40])
    place.create_topics([TOPIC, "internal.progress", "usage.policies"])
    return place


def with_reader(place: Place, use: Callable[[KafkaReader], Awaitable[Answer]]) -> Answer:
    """What `use` returns."""

    async def run() -> Answer:
        ends = LogEnds(place.kafka)
        await ends.start()
        try:
            return await use(KafkaReader(place.kafka, ends))
        finally:
            await ends.stop()

    return asyncio.run(run())


def _transact(place: Place, transactional_id: str, values: list[bytes], *, commit: bool) -> confluent_kafka.Producer:
    producer = place.producer(**{"transactional.id": f"{place.kafka.group_prefix}{transactional_id}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        producer.produce(place.kafka.topic(TOPIC), value, partition=0)
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    return producer


def test_a_reader_ends_behind_markers_and_leaves_out_what_was_aborted(place: Place) -> None:
    """Committed records come in order; a log that ends with markers or aborted records is read to its end."""
    _transact(place, "a", [b"1", b"2"], commit=True)
    _transact(place, "b", [b"x"] * 3, commit=False).abort_transaction(30)
    records = with_reader(place, lambda reader: reader.read(TOPIC, 0))
    assert [(record.offset, record.value) for record in records] == [(0, b"1"), (1, b"2")]
    assert min(record.append_time_us for record in records) > 1_700_000_000_000_000


def test_an_empty_partition_is_read_at_once(place: Place) -> None:
    """No records is an answer."""
    assert with_reader(place, lambda reader: reader.read(TOPIC, 1)) == []
    assert with_reader(place, lambda reader: reader.read_last(TOPIC, 1, records=10)) == []


def test_a_read_begins_at_its_offset_or_at_the_first_that_is_kept(place: Place) -> None:
    """An offset below what retention kept is no error."""
    _transact(place, "a", [b"%d" % n for n in range(10)], commit=True)
    from_4 = with_reader(place, lambda reader: reader.read(TOPIC, 0, from_offset=4))
    assert [record.offset for record in from_4] == [4, 5, 6, 7, 8, 9]
    upto = confluent_kafka.TopicPartition(place.kafka.topic(TOPIC), 0, 6)
    for done in place.admin.delete_records([upto]).values():
        done.result(10)
    kept = with_reader(place, lambda reader: reader.read(TOPIC, 0, from_offset=4))
    assert [record.offset for record in kept] == [6, 7, 8, 9]


def test_the_last_records_are_at_least_as_many_as_asked_for(place: Place) -> None:
    """Markers between records do not make the answer shorter."""
    producer = _transact(place, "a", [b"0"], commit=True)
    for number in range(1, 120):
        producer.begin_transaction()
        producer.produce(place.kafka.topic(TOPIC), b"%d" % number, partition=0)
        producer.commit_transaction(30)
    values = [record.value for record in with_reader(place, lambda r: r.read_last(TOPIC, 0, records=100))]
    assert values == [b"%d" % number for number in range(120 - len(values), 120)]
    assert 100 <= len(values) <= 120
    assert len(with_reader(place, lambda reader: reader.read_last(TOPIC, 0, records=500))) == 120


def test_what_was_committed_behind_an_open_transaction_is_not_missed(place: Place) -> None:
    """A foreign open transaction holds the reader up, not back: it waits until the transaction is settled."""
    open_one = _transact(place, "open", [b"undecided"], commit=False)
    _transact(place, "done", [b"committed"], commit=True)

    async def read_while_undecided(reader: KafkaReader) -> list[bytes | None]:
        reading = asyncio.ensure_future(reader.read(TOPIC, 0))
        done, _ = await asyncio.wait({reading}, timeout=1)
        assert not done
        await asyncio.to_thread(open_one.commit_transaction, 30)
        return [record.value for record in await reading]

    assert with_reader(place, read_while_undecided) == [b"undecided", b"committed"]


def _entries(config: dict[str, str]) -> list[ConfigEntry]:
    return [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in config.items()]


def _configure(place: Place, resource: ConfigResource) -> None:
    for done in place.admin.incremental_alter_configs([resource]).values():
        done.result(10)


def test_a_compacted_partition_is_read_to_its_end(place: Place) -> None:
    """What compaction removed is no gap to wait in."""
    topic = place.kafka.topic("internal.progress")
    eager = {
        "min.cleanable.dirty.ratio": "0.0",
        "segment.ms": "100",
        "min.compaction.lag.ms": "0",
        "segment.bytes": "1048576",
    }
    _configure(place, ConfigResource(ResourceType.TOPIC, topic, incremental_configs=_entries(eager)))
    backoff = _entries({"log.cleaner.backoff.ms": "50"})
    _configure(place, ConfigResource(ResourceType.BROKER, "1", incremental_configs=backoff))
    producer = place.producer()

    def say(key: bytes, value: bytes) -> None:
        producer.produce(topic, value, key=key, partition=0)
        producer.flush(30)

    for number in range(50):
        say(b"k%d" % (number % 2), b"%d" % number)

    def compacted() -> bool:
        say(b"last", b"last")
        return len(place.read("internal.progress", 0)) < 25

    until(compacted, "compaction", timeout_sec=60)
    records = with_reader(place, lambda reader: reader.read("internal.progress", 0))
    newest = {record.key: record.value for record in records}
    assert newest == {b"k0": b"48", b"k1": b"49", b"last": b"last"}


def _change(limit: int) -> PolicyChange:
    budget = Budget(id="b", org="acme", limit=limit)
    return PolicyChange(change_id="c", actor="test", at="2026-01-01T00:00:00Z", files=(), sets=(budget,))


def test_policies_are_known_as_they_stood_at_each_offset(place: Place) -> None:
    """A change takes effect at its offset; what is no change is passed over, and its offset counts."""
    for value in (_change(10).model_dump_json().encode(), b"{}", _change(30).model_dump_json().encode()):
        place.send("usage.policies", value)
    key = ("budget", "acme", "b")

    async def follow() -> None:
        ends = LogEnds(place.kafka)
        await ends.start()
        log = KafkaPolicyLog(place.kafka, ends)
        try:
            await log.start()
            assert log.latest()[0] == 2
            assert log.at(-1) == {}
            assert [log.at(offset)[key].policy.limit for offset in (0, 1, 2)] == [10, 10, 30]  # type: ignore[union-attr]  # a budget
            with pytest.raises(KeyError):
                log.at(3)
            waiting = asyncio.ensure_future(log.wait_for(3))
            done, _ = await asyncio.wait({waiting}, timeout=0.3)
            assert not done
            await asyncio.to_thread(place.send, "usage.policies", _change(40).model_dump_json().encode())
            await asyncio.wait_for(waiting, 10)
            assert log.latest()[1][key].policy.limit == 40  # type: ignore[union-attr]  # a budget
        finally:
            await log.stop()
            await ends.stop()

    asyncio.run(follow())
