"""The broker in a container is told what the local one is told."""

import re
from pathlib import Path

from deploy.stack.kafka_config import KafkaConfig, server_properties
from deploy.stack.kafka_jars import checked_in_jars
from deploy.stack.kafka_lock import kafka_version

COMPOSE = (Path(__file__).parents[2] / "deploy" / "compose.yaml").read_text()
OF_THE_PLACE = {
    "listeners", "advertised.listeners", "listener.security.protocol.map", "controller.quorum.voters", "log.dirs",
    "node.id", "process.roles",
}  # fmt: skip
OF_SMALL_MACHINES = {
    "num.partitions", "offsets.topic.num.partitions", "transaction.state.log.num.partitions",
    "share.coordinator.state.topic.num.partitions", "num.network.threads", "num.io.threads", "background.threads",
    "num.recovery.threads.per.data.dir", "group.coordinator.threads", "share.coordinator.threads",
    "log.cleaner.dedupe.buffer.size", "broker.session.timeout.ms", "broker.heartbeat.interval.ms",
}  # fmt: skip


def test_container_has_the_properties_of_the_local_broker() -> None:
    """Every property that is not about addresses or small machines stands in the compose file with the same value."""
    told = {
        name.lower().replace("_", "."): value
        for name, value in re.findall(r'^ +KAFKA_([A-Z_]+): "([^"]*)"$', COMPOSE, flags=re.MULTILINE)
    }
    wanted = server_properties(KafkaConfig(9092, 19093), Path("data"))
    shared = {name: wanted[name] for name in wanted.keys() - OF_THE_PLACE - OF_SMALL_MACHINES}
    assert {name: told.get(name) for name in shared} == shared


def test_container_runs_the_locked_kafka() -> None:
    """One version of Kafka, with and without Docker."""
    assert f"apache/kafka:${{KAFKA_VERSION:-{kafka_version(checked_in_jars())}}}" in COMPOSE


def test_containers_listen_on_loopback_only() -> None:
    """No published port is reachable from elsewhere."""
    ports = re.findall(r'^ +- "([^"]+):[^:"]*[0-9}]"$', COMPOSE, flags=re.MULTILINE)
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)
