"""The local broker is a real Kafka that keeps what it acknowledged, tells append time, and listens on loopback only."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.stack.kafka_broker import RunningKafka, running_kafka
from deploy.stack.kafka_config import KafkaAccess, KafkaConfig, KafkaUser
from deploy.stack.kafka_storage import prepare
from deploy.stack.ports import free_port
from schemas.errors import CorruptStateError, KafkaUnavailableError, SettingsError
from tests.stack import installed_kafka

pytestmark = pytest.mark.real
WAIT_SEC = 30.0
READER: dict[str, str | int | bool] = {"group.id": "reader", "enable.partition.eof": True}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningKafka]:
    """One broker for the tests that leave it alive."""
    with running_kafka(tmp_path_factory.mktemp("broker") / "kafka", installed_kafka()) as running:
        yield running


def client(servers: str, **more: str | int | bool) -> dict[str, str | int | bool]:
    """librdkafka settings that say nothing on standard error."""
    return {"bootstrap.servers": servers, "log_level": 0, **more}


def create(servers: str, topic: str, partitions: int = 1) -> str:
    """The topic exists."""
    admin = AdminClient(client(servers))
    for created in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        created.result(WAIT_SEC)
    return topic


def read_all(servers: str, topic: str) -> list[Message]:
    """What a read_committed reader finds in partition 0, from its start to its end."""
    consumer = Consumer(client(servers, **READER))
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: list[Message] = []
        deadline = time.monotonic() + WAIT_SEC
        while time.monotonic() < deadline:
            for message in consumer.consume(10_000, timeout=0.2):
                if message.error() is not None:
                    return found
                found.append(message)
    finally:
        consumer.close()
    pytest.fail(f"{topic} has no end within {WAIT_SEC} s")


def test_records_have_the_time_of_their_appending(broker: RunningKafka) -> None:
    """The producer's clock, a year wrong, is not used."""
    topic = create(broker.bootstrap_servers, "append-time")
    producer = Producer(client(broker.bootstrap_servers))
    before_ms = int(time.time() * 1000)
    producer.produce(topic, b"x", timestamp=1_700_000_000_000)
    assert producer.flush(WAIT_SEC) == 0
    [message] = read_all(broker.bootstrap_servers, topic)
    kind, stamp_ms = message.timestamp()
    assert kind == TIMESTAMP_LOG_APPEND_TIME
    assert before_ms <= stamp_ms <= int(time.time() * 1000)


def test_a_message_of_16_mib_is_kept(broker: RunningKafka) -> None:
    """The largest message that a collector may send us fits."""
    topic = create(broker.bootstrap_servers, "large")
    large = 15 * 1024 * 1024
    producer = Producer(client(broker.bootstrap_servers, **{"message.max.bytes": 16 * 1024 * 1024}))
    producer.produce(topic, b"x" * large)
    assert producer.flush(WAIT_SEC) == 0
    assert [len(message.value() or b"") for message in read_all(broker.bootstrap_servers, topic)] == [large]


def test_a_topic_is_never_made_by_writing_to_it(broker: RunningKafka) -> None:
    """Topics are declared in one place; a wrong name is an error, for a writer and for a reader."""
    failures: list[str] = []
    servers = broker.bootstrap_servers
    producer = Producer(client(servers, **{"topic.metadata.propagation.max.ms": 1}))
    producer.produce("misspelt", b"x", on_delivery=lambda error, _: failures.append(error.name()))
    producer.flush(WAIT_SEC)
    assert len(failures) == 1
    assert "misspelt" not in AdminClient(client(servers)).list_topics(timeout=WAIT_SEC).topics


def test_a_transaction_is_seen_whole_or_not_at_all(broker: RunningKafka) -> None:
    """Records and the group's offsets of a committed transaction stand; those of an aborted one do not."""
    servers = broker.bootstrap_servers
    topic = create(servers, "transactions")
    consumer = Consumer(client(servers, **{"group.id": "lane"}))
    producer = Producer(client(servers, **{"transactional.id": "lane-0"}))
    producer.init_transactions(WAIT_SEC)
    for offset, finish in ((7, producer.commit_transaction), (9, producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic, b"%d" % offset)
        producer.send_offsets_to_transaction(
            [TopicPartition(topic, 0, offset)], consumer.consumer_group_metadata(), WAIT_SEC
        )
        finish(WAIT_SEC)
    [committed] = consumer.committed([TopicPartition(topic, 0)], timeout=WAIT_SEC)
    consumer.close()
    assert [message.value() for message in read_all(servers, topic)] == [b"7"]
    assert committed.offset == 7


def test_nothing_listens_beyond_loopback(broker: RunningKafka) -> None:
    """Every socket of the broker is on 127.0.0.1."""
    listening = [
        connection.laddr
        for connection in psutil.Process(broker.pid).net_connections("all")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} == {broker.config.client_port, broker.config.controller_port}


def test_a_taken_port_is_a_sentence_before_java_starts(broker: RunningKafka, tmp_path: Path) -> None:
    """It names the port, who has it, and the flag; the directory is not even made."""
    config = KafkaConfig(client_port=broker.config.client_port, controller_port=free_port())
    sentence = rf"port {config.client_port} for Kafka is taken by java \(process {broker.pid}\).*--kafka-port"
    with (
        pytest.raises(SettingsError, match=sentence),
        running_kafka(tmp_path / "kafka", installed_kafka(), config=config),
    ):
        pytest.fail("a second broker started on a taken port")
    assert not (tmp_path / "kafka").exists()


def test_the_directory_is_private(broker: RunningKafka) -> None:
    """Others see neither data nor configuration."""
    root = broker.log.parent
    assert root.stat().st_mode & 0o777 == 0o700
    assert (root / "server.properties").stat().st_mode & 0o777 == 0o600


def test_kill_9_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Killed while records arrive, and started again on other ports, it has every record that it had acknowledged."""
    acknowledged: list[bytes] = []
    enough = threading.Event()

    def delivered(error: object, message: Message) -> None:
        if error is None:
            acknowledged.append(message.value() or b"")
            if len(acknowledged) >= 2_000:
                enough.set()

    with running_kafka(tmp_path, installed_kafka()) as first:
        create(first.bootstrap_servers, "kept")
        producer = Producer(client(first.bootstrap_servers, **{"linger.ms": 1, "message.timeout.ms": 60_000}))
        number = 0
        while not enough.is_set():
            producer.produce("kept", b"%d" % number, on_delivery=delivered)
            producer.poll(0 if len(producer) < 10_000 else 0.05)
            number += 1
        first.kill()
        producer.purge()
        producer.flush(WAIT_SEC)
    with running_kafka(tmp_path, installed_kafka()) as second:
        values = {message.value() for message in read_all(second.bootstrap_servers, "kept")}
        assert second.config.client_port != first.config.client_port
    assert set(acknowledged) - values == set()
    assert len(acknowledged) >= 2_000


def test_foreign_and_damaged_directories_are_refused(tmp_path: Path) -> None:
    """What is not ours is left as it is; what is ours but damaged is named, and neither is started on."""
    config, installation = KafkaConfig(free_port(), free_port()), installed_kafka()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("mine")
    with pytest.raises(SettingsError, match=r"holds 'thesis\.tex', which is not Kafka's"):
        prepare(foreign, config, installation)
    assert [path.name for path in foreign.glob("data*")] == []

    ours = tmp_path / "ours"
    prepare(ours, config, installation)
    prepare(ours, config, installation)
    meta = ours / "data" / "meta.properties"
    whole = meta.read_text()
    meta.write_text(whole.replace("cluster.id=", "cluster.id=other"))
    with pytest.raises(CorruptStateError, match="names another cluster"):
        prepare(ours, config, installation)
    meta.unlink()
    with pytest.raises(CorruptStateError, match=r"meta\.properties is missing"):
        prepare(ours, config, installation)
    (ours / "data" / "burnline.json").unlink()
    with pytest.raises(SettingsError, match="was not made by Burnline"):
        prepare(ours, config, installation)


def test_scram_users_are_fixed_when_the_directory_is_formatted(tmp_path: Path) -> None:
    """Kafka keeps them in its log, so other ones on the same directory are refused in a sentence."""
    admin, installation = KafkaUser("admin", "secret", super_user=True), installed_kafka()
    ports = (free_port(), free_port())
    prepare(tmp_path, KafkaConfig(*ports, KafkaAccess((admin,), "SCRAM-SHA-512")), installation)
    prepare(tmp_path, KafkaConfig(*ports, KafkaAccess((admin,), "SCRAM-SHA-512")), installation)
    with pytest.raises(SettingsError, match="formatted for other SCRAM users"):
        prepare(
            tmp_path, KafkaConfig(*ports, KafkaAccess((admin, KafkaUser("ada", "x")), "SCRAM-SHA-512")), installation
        )


def test_a_format_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    """A half formatted directory is never taken for a whole one."""
    (tmp_path / "data.partial").mkdir()
    (tmp_path / "data.partial" / "half").write_text("written")
    prepare(tmp_path, KafkaConfig(free_port(), free_port()), installed_kafka())
    assert sorted(path.name for path in tmp_path.glob("data*")) == ["data"]
    assert not (tmp_path / "data" / "half").exists()


def test_readiness_ends_with_the_broker(tmp_path: Path) -> None:
    """A broker that cannot start is reported at once, with its log, instead of being waited for."""
    config, installation = KafkaConfig(free_port(), free_port(), max_heap_mb=3), installed_kafka()
    prepare(tmp_path, KafkaConfig(free_port(), free_port()), installation)
    with (
        pytest.raises(KafkaUnavailableError, match=r"ended with code \d before it was ready:\n.*(heap|starting|of VM)"),
        running_kafka(tmp_path, installation, config=config),
    ):
        pytest.fail("a broker ran in a heap of 3 MB")


def test_a_broker_that_is_stopped_leaves_no_process(tmp_path: Path) -> None:
    """After the block its process is gone, and its ports are free."""
    with running_kafka(tmp_path, installed_kafka()) as running:
        pid = running.pid
    assert not psutil.pid_exists(pid)
    with pytest.raises(KafkaException):
        AdminClient(client(running.bootstrap_servers)).list_topics(timeout=0.2)
