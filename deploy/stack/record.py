"""What a stack is, as `stack.json` in its state directory remembers it: which parts are its own, where they listen."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.stack.kafka_users import password_files
from deploy.stack.layout import Layout
from schemas.errors import SettingsError

Part = Literal["own", "external"]
KAFKA_SETTING = "BURNLINE_KAFKA_BOOTSTRAP_SERVERS"
CLICKHOUSE_SETTING = "BURNLINE_CLICKHOUSE_URL"
CONNECTION_PREFIXES = ("BURNLINE_KAFKA_", "BURNLINE_CLICKHOUSE_")
NOTIFIER_PREFIX = "BURNLINE_NOTIFIER_"


class StackRecord(BaseModel):
    """One stack. `settings` are those of connections and of the notifier that it was started with, without secrets.

    `collector_port` is 0 where it has no collector, `metrics_port` where an earlier version made the record.
    `numbers_ports` are those of the pages of single processes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    stack_id: str
    kafka: Part
    clickhouse: Part
    kafka_port: int
    clickhouse_port: int
    controller_port: int
    collector_port: int = 0
    metrics_port: int = 0
    numbers_ports: dict[str, int] = {}
    free_ports: tuple[str, ...] = ()
    kafka_bootstrap_servers: str
    clickhouse_url: str
    settings: dict[str, str]


def new_stack_id() -> str:
    """A name that no other stack has; each of the stack's processes carries it in its environment."""
    return secrets.token_hex(8)


def connection_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The `BURNLINE_*` settings that say where Kafka and ClickHouse are."""
    return {name: value for name, value in sorted(environment.items()) if name.startswith(CONNECTION_PREFIXES)}


def notifier_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings that say where alerts may go; none of them is a secret."""
    return {name: value for name, value in sorted(environment.items()) if name.startswith(NOTIFIER_PREFIX)}


def read_record(layout: Layout) -> StackRecord | None:
    """What the state directory remembers; None where it is no state directory.

    Raises: SettingsError: it cannot be read, or another version wrote it.
    """
    try:
        return StackRecord.model_validate_json(layout.record.read_bytes())
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return None
    except OSError as error:
        raise SettingsError(f"cannot read {layout.record}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{layout.record} is not readable by this version ({where}: {first['msg']})") from error


def write_record(layout: Layout, record: StackRecord) -> None:
    """The record stands on disk, whole: a crash leaves the old or the new one."""
    write_private(layout.record, record.model_dump_json(indent=2) + "\n")


def write_private(path: Path, content: str) -> None:
    """The file has this content and mode 0600, atomically."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def ensure_secrets(layout: Layout) -> None:
    """Every password of ClickHouse's and Kafka's users exists, 256 bits each, readable by this user only."""
    for path in (layout.writer_password, layout.analyst_password, *password_files(layout)):
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32) + "\n")


def ensure_tokens(layout: Layout) -> None:
    """The collector's file of tokens is there, with nobody in it at first."""
    if not layout.collector_tokens.exists():
        write_private(layout.collector_tokens, "# burnline collector token --org ORG --credential NAME adds one\n")
