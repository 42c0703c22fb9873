"""The lock of Kafka's jars says exactly which bytes are Kafka."""

import pytest

from deploy.stack.kafka_jars import checked_in_jars
from deploy.stack.kafka_lock import LockedJar, fault_of, from_lock, to_lock
from schemas.errors import CorruptStateError

SHA_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
SHA_OF_ABD = "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9"
BROKER = LockedJar("org.apache.kafka", "kafka_2.13", "4.2.2", SHA_OF_ABC, 3)
OTHER = LockedJar("at.yawk.lz4", "lz4-java", "1.11.2", SHA_OF_ABC, 3)


def test_a_lock_reads_back_as_it_was_written() -> None:
    """Comments and order aside, nothing is lost."""
    assert from_lock(to_lock([BROKER, OTHER])) == (OTHER, BROKER)


def test_the_checked_in_lock_is_one_kafka_with_a_log() -> None:
    """Every Kafka jar has the broker's version, and SLF4J has its binding to log4j."""
    jars = checked_in_jars()
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {"4.2.2"}
    assert {"log4j-slf4j-impl", "log4j-core", "kafka-clients"} <= {jar.artifact for jar in jars}
    assert len({jar.file_name for jar in jars}) == len(jars)


def test_a_jar_lies_where_maven_puts_it() -> None:
    """The path below the repository follows Maven's layout."""
    assert BROKER.repository_path == "org/apache/kafka/kafka_2.13/4.2.2/kafka_2.13-4.2.2.jar"


@pytest.mark.parametrize(
    "line",
    [
        "org.apache.kafka:kafka_2.13:4.2.2",
        f"org.apache.kafka:kafka_2.13 {SHA_OF_ABC} 3",
        f"org.apache.kafka:kafka_2.13:4.2.2 {SHA_OF_ABC[:-1]} 3",
        f"org.apache.kafka:kafka_2.13:4.2.2 {SHA_OF_ABC} -3",
        f"../../etc:kafka/2:4.2.2 {SHA_OF_ABC} 3",
    ],
)
def test_a_line_of_another_form_is_refused_with_its_number(line: str) -> None:
    """Nothing is guessed about a damaged lock."""
    with pytest.raises(CorruptStateError, match="line 2 of the Kafka lock file"):
        from_lock(f"# comment\n{line}\n")


def test_a_lock_without_a_broker_is_refused() -> None:
    """An empty or truncated file is no Kafka."""
    with pytest.raises(CorruptStateError, match=r"names no org\.apache\.kafka:kafka_2\.13"):
        from_lock(f"{OTHER.coordinate} {OTHER.sha256} 3\n")


def test_only_the_locked_bytes_are_the_jar() -> None:
    """One bit or one byte less is a fault, told apart."""
    assert fault_of(BROKER, b"abc") is None
    assert fault_of(BROKER, b"ab") == "has 2 bytes instead of 3"
    assert (
        fault_of(BROKER, b"abd")
        == f"has sha256 {'a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9'} instead of {SHA_OF_ABC}"
    )
