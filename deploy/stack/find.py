"""Which stack a command means, and how it reaches Kafka and ClickHouse there."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from deploy.stack.kafka_users import OPERATOR, login
from deploy.stack.layout import Layout, layout_at
from deploy.stack.processes import STACK_DIR_VARIABLE, STACK_ID_VARIABLE
from deploy.stack.programs import REPOSITORY
from deploy.stack.record import (
    CLICKHOUSE_SETTING,
    KAFKA_SETTING,
    StackRecord,
    connection_settings,
    notifier_settings,
    read_record,
)
from deploy.stack.supervisor import Supervisor, socket_path
from schemas.connection import ClickHouseSettings, KafkaSettings
from schemas.errors import SettingsError

STATE_DIR_VARIABLE = "BURNLINE_STATE_DIR"
DEFAULT_STATE_DIR = Path(".burnline")
_SEARCHED = (Path(".burnline/demo"), DEFAULT_STATE_DIR)


@dataclass(frozen=True)
class Stack:
    """A state directory and what it remembers."""

    layout: Layout
    record: StackRecord

    def supervisor(self) -> Supervisor:
        """The door to its supervisor, which may not run."""
        return Supervisor(socket_path(self.layout, stack_id=self.record.stack_id))

    def kafka(self, *, user: str = OPERATOR) -> KafkaSettings:
        """How its Kafka is reached as one of its users; an external one has one user for all."""
        return _with_environment(KafkaSettings, self.environment({}, user=user))

    def clickhouse(self, *, role: str = "analyst") -> ClickHouseSettings:
        """How its ClickHouse is reached as `writer` or `analyst`; an external one has one user for both."""
        settings = _with_environment(ClickHouseSettings, self.environment({}))
        if self.record.clickhouse == "external" or role == "writer":
            return settings
        return settings.model_copy(update={"user": "analyst", "password_file": self.layout.analyst_password})

    def environment(self, base: Mapping[str, str], *, user: str = OPERATOR) -> dict[str, str]:
        """What a process of the stack that is this user of Kafka finds in its environment; no password is among it."""
        settings = connection_settings(base) | notifier_settings(base)
        found = {name: value for name, value in base.items() if name not in settings}
        found["BURNLINE_NOTIFIER_SECRETS_DIR"] = str(self.layout.route_secrets)
        found |= self.record.settings
        found |= {
            STACK_ID_VARIABLE: self.record.stack_id,
            STACK_DIR_VARIABLE: str(self.layout.root),
            "PYTHONPATH": _python_path(base.get("PYTHONPATH", "")),
            "BURNLINE_KAFKA_BOOTSTRAP_SERVERS": self.record.kafka_bootstrap_servers,
            "BURNLINE_CLICKHOUSE_URL": self.record.clickhouse_url,
        }
        if self.record.kafka == "own":
            found |= login(self.layout, user)
        if self.record.clickhouse == "own":
            found["BURNLINE_CLICKHOUSE_USER"] = "writer"
            found["BURNLINE_CLICKHOUSE_PASSWORD_FILE"] = str(self.layout.writer_password)
        return found


def _python_path(given: str) -> str:
    """Our rooms first, then what the caller had."""
    ours = [str(REPOSITORY), str(REPOSITORY / "producers" / "client")]
    return os.pathsep.join([*ours, *(path for path in given.split(os.pathsep) if path and path not in ours)])


_Settings = TypeVar("_Settings", KafkaSettings, ClickHouseSettings)


def _with_environment(model: type[_Settings], environment: Mapping[str, str]) -> _Settings:
    """The settings that a process with exactly this environment reads; ours has no say in it.

    Raises: SettingsError: one of them cannot be used.
    """
    prefix = str(model.model_config["env_prefix"])
    values: dict[str, object] = {name: field.get_default() for name, field in model.model_fields.items()}
    for name, value in environment.items():
        field = name.removeprefix(prefix).lower()
        if name.startswith(prefix) and field in values:
            values[field] = value
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        setting = prefix + str(first["loc"][0]).upper()
        raise SettingsError(f"{setting}={first['input']}: {first['msg']}") from None


def state_dir_for_up(chosen: Path | None, environment: Mapping[str, str]) -> Layout:
    """The state directory that `up` starts in: the chosen one, the environment's, else `.burnline`."""
    named = environment.get(STATE_DIR_VARIABLE)
    return layout_at(chosen or (Path(named) if named else DEFAULT_STATE_DIR))


def find_stack(chosen: Path | None, environment: Mapping[str, str]) -> Stack | None:
    """The stack that a command means, running or not: chosen, the environment's, the one that runs in this directory.

    Raises: SettingsError: the named state directory is none.
    """
    named = chosen or (Path(environment[STATE_DIR_VARIABLE]) if environment.get(STATE_DIR_VARIABLE) else None)
    if named is not None:
        layout = layout_at(named)
        record = read_record(layout)
        if record is None:
            raise SettingsError(f"there is no stack in {layout.root}; start one with: burnline up --state-dir {named}")
        return Stack(layout, record)
    found = [Stack(layout, record) for path in _SEARCHED if (record := read_record(layout := layout_at(path)))]
    running = [stack for stack in found if stack.supervisor().answers()]
    return next(iter([*running, *found]), None)


def _require_running(stack: Stack) -> None:
    """Raises: SettingsError: a part that the stack runs itself is asked for, and the stack does not run."""
    own = "own" in {stack.record.kafka, stack.record.clickhouse}
    if own and not stack.supervisor().answers():
        root = stack.layout.root
        raise SettingsError(f"the stack in {root} does not run; start it with: burnline up --state-dir {root}")


@dataclass(frozen=True)
class Connections:
    """How a command reaches Kafka and ClickHouse, whoever runs them."""

    kafka: KafkaSettings
    clickhouse: ClickHouseSettings


def connections(chosen: Path | None, environment: Mapping[str, str]) -> Connections:
    """Where a command finds Kafka and ClickHouse.

    A chosen state directory says both. Else each is what the environment names, else what the stack here has.

    Raises: SettingsError: there is neither a running stack nor a setting that says where they are.
    """
    given = connection_settings(environment)
    kafka_given, clickhouse_given = KAFKA_SETTING in given, CLICKHOUSE_SETTING in given
    if chosen is None and kafka_given and clickhouse_given:
        return Connections(_with_environment(KafkaSettings, given), _with_environment(ClickHouseSettings, given))
    try:
        stack = find_stack(chosen, environment)
    except SettingsError:
        if chosen is not None or not (kafka_given or clickhouse_given):
            raise
        stack = None  # the stack is not there yet, but the environment says where to find a part of it
    if stack is None and not (kafka_given or clickhouse_given):
        raise SettingsError(
            "no stack found here; start one with: burnline up, or name one with --state-dir or BURNLINE_STATE_DIR"
        )
    if stack is not None and (chosen is not None or not (kafka_given or clickhouse_given)):
        _require_running(stack)
        return Connections(stack.kafka(), stack.clickhouse())
    return Connections(
        _with_environment(KafkaSettings, given) if kafka_given or stack is None else stack.kafka(),
        _with_environment(ClickHouseSettings, given) if clickhouse_given or stack is None else stack.clickhouse(),
    )
