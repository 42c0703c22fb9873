"""Who is who in the stack's own Kafka: each process its role, the command line the operator, and who is verified."""

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from supervisor.options import ServerOptions
from typer.testing import CliRunner

from deploy.actors import is_verified
from deploy.cli.app import app
from deploy.stack.find import Stack
from deploy.stack.kafka_config import KafkaConfig, server_properties
from deploy.stack.kafka_users import OPERATOR, ROLES, USERS, kafka_access, login
from deploy.stack.layout import Layout, claim, furnish, layout_at
from deploy.stack.programs import REPOSITORY, STAGES, programs_of
from deploy.stack.record import StackRecord, ensure_secrets, write_record
from deploy.stack.supervisor_config import render
from deploy.topics_plan import plan
from schemas.connection import KafkaSettings
from schemas.errors import SettingsError

RECORD = StackRecord(
    stack_id="a1",
    kafka="own",
    clickhouse="own",
    kafka_port=9092,
    clickhouse_port=8123,
    controller_port=9093,
    kafka_bootstrap_servers="127.0.0.1:9092",
    clickhouse_url="http://127.0.0.1:8123",
    settings={},
)
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A state directory with its passwords and its record."""
    layout = layout_at(tmp_path / "state")
    claim(layout)
    furnish(layout)
    ensure_secrets(layout)
    write_record(layout, RECORD)
    return layout


def test_everybody_has_a_password_of_his_own(layout: Layout) -> None:
    """Each user's is another one, long, and for this account only; only the operator may do everything."""
    users = kafka_access(layout).users
    assert [user.name for user in users if user.super_user] == [OPERATOR]
    assert len({user.password for user in users}) == len(USERS)
    assert min(len(user.password) for user in users) >= 32
    assert {layout.kafka_password(user).stat().st_mode & 0o777 for user in USERS} == {0o600}


def test_both_ports_of_the_broker_ask_for_a_login(layout: Layout) -> None:
    """Nothing is served without one, and no resource is open that has no grant."""
    found = server_properties(KafkaConfig(9092, 9093, kafka_access(layout)), layout.kafka)
    assert found["listener.security.protocol.map"] == "CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT"
    assert found["allow.everyone.if.no.acl.found"] == "false"
    assert found["super.users"] == "User:operator"


@pytest.mark.parametrize("mark", ["plain", "quote's", 'double"quote', "umlaut-ü"])
def test_each_stage_logs_in_as_itself(tmp_path: Path, mark: str) -> None:
    """What the supervisor gives a stage names its user and the file of its password; the watchdog is the operator."""
    layout = layout_at(tmp_path / mark)
    claim(layout)
    furnish(layout)
    programs = programs_of(RECORD, layout, kafka_command=("java",))
    layout.supervisor_config.write_text(render(programs, layout, socket=layout.root / "s", repository=REPOSITORY))
    options = ServerOptions()
    options.realize(["-c", str(layout.supervisor_config)])
    read = {group.name: dict(group.process_configs[0].environment) for group in options.process_group_configs}
    assert {name: read[name] for name in STAGES} == {name: login(layout, name) for name in STAGES}
    assert read["watchdog"] == {}


def test_roles_are_those_of_the_plan() -> None:
    """Whoever logs in with a role has rights, and nobody but operators writes policies."""
    rights = plan(topic_prefix="", group_prefix="burnline-", replication_factor=1).rights
    assert set(ROLES) <= {right.role for right in rights}
    writers = {right.role for right in rights if right.name == "usage.policies" and "Write" in right.operations}
    assert writers == {"operators"}


def test_a_subscriber_reads_alerts_and_nothing_else() -> None:
    """He writes nowhere, and no group but his own is his."""
    rights = [
        right
        for right in plan(topic_prefix="", group_prefix="b-", replication_factor=1).rights
        if right.role == "subscribers"
    ]
    assert {right.name for right in rights if "Read" in right.operations} == {
        "alerts.budgets", "alerts.anomalies", "alerts.governance", "alerts.value", "usage.rates", "control.advice",
        "b-subscribers",
    }  # fmt: skip
    assert not [right for right in rights if "Write" in right.operations]


def test_settings_of_a_role_name_files_and_hold_no_password(layout: Layout) -> None:
    """`burnline as` prints what a client needs; the operator's commands log in as he."""
    printed = CliRunner().invoke(app, ["as", "--state-dir", str(layout.root), "emitters"]).stdout
    assert f"BURNLINE_KAFKA_SASL_PASSWORD_FILE={layout.kafka_password('emitters')}" in printed.splitlines()
    assert not [user for user in USERS if layout.kafka_password(user).read_text().strip() in printed]
    stack = Stack(layout, RECORD)
    assert (stack.kafka().sasl_username, stack.kafka(user="emitters").sasl_username) == (OPERATOR, "emitters")
    assert stack.kafka().to_confluent()["sasl.password"] == layout.kafka_password(OPERATOR).read_text().strip()


def test_a_command_runs_with_the_rights_of_its_role(layout: Layout) -> None:
    """Its environment says where Kafka is and who it is; an unknown role is a sentence."""
    shown = 'import json, os; print(json.dumps({k: v for k, v in os.environ.items() if "KAFKA_SASL" in k}))'
    words = ("as", "--state-dir", str(layout.root))
    command = [sys.executable, "-m", "deploy", *words]
    done = subprocess.run(
        [*command, "subscribers", sys.executable, "-c", shown], cwd=REPOSITORY, capture_output=True, check=True
    )
    assert json.loads(done.stdout)["BURNLINE_KAFKA_SASL_USERNAME"] == "subscribers"
    assert CliRunner().invoke(app, [*words, "mallory"]).exit_code != 0


def test_an_empty_password_is_no_password(layout: Layout) -> None:
    """A damaged file is said, not used."""
    layout.kafka_password("sink").write_text("\n")
    with pytest.raises(SettingsError, match="kafka-sink is empty"):
        kafka_access(layout)


def test_an_actor_is_verified_by_the_login_or_by_the_account_behind_it(layout: Layout) -> None:
    """The broker's user, or who alone may read his password; a name that somebody chose is only a word."""
    own = Stack(layout, RECORD).kafka()
    assert (is_verified(ME, own), is_verified("operator", own), is_verified("dana", own)) == (True, True, False)
    layout.kafka_password(OPERATOR).chmod(0o640)
    assert not is_verified(ME, own)
    assert not is_verified(ME, KafkaSettings())
