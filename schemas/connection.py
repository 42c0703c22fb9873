"""How to reach Kafka and ClickHouse: one settings model, three client libraries; doors read it from `BURNLINE_*`."""

import ssl
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import SettingsError


def read_secret(path: Path | None, *, setting: str) -> str | None:
    """The secret in a file, without its line end; None where no file is set.

    Raises: SettingsError: the file cannot be read.
    """
    if path is None:
        return None
    try:
        return path.read_text().rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{setting}: cannot read {path}: {error.strerror}") from error


ONE_IN_FLIGHT: dict[str, Any] = {"max.in.flight.requests.per.connection": 1}
"""Whoever may lose nothing waits for one request before it sends the next.

With several on their way, the first may be refused ("not leader") and the next taken: a broker takes any first sequence
of a producer that is new to a partition. The first is then refused as old, and counted as delivered: it is lost.
"""


class KafkaSettings(BaseSettings):
    """Where Kafka is, and under which names we work there."""

    model_config = SettingsConfigDict(env_prefix="BURNLINE_KAFKA_", frozen=True)

    bootstrap_servers: str = Field("127.0.0.1:9092", description="host:port, comma separated")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password_file: Path | None = None
    ca_file: Path | None = None
    topic_prefix: str = Field("", pattern=r"^[a-zA-Z0-9._-]*$")
    group_prefix: str = Field("burnline-", pattern=r"^[a-zA-Z0-9._-]*$")
    replication_factor: int = Field(1, ge=1, le=9)

    def topic(self, name: str) -> str:
        """The topic's name on this broker."""
        return self.topic_prefix + name

    def _sasl_password(self) -> str | None:
        return read_secret(self.sasl_password_file, setting="BURNLINE_KAFKA_SASL_PASSWORD_FILE")

    def to_confluent(self) -> dict[str, Any]:
        """The connection part of a confluent-kafka configuration."""
        config: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
        }
        if self.security_protocol.startswith("SASL"):
            config |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.sasl_username,
                "sasl.password": self._sasl_password(),
            }
        if self.ca_file is not None:
            config["ssl.ca.location"] = str(self.ca_file)
        return config

    def to_aiokafka(self) -> dict[str, Any]:
        """The connection part of the arguments of aiokafka's clients."""
        config: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.startswith("SASL"):
            config |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self._sasl_password(),
            }
        if self.security_protocol.endswith("SSL"):
            config["ssl_context"] = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        return config


class ClickHouseSettings(BaseSettings):
    """Where ClickHouse is. The embedded engine and a server are reached the same way."""

    model_config = SettingsConfigDict(env_prefix="BURNLINE_CLICKHOUSE_", frozen=True)

    url: str = Field("http://127.0.0.1:8123", pattern=r"^https?://")
    user: str = "default"
    password_file: Path | None = None
    ca_file: Path | None = None
    database: str = Field("burnline", pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")

    def to_client(self) -> dict[str, Any]:
        """The arguments of clickhouse_connect.get_client, without a database."""
        return {
            "dsn": self.url,
            "username": self.user,
            "password": read_secret(self.password_file, setting="BURNLINE_CLICKHOUSE_PASSWORD_FILE") or "",
            "ca_cert": str(self.ca_file) if self.ca_file else None,
        }
