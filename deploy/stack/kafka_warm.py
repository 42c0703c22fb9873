"""Makes Kafka's start-up cache: Java's ahead-of-time cache of the classes that a broker loads.

With it a broker is ready in half the time and needs half the processor for it; without it nothing else differs. Making
it takes one start of a broker and some seconds, and proves on the way that Kafka runs on this machine.
Java ignores a cache that does not fit its version or the jars, so an old one can slow a start and never break it.
Source: https://openjdk.org/jeps/514
"""

import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.stack.kafka_broker import client_login, running_kafka
from deploy.stack.kafka_config import KafkaAccess, KafkaConfig, KafkaUser
from deploy.stack.kafka_jars import KafkaInstallation
from deploy.stack.ports import free_port
from schemas.errors import KafkaUnavailableError, TryAgainError

_TOPIC = "warm-up"
_RECORDS = 2_000
_TIMEOUT_SEC = 60.0
_CLASSES_ONLY = ("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching", "-XX:-AOTStubCaching")
"""No machine code in the cache: Java 25 warned of mismatched stubs when it read it back, and it saves nothing here."""


def warm_kafka(installation: KafkaInstallation) -> bool:
    """The installation has a start-up cache; False when this Java made none, and Kafka starts slower then.

    Does nothing when there is one already.

    Raises:
        KafkaUnavailableError: Kafka does not run on this machine; the message has its log.
        TryAgainError: the installation's directory cannot be written.
    """
    if installation.startup_cache.is_file():
        return True
    try:
        with tempfile.TemporaryDirectory(prefix=".warm-", dir=installation.directory) as scratch:
            cache = Path(scratch) / installation.startup_cache.name
            flags = (f"-XX:AOTCacheOutput={cache}", *_CLASSES_ONLY, "-Xlog:aot*=off,cds*=off")
            access = KafkaAccess((KafkaUser("warm", secrets.token_hex(16), super_user=True),))
            config = KafkaConfig(free_port(), free_port(), access)
            with running_kafka(Path(scratch) / "state", installation, config=config, more_java_flags=flags) as kafka:
                _exercise({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0, **client_login(access)})
            if not cache.is_file():
                return False
            cache.rename(installation.startup_cache)
            return True
    except OSError as error:
        raise TryAgainError(f"{installation.directory} cannot be written: {error.strerror or error}") from error


def _exercise(client: Mapping[str, Any]) -> None:
    """What a stack asks of its broker was asked once: a login, a topic, a transaction, a group's reading and commit."""
    try:
        admin = AdminClient(dict(client))
        for created in admin.create_topics([NewTopic(_TOPIC, 2, 1)]).values():
            created.result(_TIMEOUT_SEC)
        consumer = Consumer({**client, "group.id": _TOPIC, "auto.offset.reset": "earliest"})
        consumer.subscribe([_TOPIC])
        producer = Producer({**client, "transactional.id": _TOPIC, "compression.type": "lz4"})
        producer.init_transactions(_TIMEOUT_SEC)
        producer.begin_transaction()
        for number in range(_RECORDS):
            producer.produce(_TOPIC, value=b"%d" % number, partition=number % 2)
        producer.commit_transaction(_TIMEOUT_SEC)
        read = consumer.consume(_RECORDS, timeout=_TIMEOUT_SEC)
        consumer.commit(asynchronous=False)
        consumer.close()
    except KafkaException as error:
        raise KafkaUnavailableError(f"Kafka started, but did not answer: {error.args[0]}") from error
    if len(read) != _RECORDS:
        raise KafkaUnavailableError(f"Kafka started, but gave back {len(read)} of {_RECORDS} records")
