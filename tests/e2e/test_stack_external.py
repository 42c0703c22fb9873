"""Somebody else's Kafka: SASL, access control, a topic prefix, an administrator. Only the rights of the plan."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from deploy.stack.kafka_broker import RunningKafka, client_login, running_kafka
from deploy.stack.kafka_config import KafkaAccess, KafkaConfig, KafkaUser
from deploy.stack.ports import free_port
from tests.cli_stack import ROOT
from tests.stack import installed_kafka

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

ADMIN = KafkaUser("admin", "admin-secret", super_user=True)
WORKER = KafkaUser("burnline", "worker-secret")
ROLES = ("rating", "burn", "patterns", "sink", "notifier", "operators", "emitters")
TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2023-11-16 18:17:{second:02}.0000000,{100 + second},{second}\n" for second in range(1, 41)
)


@dataclass(frozen=True)
class Elsewhere:
    """A broker of somebody else, and the files with which our users log in."""

    broker: RunningKafka
    folder: Path

    def run(self, user: KafkaUser, *args: str) -> subprocess.CompletedProcess[str]:
        """One call of `burnline` as this user of the broker; its state lies in the folder."""
        password = self.folder / f"{user.name}.password"
        password.write_text(f"{user.password}\n")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("BURNLINE_")},
            "BURNLINE_STATE_DIR": str(self.folder / "state"),
            "BURNLINE_KAFKA_BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
            "BURNLINE_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "BURNLINE_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "BURNLINE_KAFKA_SASL_USERNAME": user.name,
            "BURNLINE_KAFKA_SASL_PASSWORD_FILE": str(password),
            "BURNLINE_KAFKA_TOPIC_PREFIX": "acme.",
            "BURNLINE_KAFKA_GROUP_PREFIX": "acme-",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'producers/client'}",
        }
        command = [sys.executable, "-m", "deploy", *args]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)

    def done(self, user: KafkaUser, *args: str) -> str:
        """What a call printed that must succeed."""
        done = self.run(user, *args)
        assert done.returncode == 0, f"{args}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """A broker with access control and no topics yet."""
    access = KafkaAccess((ADMIN, WORKER), "SCRAM-SHA-512")
    folder = tmp_path_factory.mktemp("elsewhere")
    config = KafkaConfig(free_port(), free_port(), access)
    with running_kafka(folder / "kafka", installed_kafka(), config=config) as broker:
        place = Elsewhere(broker, folder)
        try:
            yield place
        finally:
            place.run(WORKER, "down", "--now")


def grant(broker: RunningKafka, planned: dict[str, list[dict[str, object]]]) -> None:
    """The worker's user has exactly the rights that the plan gives to the roles it plays."""
    kinds = {"topic": "TOPIC", "group": "GROUP", "transactional-id": "TRANSACTIONAL_ID"}
    operations = {
        "Read": AclOperation.READ,
        "Write": AclOperation.WRITE,
        "Describe": AclOperation.DESCRIBE,
        "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    }
    acls = {
        AclBinding(
            ResourceType[kinds[str(right["resource"])]],
            right["name"],
            ResourcePatternType.PREFIXED if right["prefixed"] else ResourcePatternType.LITERAL,
            f"User:{WORKER.name}",
            "*",
            operations[operation],
            AclPermissionType.ALLOW,
        )
        for right in planned["acls"]
        if right["role"] in ROLES
        for operation in list(right["operations"])  # type: ignore[call-overload]  # JSON
    }
    admin = AdminClient(
        {"bootstrap.servers": broker.bootstrap_servers, "log_level": 0, **client_login(broker.config.access, ADMIN)}
    )
    for granted in admin.create_acls(list(acls)).values():
        granted.result(30)


def test_worker_may_not_create_topics_and_says_whom_to_ask(elsewhere: Elsewhere) -> None:
    """Without the right to create, `topics apply` names what an administrator has to do, and creates nothing."""
    refused = elsewhere.run(WORKER, "topics", "apply")
    assert refused.returncode == 1
    assert "give what `burnline topics plan` prints to an administrator" in refused.stderr


def test_whole_way_with_nothing_but_the_planned_rights(elsewhere: Elsewhere) -> None:
    """An administrator makes topics and rights as planned; then events go all the way, under the prefix."""
    elsewhere.done(ADMIN, "topics", "apply")
    grant(elsewhere.broker, json.loads(elsewhere.done(ADMIN, "topics", "plan", "--json")))
    up = elsewhere.done(WORKER, "up", "--clickhouse-port", "0")
    assert f"{elsewhere.broker.bootstrap_servers} (external)" in up
    trace = elsewhere.folder / "trace.csv"
    trace.write_text(TRACE)
    elsewhere.done(
        WORKER, "replay", "azure-llm", str(trace), "--set", "org=acme", "team=code", "model=gpt-4o", "provider=openai"
    )
    elsewhere.done(WORKER, "drain", "--timeout", "90")
    asked = "SELECT count(), sum(input_tokens), sum(output_tokens) FROM usage_events"
    printed = elsewhere.done(WORKER, "sql", asked, "--format", "TSV").splitlines()
    assert printed[1] == f"40\t{40 * 100 + 820}\t820"


def test_doctor_and_status_know_the_external_part(elsewhere: Elsewhere) -> None:
    """Kafka is external and healthy; nothing is wrong with rights or topics."""
    parts = {part["name"]: part for part in json.loads(elsewhere.done(WORKER, "status", "--json"))["components"]}
    assert (parts["kafka"]["state"], parts["kafka"]["health"]) == ("external", "ok")
    findings = json.loads(elsewhere.done(WORKER, "doctor", "--json"))
    assert [finding for finding in findings if finding["verdict"] == "wrong"] == []


def test_down_leaves_their_broker_alone(elsewhere: Elsewhere) -> None:
    """Only what the stack started is stopped."""
    elsewhere.done(WORKER, "down")
    assert elsewhere.broker.process.poll() is None
