"""Which topics and rights Burnline needs on a broker, and how what stands there differs: pure, for people and tools."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from schemas.topics import TOPICS, Topic

WORKERS = ("rating", "burn", "sink", "notifier", "patterns")
"""Roles that work in consumer groups and with transactions under our prefix."""


@dataclass(frozen=True)
class Right:
    """What one role may do with one resource. `name` is with the prefix of the settings."""

    role: str
    resource: Literal["topic", "group", "transactional-id"]
    name: str
    prefixed: bool
    operations: tuple[str, ...]


@dataclass(frozen=True)
class PlannedTopic:
    """A topic as an administrator creates it. `name` is with the prefix of the settings."""

    name: str
    partitions: int
    replication_factor: int
    config: dict[str, str]
    doc: str


@dataclass(frozen=True)
class Found:
    """A topic as it stands on the broker; `config` is None where we may not read it."""

    partitions: int
    replication_factor: int
    config: Mapping[str, str] | None


@dataclass(frozen=True)
class Plan:
    """Everything an administrator has to grant and create."""

    topics: tuple[PlannedTopic, ...]
    rights: tuple[Right, ...]

    def to_json(self) -> dict[str, object]:
        """The plan as plain values."""
        return {"topics": [asdict(topic) for topic in self.topics], "acls": [asdict(right) for right in self.rights]}


def plan(*, topic_prefix: str, group_prefix: str, replication_factor: int) -> Plan:
    """The topics and rights for these names."""
    topics = tuple(
        PlannedTopic(topic_prefix + topic.name, topic.partitions, replication_factor, topic.config(), topic.doc)
        for topic in TOPICS
    )
    return Plan(topics, tuple(_rights(topic_prefix, group_prefix)))


def _rights(topic_prefix: str, group_prefix: str) -> list[Right]:
    found = [
        Right(role, "topic", topic_prefix + topic.name, prefixed=False, operations=operations)
        for role in _roles()
        for topic in TOPICS
        if (operations := _operations(role, topic))
    ]
    for role in WORKERS:
        name = group_prefix + role
        found.append(Right(role, "group", name, prefixed=True, operations=("Read", "Describe")))
        found.append(Right(role, "transactional-id", name, prefixed=True, operations=("Write", "Describe")))
    found.append(Right("operators", "group", group_prefix, prefixed=True, operations=("Read", "Describe")))
    subscribers = f"{group_prefix}subscribers"  # not the whole prefix: groups of workers are none of their business
    found.append(Right("subscribers", "group", subscribers, prefixed=True, operations=("Read", "Describe")))
    return found


def _roles() -> list[str]:
    """Every role that any topic names, in the order in which they appear."""
    return list(dict.fromkeys(role for topic in TOPICS for role in (*topic.writers, *topic.readers)))


def _operations(role: str, topic: Topic) -> tuple[str, ...]:
    """What a role may do with a topic. Operators may look at every topic's offsets and settings: status and doctor."""
    allowed = (["Write"] if role in topic.writers else []) + (["Read"] if role in topic.readers else [])
    if role == "operators":
        return (*allowed, "Describe", "DescribeConfigs")
    return (*allowed, "Describe") if allowed else ()


def differences(topic: PlannedTopic, found: Found) -> list[str]:
    """How a topic that stands on the broker differs from its plan, and what to do about each."""
    said = []
    if found.partitions != topic.partitions:
        said.append(
            f"{topic.name} has {found.partitions} partitions, not {topic.partitions}: counts are fixed for life; "
            "use another topic prefix"
        )
    if found.replication_factor < topic.replication_factor:
        said.append(
            f"{topic.name} has {found.replication_factor} replicas, not {topic.replication_factor}: "
            "let an administrator reassign its partitions"
        )
    for name, wanted in topic.config.items():
        value = None if found.config is None else found.config.get(name, "")
        if value is not None and value != wanted:
            said.append(f"{topic.name} has {name}={value}, not {wanted}: change it with kafka-configs.sh --alter")
    return said


def command_lines(found: Plan, *, bootstrap_servers: str, principals: Mapping[str, str]) -> list[str]:
    """The same as command lines of Apache Kafka's own tools; `principals` gives roles other names than User:<role>."""
    return [
        *(_topic_command(topic, bootstrap_servers) for topic in found.topics),
        *(_acl_command(right, bootstrap_servers, principals) for right in found.rights),
    ]


def _topic_command(topic: PlannedTopic, servers: str) -> str:
    config = [part for name, value in topic.config.items() for part in ("--config", f"{name}={value}")]
    counts = ("--partitions", str(topic.partitions), "--replication-factor", str(topic.replication_factor))
    create = ("--create", "--if-not-exists", "--topic", topic.name)
    return shlex.join(["kafka-topics.sh", "--bootstrap-server", servers, *create, *counts, *config])


def _acl_command(right: Right, servers: str, principals: Mapping[str, str]) -> str:
    principal = principals.get(right.role, f"User:{right.role}")
    operations = [part for operation in right.operations for part in ("--operation", operation)]
    pattern = ("--resource-pattern-type", "prefixed") if right.prefixed else ()
    add = ("--add", "--allow-principal", principal, *operations, f"--{right.resource}", right.name, *pattern)
    return shlex.join(["kafka-acls.sh", "--bootstrap-server", servers, *add])


def as_text(found: Plan, commands: Sequence[str]) -> str:
    """The plan for an administrator to read, then the command lines to run."""
    lines = ["Topics", ""]
    for topic in found.topics:
        settings = " ".join(f"{name}={value}" for name, value in topic.config.items())
        lines.append(f"  {topic.name}  {topic.partitions} partitions, {topic.replication_factor} replicas: {topic.doc}")
        lines.append(f"      {settings}")
    lines += ["", "Rights (one principal per role)", ""]
    for right in found.rights:
        name = f"{right.name}*" if right.prefixed else right.name
        lines.append(f"  {right.role:<10} {right.resource:<16} {name}: {', '.join(right.operations)}")
    return "\n".join([*lines, "", "Command lines", "", *commands])
