"""The local broker's configuration: loopback only, one node, the log's clock, and access that is denied by default."""

from pathlib import Path

import pytest

from deploy.stack.kafka_config import (
    KafkaAccess,
    KafkaConfig,
    KafkaUser,
    SaslMechanism,
    jvm_flags,
    log4j2_properties,
    scram_arguments,
    server_properties,
    to_properties,
)
from schemas.errors import SettingsError

DATA = Path("/state/kafka/data")
ADMIN = KafkaUser("admin", "admin-secret", super_user=True)
ADA = KafkaUser("ada", "ada-secret")
OPEN = server_properties(KafkaConfig(9092, 9093), DATA)


def closed(mechanism: SaslMechanism) -> dict[str, str]:
    """The properties with access control."""
    access = KafkaAccess((ADA, ADMIN), mechanism)
    return server_properties(KafkaConfig(9092, 9093, access), DATA)


def test_every_listener_is_on_loopback() -> None:
    """Nothing of the broker can be reached from another machine."""
    assert OPEN["listeners"] == "CLIENT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert OPEN["advertised.listeners"] == "CLIENT://127.0.0.1:9092"
    assert OPEN["controller.quorum.voters"] == "1@127.0.0.1:9093"


def test_one_node_replicates_nothing() -> None:
    """Every replication factor and in-sync minimum is one, or internal topics could never be made."""
    factors = {name: value for name, value in OPEN.items() if name.endswith((".replication.factor", ".min.isr"))}
    assert set(factors) == {
        "default.replication.factor",
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
        "transaction.state.log.min.isr",
        "share.coordinator.state.topic.replication.factor",
        "share.coordinator.state.topic.min.isr",
    }
    assert set(factors.values()) == {"1"}


def test_the_log_is_the_clock_and_topics_are_declared() -> None:
    """Append time, no automatic topics, offsets kept for a year, messages up to 16 MiB."""
    assert OPEN["log.message.timestamp.type"] == "LogAppendTime"
    assert OPEN["auto.create.topics.enable"] == "false"
    assert int(OPEN["offsets.retention.minutes"]) >= 365 * 24 * 60
    assert (OPEN["message.max.bytes"], OPEN["replica.fetch.max.bytes"]) == ("16777216", "16777216")
    assert OPEN["group.initial.rebalance.delay.ms"] == "0"


def test_an_open_broker_has_no_authorizer_and_no_passwords() -> None:
    """Without access control nothing of it is configured."""
    assert not [name for name in OPEN if "sasl" in name or "authorizer" in name or "super" in name]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_access_control_denies_by_default(mechanism: SaslMechanism) -> None:
    """Both listeners demand a login, and who has no ACL may do nothing."""
    properties = closed(mechanism)
    assert properties["listener.security.protocol.map"] == "CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT"
    assert properties["authorizer.class.name"].endswith(".StandardAuthorizer")
    assert properties["allow.everyone.if.no.acl.found"] == "false"
    assert properties["super.users"] == "User:admin"
    assert properties["sasl.enabled.mechanisms"] == mechanism
    assert f"listener.name.client.{mechanism.lower()}.sasl.jaas.config" in properties


def test_scram_users_are_given_to_the_storage_tool_only() -> None:
    """Their passwords stand in no file; PLAIN users stand in the configuration only."""
    assert "ada-secret" not in closed("SCRAM-SHA-512")["listener.name.client.scram-sha-512.sasl.jaas.config"]
    assert scram_arguments(KafkaAccess((ADA, ADMIN), "SCRAM-SHA-512")) == [
        *("--add-scram", "SCRAM-SHA-512=[name=ada,password=ada-secret]"),
        *("--add-scram", "SCRAM-SHA-512=[name=admin,password=admin-secret]"),
    ]
    assert scram_arguments(KafkaAccess((ADA, ADMIN), "PLAIN")) == []
    assert 'user_ada="ada-secret"' in closed("PLAIN")["listener.name.client.plain.sasl.jaas.config"]


@pytest.mark.parametrize("user", [KafkaUser("a b", "x"), KafkaUser("ada", ""), KafkaUser("ada", 'x";')])
def test_users_that_would_break_a_jaas_line_are_refused(user: KafkaUser) -> None:
    """Nothing is quoted by guess."""
    with pytest.raises(SettingsError, match=f"the Kafka user '{user.name}' needs"):
        KafkaAccess((ADMIN, user))


def test_access_control_without_a_super_user_is_refused() -> None:
    """Nobody could ever grant anything."""
    with pytest.raises(SettingsError, match="super user"):
        KafkaAccess((ADA,))


def test_a_properties_file_escapes_what_java_would_read_otherwise() -> None:
    """Backslashes, leading blanks, line ends and characters beyond ASCII survive."""
    written = to_properties({"b": "C:\\x", "a": " é\n", "c": "\U0001f525"})
    assert written == "a=\\ \\u00e9\\n\nb=C:\\\\x\nc=\\ud83d\\udd25\n"


def test_java_leaves_no_file_outside_the_state_directory() -> None:
    """Temporary files go where the caller says, and no performance counters are mapped."""
    flags = jvm_flags(KafkaConfig(1, 2, max_heap_mb=300), log4j2_file=DATA / "l", temporary_dir=DATA / "t")
    assert {"-Djava.io.tmpdir=/state/kafka/data/t", "-XX:-UsePerfData", "-Xmx300m"} <= set(flags)
    assert "-Dlog4j2.configurationFile=/state/kafka/data/l" in flags


def test_the_log_is_quiet_and_goes_to_standard_output() -> None:
    """Warnings and worse, for the supervisor to keep."""
    lines = log4j2_properties().splitlines()
    assert {"rootLogger.level=warn", "appender.console.type=Console"} <= set(lines)
