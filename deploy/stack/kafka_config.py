"""What the local broker is told: `server.properties`, logging, and the flags of its JVM. Pure.

One node in KRaft combined mode, on loopback only. Figures were measured with Kafka 4.4 (the lock has 4.2.2) on Java 25
and two busy cores:
- C1 only and the serial collector: 250 k to 360 k records/s of 570 bytes and 8 ms per small transaction, where the
  server compiler needs 170 k to 250 k and 17 ms for its first millions of records, since it competes for the cores;
- a broker session of 3 s: after `kill -9` the new broker is refused until the dead one's session has ended, which with
  the default of 9 s is an 11 s outage, and with 3 s one of 4 s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from schemas.errors import SettingsError

LOOPBACK = "127.0.0.1"
NODE_ID = 1
LARGEST_MESSAGE_BYTES = 16 * 1024 * 1024
OFFSETS_RETENTION_MINUTES = 366 * 24 * 60

SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True)
class KafkaUser:
    """Somebody who may log in. What they may do is said by ACLs, or they are a super user and may do all."""

    name: str
    password: str
    super_user: bool = False


@dataclass(frozen=True)
class KafkaAccess:
    """Clients log in (SASL over plain text, loopback only) and may do only what an ACL allows.

    The first super user is also who the broker itself logs in as.
    """

    users: tuple[KafkaUser, ...]
    mechanism: SaslMechanism = "PLAIN"

    def __post_init__(self) -> None:
        """Raises: SettingsError: nobody is a super user, or a name or password cannot be written in a JAAS line."""
        if not any(user.super_user for user in self.users):
            raise SettingsError("a Kafka with access control needs at least one super user")
        for user in self.users:
            if not user.name.isalnum() or not user.password or set(user.password) & set('"\\\r\n,[]'):
                raise SettingsError(
                    f"the Kafka user {user.name!r} needs a name of letters and digits, and a password without "
                    "quotation marks, backslashes, commas, brackets and line ends"
                )

    @property
    def broker_user(self) -> KafkaUser:
        """Who the broker logs in as."""
        return next(user for user in self.users if user.super_user)


@dataclass(frozen=True)
class KafkaConfig:
    """One local broker. `access` None: whoever reaches the loopback interface may do all."""

    client_port: int
    controller_port: int
    access: KafkaAccess | None = None
    default_partitions: int = 4
    max_heap_mb: int = 512

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect."""
        return f"{LOOPBACK}:{self.client_port}"


def server_properties(config: KafkaConfig, data_dir: Path) -> dict[str, str]:
    """The broker's properties; absent ones have Kafka's defaults.

    Source: https://kafka.apache.org/documentation/#brokerconfigs
    """
    return (
        _listeners(config)
        | {"log.dirs": str(data_dir)}
        | _one_node()
        | _small_machine(config)
        | _topics(config)
        | _transactions()
        | (_access(config.access) if config.access else {})
    )


def _listeners(config: KafkaConfig) -> dict[str, str]:
    protocol = "SASL_PLAINTEXT" if config.access else "PLAINTEXT"
    return {
        "process.roles": "broker,controller",
        "node.id": str(NODE_ID),
        "listeners": f"CLIENT://{config.bootstrap_servers},CONTROLLER://{LOOPBACK}:{config.controller_port}",
        "advertised.listeners": f"CLIENT://{config.bootstrap_servers}",
        "listener.security.protocol.map": f"CLIENT:{protocol},CONTROLLER:{protocol}",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        # A static quorum: its address comes from here at each start, so the ports of a state directory may change.
        "controller.quorum.voters": f"{NODE_ID}@{LOOPBACK}:{config.controller_port}",
    }


def _one_node() -> dict[str, str]:
    return {
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "group.initial.rebalance.delay.ms": "0",
    }


def _small_machine(config: KafkaConfig) -> dict[str, str]:
    return {
        "num.partitions": str(config.default_partitions),
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.num.partitions": "1",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        "num.recovery.threads.per.data.dir": "2",
        "group.coordinator.threads": "1",
        "share.coordinator.threads": "1",
        # The default of 128 MB would be a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
    }


def _topics(config: KafkaConfig) -> dict[str, str]:  # noqa: ARG001  one shape for every part
    return {
        "auto.create.topics.enable": "false",
        "log.message.timestamp.type": "LogAppendTime",
        "offsets.retention.minutes": str(OFFSETS_RETENTION_MINUTES),
        "message.max.bytes": str(LARGEST_MESSAGE_BYTES),
        "replica.fetch.max.bytes": str(LARGEST_MESSAGE_BYTES),
    }


def _transactions() -> dict[str, str]:
    return {
        # What a dead owner left open holds readers back until it is aborted: look often, and bound what may be asked.
        "transaction.max.timeout.ms": "60000",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    }


def _access(access: KafkaAccess) -> dict[str, str]:
    me = access.broker_user
    names = "".join(f' user_{user.name}="{user.password}"' for user in access.users)
    plain = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'username="{me.name}" password="{me.password}"{names};'
    )
    scram = (
        "org.apache.kafka.common.security.scram.ScramLoginModule required "
        f'username="{me.name}" password="{me.password}";'
    )
    client = access.mechanism
    return {
        "sasl.enabled.mechanisms": client,
        "sasl.mechanism.inter.broker.protocol": client,
        f"listener.name.client.{client.lower()}.sasl.jaas.config": plain if client == "PLAIN" else scram,
        # The controller keeps the SCRAM users, so it cannot ask itself for them before it runs: PLAIN there.
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": plain,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": ";".join(f"User:{user.name}" for user in access.users if user.super_user),
    }


def scram_arguments(access: KafkaAccess | None) -> list[str]:
    """What the storage tool is told so that SCRAM users exist from the first start; nothing for other mechanisms."""
    if access is None or access.mechanism == "PLAIN":
        return []
    return [
        argument
        for user in access.users
        for argument in ("--add-scram", f"{access.mechanism}=[name={user.name},password={user.password}]")
    ]


def to_properties(properties: Mapping[str, str]) -> str:
    """A Java properties file that reads back as these pairs, sorted.

    Source: https://docs.oracle.com/en/java/javase/25/docs/api/java.base/java/util/Properties.html#load(java.io.Reader)
    """
    return "".join(f"{name}={_escaped(value)}\n" for name, value in sorted(properties.items()))


def _escaped(value: str) -> str:
    text = value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    text = "\\" + text if text.startswith((" ", "\t", "\f")) else text
    return "".join(character if character.isascii() else _utf16_escape(character) for character in text)


def _utf16_escape(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def log4j2_properties() -> str:
    """Warnings and errors go to standard output, one line each, UTC; the supervisor keeps them.

    Source: https://logging.apache.org/log4j/2.x/manual/configuration.html
    """
    return to_properties(
        {
            "status": "error",
            "appender.console.type": "Console",
            "appender.console.name": "console",
            "appender.console.layout.type": "PatternLayout",
            "appender.console.layout.pattern": "%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}{UTC} %p %c{1}: %m%n",
            "rootLogger.level": "warn",
            "rootLogger.appenderRef.console.ref": "console",
        }
    )


def jvm_flags(config: KafkaConfig, *, log4j2_file: Path, temporary_dir: Path) -> list[str]:
    """How Java runs the broker: small, quick to start, ends on a lack of memory instead of limping on."""
    return [
        f"-Xms{min(64, config.max_heap_mb)}m",
        f"-Xmx{config.max_heap_mb}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        # No files outside the state directory: performance counters, unpacked compression libraries.
        "-XX:-UsePerfData",
        f"-Djava.io.tmpdir={temporary_dir}",
        "-Djava.awt.headless=true",
        "-Djava.net.preferIPv4Stack=true",
        f"-Dlog4j2.configurationFile={log4j2_file}",
        # Java 25 warns of what the compression libraries do by right.
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
    ]
