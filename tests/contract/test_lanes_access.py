"""Real stages on a broker with access control, with no right but those that `burnline topics plan` prints."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from deploy.stack.kafka_broker import running_kafka
from deploy.stack.kafka_config import KafkaAccess, KafkaConfig, KafkaUser
from deploy.stack.ports import free_port
from deploy.topics_plan import plan
from schemas.progress import latest_progress
from schemas.topics import PARTITIONS, TOPICS
from tests.contract.lanes_kit import Place, WorkerProcess, until
from tests.stack import installed_kafka

pytestmark = pytest.mark.real
ROLES = ("rating", "burn")
_KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
_OPERATIONS = {"Read": AclOperation.READ, "Write": AclOperation.WRITE, "Describe": AclOperation.DESCRIBE}


@dataclass(frozen=True)
class Closed:
    """A broker on which roles have their rights; `place` is the administrator's."""

    place: Place
    secrets: Path

    def login(self, user: str) -> dict[str, str]:
        """The environment with which a worker logs in as this user."""
        return {
            "BURNLINE_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "BURNLINE_KAFKA_SASL_USERNAME": user,
            "BURNLINE_KAFKA_SASL_PASSWORD_FILE": str(self.secrets / user),
        }


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    """All topics under a prefix, each role with its rights, and a user that has none but to see topics."""
    secrets = tmp_path_factory.mktemp("secrets")
    for user in ("admin", "nobody", *ROLES):
        (secrets / user).write_text(f"{user}-secret\n")
    users = (
        KafkaUser("admin", "admin-secret", super_user=True),
        *(KafkaUser(name, f"{name}-secret") for name in (*ROLES, "nobody")),
    )
    config = KafkaConfig(free_port(), free_port(), KafkaAccess(users, "SCRAM-SHA-512"))
    with running_kafka(tmp_path_factory.mktemp("closed"), installed_kafka(), config=config) as broker:
        place = Place(
            broker.bootstrap_servers,
            "acme",
            security_protocol="SASL_PLAINTEXT",
            sasl_username="admin",
            sasl_password_file=secrets / "admin",
        )
        place.create_topics(topic.name for topic in TOPICS)
        kafka = place.kafka
        planned = plan(topic_prefix=kafka.topic_prefix, group_prefix=kafka.group_prefix, replication_factor=1)
        grants = [
            AclBinding(
                _KINDS[right.resource],
                right.name,
                ResourcePatternType.PREFIXED if right.prefixed else ResourcePatternType.LITERAL,
                f"User:{right.role}",
                "*",
                _OPERATIONS[operation],
                AclPermissionType.ALLOW,
            )
            for right in planned.rights
            if right.role in ROLES
            for operation in right.operations
        ]
        for granted in place.admin.create_acls(grants).values():
            granted.result(30)
        yield Closed(place, secrets)


@pytest.mark.parametrize("role", ROLES)
def test_a_stage_works_with_the_rights_that_the_plan_gives_it(closed: Closed, role: str) -> None:
    """Login, groups, transactions and reading back all go through the one connection model."""
    worker = WorkerProcess(closed.place, "streams", role, **closed.login(role))
    try:
        worker.wait_said("lane runs", times=4)
        if role == "rating":

            def ticked() -> bool:
                messages = closed.place.read("internal.progress", 0)
                newest = latest_progress([message.value() for message in messages])
                places = {place for place in newest if place[0] == "rating"}
                return {("rating", "usage.events", at) for at in range(PARTITIONS)} <= places

            until(ticked, "a tick of each lane of events")
        assert worker.stop() == 0
        assert [line for line in worker.lines if "Authorization" in str(line) or line["event"] == "ends"] == []
    finally:
        worker.kill()


def test_a_stage_without_rights_says_so_and_ends(closed: Closed) -> None:
    """What may not be seen is not called missing."""
    worker = WorkerProcess(closed.place, "streams", "rating", **closed.login("nobody"))
    try:
        assert worker.wait() == 1
        (line,) = worker.said("ends")
        assert "we may not describe topic acme." in line["reason"]
        assert "burnline topics plan" in line["reason"]
    finally:
        worker.kill()
