"""The door to a broker's rights: every role has what `burnline topics plan` says. Never takes a right away."""

import time
from collections.abc import Collection

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from deploy.topics_plan import Right, plan
from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError

_TIMEOUT_SEC = 15.0
_EVERY_SEC = 0.05
_KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}
_EVERYTHING = AclBindingFilter(
    ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
)


def apply_rights(settings: KafkaSettings, *, roles: Collection[str]) -> int:
    """These roles have the rights of the plan, each as the user of its own name, and the broker knows it.

    Returns how many were missing. `settings` are those of somebody who may grant.

    Raises: KafkaUnavailableError: the broker did not take them, or does not know them in time.
    """
    admin = AdminClient({**settings.to_confluent(), "log_level": 0, "error_cb": lambda _error: None})
    planned = plan(topic_prefix=settings.topic_prefix, group_prefix=settings.group_prefix, replication_factor=1)
    wanted = {acl for right in planned.rights if right.role in roles for acl in bindings(right)}
    try:
        missing = wanted - _standing(admin)
        if missing:
            for granted in admin.create_acls(sorted(missing, key=str), request_timeout=_TIMEOUT_SEC).values():
                granted.result()
            _wait(admin, wanted)
    except KafkaException as error:
        raise KafkaUnavailableError(f"cannot grant the rights of the roles: {error.args[0].str()}") from error
    return len(missing)


def bindings(right: Right) -> list[AclBinding]:
    """A right as Kafka knows it: one grant for each operation, to `User:<role>`, from anywhere."""
    pattern = ResourcePatternType.PREFIXED if right.prefixed else ResourcePatternType.LITERAL
    who, kind = f"User:{right.role}", _KINDS[right.resource]
    return [
        AclBinding(kind, right.name, pattern, who, "*", _OPERATIONS[operation], AclPermissionType.ALLOW)
        for operation in right.operations
    ]


def _standing(admin: AdminClient) -> set[AclBinding]:
    return set(admin.describe_acls(_EVERYTHING, request_timeout=_TIMEOUT_SEC).result())


def _wait(admin: AdminClient, wanted: set[AclBinding]) -> None:
    """The controller answers before the broker's authorizer has heard: ask until it has."""
    deadline = time.monotonic() + _TIMEOUT_SEC
    while not wanted <= _standing(admin):
        if time.monotonic() > deadline:
            raise KafkaUnavailableError("the broker does not know the rights that it was given")
        time.sleep(_EVERY_SEC)
