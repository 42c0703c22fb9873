"""The door to a broker's topics: what stands there, and creation of what is missing. Never deletes or alters."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from deploy.topics_plan import Found, PlannedTopic, differences, plan
from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError, SettingsError

_TIMEOUT_SEC = 15.0
_DENIED = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}


@dataclass(frozen=True)
class TopicsReport:
    """What stands on the broker after the call, against the plan."""

    created: tuple[str, ...]
    missing: tuple[str, ...]
    differences: tuple[str, ...]

    def fits(self) -> bool:
        """Whether every topic is there as planned."""
        return not self.missing and not self.differences


def check_topics(settings: KafkaSettings) -> TopicsReport:
    """How the broker's topics stand against the plan; nothing is changed.

    Raises: KafkaUnavailableError: no answer in time.
    """
    return _report(_admin(settings), _planned(settings), created=())


def apply_topics(settings: KafkaSettings) -> TopicsReport:
    """Every planned topic exists; those that were there are as they were, their differences reported.

    Raises: KafkaUnavailableError: no answer in time. SettingsError: we may not create a missing topic.
    """
    admin, planned = _admin(settings), _planned(settings)
    before = _report(admin, planned, created=())
    wanted = [
        NewTopic(topic.name, topic.partitions, topic.replication_factor, config=topic.config)
        for topic in planned
        if topic.name in before.missing
    ]
    if not wanted:
        return before
    for name, done in admin.create_topics(wanted, request_timeout=_TIMEOUT_SEC).items():
        try:
            done.result()
        except KafkaException as error:
            _judge(name, error.args[0])
    return _visible_report(admin, planned, created=before.missing)


def _visible_report(admin: AdminClient, planned: tuple[PlannedTopic, ...], *, created: tuple[str, ...]) -> TopicsReport:
    """The report, once the brokers have heard of the new topics: the controller answers before they do."""
    deadline = time.monotonic() + _TIMEOUT_SEC
    while (report := _report(admin, planned, created=created)).missing and time.monotonic() < deadline:
        time.sleep(0.1)
    return report


def _judge(topic: str, error: KafkaError) -> None:
    if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
        return  # another command was quicker
    if error.code() in _DENIED:
        raise SettingsError(
            f"we may not create topic {topic}; give what `burnline topics plan` prints to an administrator"
        )
    if error.code() in {KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.POLICY_VIOLATION, KafkaError.INVALID_CONFIG}:
        raise SettingsError(f"the broker refuses topic {topic}: {error.str()}")
    raise KafkaUnavailableError(f"cannot create topic {topic}: {error.str()}")


def _planned(settings: KafkaSettings) -> tuple[PlannedTopic, ...]:
    return plan(
        topic_prefix=settings.topic_prefix,
        group_prefix=settings.group_prefix,
        replication_factor=settings.replication_factor,
    ).topics


def _admin(settings: KafkaSettings) -> AdminClient:
    return AdminClient({**settings.to_confluent(), "log_level": 0, "error_cb": lambda _error: None})


def _report(admin: AdminClient, planned: tuple[PlannedTopic, ...], *, created: tuple[str, ...]) -> TopicsReport:
    found = _existing(admin, planned)
    return TopicsReport(
        created=created,
        missing=tuple(topic.name for topic in planned if topic.name not in found),
        differences=tuple(
            line for topic in planned if topic.name in found for line in differences(topic, found[topic.name])
        ),
    )


def _existing(admin: AdminClient, planned: tuple[PlannedTopic, ...]) -> Mapping[str, Found]:
    """Those of the planned topics that are there, as they are."""
    try:
        topics = admin.list_topics(timeout=_TIMEOUT_SEC).topics
    except KafkaException as error:
        raise KafkaUnavailableError(f"no broker answers: {error.args[0].str()}") from error
    here = [topic.name for topic in planned if topic.name in topics and topics[topic.name].error is None]
    configs = _configs(admin, here)
    return {
        name: Found(
            partitions=len(topics[name].partitions),
            replication_factor=min((len(part.replicas) for part in topics[name].partitions.values()), default=0),
            config=configs[name],
        )
        for name in here
    }


def _configs(admin: AdminClient, names: list[str]) -> dict[str, Mapping[str, str] | None]:
    """The configuration of each topic, None where we may not read it."""
    if not names:
        return {}
    asked = admin.describe_configs(
        [ConfigResource(ResourceType.TOPIC, name) for name in names], request_timeout=_TIMEOUT_SEC
    )
    found: dict[str, Mapping[str, str] | None] = {}
    for resource, answer in asked.items():
        try:
            found[resource.name] = {name: entry.value for name, entry in answer.result().items()}
        except KafkaException as error:
            if error.args[0].code() not in _DENIED:
                raise KafkaUnavailableError(f"cannot read the topics' settings: {error.args[0].str()}") from error
            found[resource.name] = None
    return found
