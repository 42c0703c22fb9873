"""The settings table of the README, from the settings models: `python -m deploy.settings_table`."""

import sys

from pydantic_settings import BaseSettings

from deploy.settings import WatchdogSettings
from schemas.connection import ClickHouseSettings, KafkaSettings
from schemas.numbers_page import PageSettings
from sinks.notifier.settings import NotifierSettings
from sinks.settings import SinkSettings
from streams.settings import StreamsSettings

OTHER = (
    ("BURNLINE_STATE_DIR", "", "which local stack a command means"),
    ("BURNLINE_MAVEN_REPOSITORY", "Maven Central", "where set-up fetches Kafka's jars"),
)
_DOCS = {
    "security_protocol": "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
    "sasl_mechanism": "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
    "sasl_username": "the user",
    "sasl_password_file": "a file that holds the password; secrets never stand in the environment",
    "ca_file": "certificates to trust, PEM",
    "topic_prefix": "before every topic's name",
    "group_prefix": "before every group and transactional id",
    "replication_factor": "of topics that `burnline topics apply` creates",
    "url": "the HTTP interface of ClickHouse",
    "user": "the user",
    "password_file": "a file that holds the password",
    "database": "the database of all tables and views",
    "log_level": "how much is logged",
}


def settings_table() -> str:
    """A Markdown table: variable, default, meaning."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    models: tuple[type[BaseSettings], ...] = (
        KafkaSettings,
        ClickHouseSettings,
        StreamsSettings,
        SinkSettings,
        NotifierSettings,
        WatchdogSettings,
        PageSettings,
    )
    for model in models:
        prefix = str(model.model_config["env_prefix"])
        for name, field in model.model_fields.items():
            default = "" if field.default is None else str(field.default)
            lines.append(f"| `{prefix}{name.upper()}` | {default} | {field.description or _DOCS[name]} |")
    lines += [f"| `{name}` | {default} | {doc} |" for name, default, doc in OTHER]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(settings_table() + "\n")
