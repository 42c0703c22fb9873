"""Who may log in to the stack's own Kafka, as whom each process does, and what everybody may do there.

1. Passwords lie in the state directory, 256 bits each, mode 0600; nobody enters without one.
2. `operator` may do everything: the broker itself, the command line and the watchdog are he. Only who may read the
   state directory is an operator, so only he writes `usage.policies`.
3. Everybody else has a role of `burnline topics plan`, and its rights and no more.
"""

from pathlib import Path

from deploy.stack.kafka_config import KafkaAccess, KafkaUser
from deploy.stack.layout import Layout
from schemas.connection import read_secret
from schemas.errors import SettingsError

OPERATOR = "operator"
ROLES = ("rating", "burn", "patterns", "sink", "notifier", "emitters", "subscribers")
"""Those who work with the rights of the plan."""
USERS = (OPERATOR, *ROLES)


def kafka_access(layout: Layout) -> KafkaAccess:
    """Everybody who may log in, with the passwords of the state directory.

    Raises: SettingsError: a password is missing or cannot be used.
    """
    return KafkaAccess(tuple(KafkaUser(name, _password(layout, name), super_user=name == OPERATOR) for name in USERS))


def login(layout: Layout, user: str) -> dict[str, str]:
    """The settings with which a process logs in as this user; the password stays in its file."""
    return {
        "BURNLINE_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "BURNLINE_KAFKA_SASL_MECHANISM": "PLAIN",
        "BURNLINE_KAFKA_SASL_USERNAME": user,
        "BURNLINE_KAFKA_SASL_PASSWORD_FILE": str(layout.kafka_password(user)),
    }


def password_files(layout: Layout) -> tuple[Path, ...]:
    """Where the passwords of Kafka's users are."""
    return tuple(layout.kafka_password(user) for user in USERS)


def _password(layout: Layout, user: str) -> str:
    path = layout.kafka_password(user)
    found = read_secret(path, setting=f"the password of Kafka's user {user}")
    if not found:
        raise SettingsError(f"{path} is empty; remove it, and start the stack again")
    return found
