"""A broker with access control: who may not is refused, who may is served, by prefix, for each login mechanism.

This is what proves the settings for somebody else's Kafka against a real one.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from deploy.stack.kafka_broker import RunningKafka, client_login, running_kafka
from deploy.stack.kafka_config import KafkaAccess, KafkaConfig, KafkaUser, SaslMechanism
from deploy.stack.ports import free_port
from tests.stack import installed_kafka

pytestmark = pytest.mark.real
WAIT_SEC = 30.0
ADMIN = KafkaUser("admin", "admin-secret", super_user=True)
ADA = KafkaUser("ada", "ada-secret")
EVE = KafkaUser("eve", "eve-secret")
MECHANISMS: tuple[SaslMechanism, ...] = ("PLAIN", "SCRAM-SHA-512")


@pytest.fixture(scope="module", params=MECHANISMS)
def closed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningKafka]:
    """A broker on which ada may use topics, groups and transactions that begin with `acme.`, and eve nothing."""
    access = KafkaAccess((ADMIN, ADA, EVE), request.param)
    config = KafkaConfig(free_port(), free_port(), access)
    with running_kafka(tmp_path_factory.mktemp("closed"), installed_kafka(), config=config) as running:
        admin = AdminClient(client(running, ADMIN))
        for created in admin.create_topics([NewTopic("acme.events", 1, 1), NewTopic("other.events", 1, 1)]).values():
            created.result(WAIT_SEC)
        kinds = (ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID)
        acls = [
            AclBinding(
                *(kind, "acme.", ResourcePatternType.PREFIXED, "User:ada", "*"),
                *(AclOperation.ALL, AclPermissionType.ALLOW),
            )
            for kind in kinds
        ]
        for granted in admin.create_acls(acls).values():
            granted.result(WAIT_SEC)
        wait_until_in_force(running)
        yield running


def wait_until_in_force(broker: RunningKafka) -> None:
    """The grants were answered when the controller had them; the broker's authorizer learns of them a moment later."""
    ada = AdminClient(client(broker, ADA))
    deadline = time.monotonic() + WAIT_SEC
    while "acme.events" not in ada.list_topics(timeout=WAIT_SEC).topics:
        assert time.monotonic() < deadline


def client(broker: RunningKafka, user: KafkaUser, **more: Any) -> dict[str, Any]:
    """The settings of this user's clients."""
    login = client_login(broker.config.access, user)
    return {"bootstrap.servers": broker.bootstrap_servers, "log_level": 0, **login, **more}


def fate(broker: RunningKafka, user: KafkaUser, topic: str) -> str:
    """What becomes of a record that this user writes to the topic: "written", or the error's name."""
    told: list[str] = []
    producer = Producer(client(broker, user))
    producer.produce(topic, b"x", on_delivery=lambda error, _: told.append(error.name() if error else "written"))
    producer.flush(WAIT_SEC)
    return told[0]


def test_an_unauthorised_user_may_not_write(closed: RunningKafka) -> None:
    """Ada writes below her prefix only, eve nowhere."""
    assert fate(closed, ADA, "acme.events") == "written"
    assert fate(closed, ADA, "other.events") == "TOPIC_AUTHORIZATION_FAILED"
    assert fate(closed, EVE, "acme.events") == "TOPIC_AUTHORIZATION_FAILED"


def test_a_group_and_a_transaction_need_their_own_grant(closed: RunningKafka) -> None:
    """Below her prefix ada commits offsets within a transaction; another transactional id is refused."""
    consumer = Consumer(client(closed, ADA, **{"group.id": "acme.rating"}))
    producer = Producer(client(closed, ADA, **{"transactional.id": "acme.lane"}))
    producer.init_transactions(WAIT_SEC)
    producer.begin_transaction()
    producer.produce("acme.events", b"x")
    producer.send_offsets_to_transaction(
        [TopicPartition("acme.events", 0, 5)], consumer.consumer_group_metadata(), WAIT_SEC
    )
    producer.commit_transaction(WAIT_SEC)
    [committed] = consumer.committed([TopicPartition("acme.events", 0)], timeout=WAIT_SEC)
    consumer.close()
    assert committed.offset == 5
    with pytest.raises(KafkaException, match="TRANSACTIONAL_ID_AUTHORIZATION_FAILED"):
        Producer(client(closed, ADA, **{"transactional.id": "other.lane"})).init_transactions(WAIT_SEC)


def test_a_user_without_the_right_may_not_create_topics(closed: RunningKafka) -> None:
    """Only the administrator makes topics elsewhere."""
    admin = AdminClient(client(closed, EVE))
    [created] = admin.create_topics([NewTopic("eve.events", 1, 1)]).values()
    with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
        created.result(WAIT_SEC)


@pytest.mark.parametrize("user", [KafkaUser("ada", "wrong"), KafkaUser("mallory", "x")])
def test_a_wrong_password_or_name_is_refused(closed: RunningKafka, user: KafkaUser) -> None:
    """The login fails; nothing is shown."""
    with pytest.raises(KafkaException):
        AdminClient(client(closed, user)).list_topics(timeout=1.0)


def test_nobody_gets_in_without_a_login(closed: RunningKafka) -> None:
    """A plain client is not served, on neither port."""
    for port in (closed.config.client_port, closed.config.controller_port):
        plain = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
        with pytest.raises(KafkaException):
            plain.list_topics(timeout=0.5)
