"""The broker in a container is told what the local one is told."""

import re
from pathlib import Path

from deploy.stack.kafka_config import KafkaAccess, KafkaConfig, KafkaUser, server_properties
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
        name.lower().replace("_", "."): re.sub(r"\$\{KAFKA_PASSWORD:\?[^}]+}", "pass", value)
        for name, _, value in re.findall(r"^ +KAFKA_([A-Z_]+): (\"|')(.*)\2$", COMPOSE, flags=re.MULTILINE)
    }
    access = KafkaAccess((KafkaUser("operator", "pass", super_user=True),))
    wanted = server_properties(KafkaConfig(9092, 19093, access), Path("data"))
    shared = {name: wanted[name] for name in wanted.keys() - OF_THE_PLACE - OF_SMALL_MACHINES}
    assert {name: told.get(name) for name in shared} == shared


def test_container_runs_the_locked_kafka() -> None:
    """One version of Kafka, with and without Docker."""
    assert f"apache/kafka:${{KAFKA_VERSION:-{kafka_version(checked_in_jars())}}}" in COMPOSE


def test_containers_listen_on_loopback_only() -> None:
    """No published port is reachable from elsewhere."""
    ports = re.findall(r'^ +- "([^"-][^"]*):[^:"]*[0-9}]"$', COMPOSE, flags=re.MULTILINE)
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert COMPOSE.count("network_mode: host") == 2
    assert 'GF_SERVER_HTTP_ADDR: "127.0.0.1"' in COMPOSE
    assert '"--web.listen-address=127.0.0.1:' in COMPOSE


def test_no_container_of_kafka_lets_anybody_in() -> None:
    """Each listener asks for a login; nobody is a super user but the operator, whose password has no default."""
    protocols = re.findall(r"(?:CLIENT|CONTROLLER):([A-Z_]+)", COMPOSE)
    assert protocols == ["SASL_PLAINTEXT"] * 2
    assert re.findall(r'SUPER_USERS: "([^"]+)"', COMPOSE) == ["User:operator"]
    assert re.findall(r"\$\{[A-Z]+_PASSWORD:-[^}]", COMPOSE) == []


def test_every_port_of_a_container_is_in_the_table() -> None:
    """What a port is called, what it is unless chosen, and who may enter stand in docs/ports.md."""
    table = (Path(__file__).parents[2] / "docs" / "ports.md").read_text().partition("\nWith `docker compose")[2]
    told = set(re.findall(r"^\| [^|]+ \| (\d+) \| `(\w+_PORT)` \|", table, flags=re.MULTILINE))
    assert told == {(port, name) for name, port in re.findall(r"\$\{(\w+_PORT):-(\d+)\}", COMPOSE)}
