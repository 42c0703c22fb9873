"""Starting a stack: each part once, in order, and back only when all are healthy or one is named that is not."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.stack.configure import configure
from deploy.stack.down import end_leftovers, stop_locked
from deploy.stack.find import Stack
from deploy.stack.health import (
    Check,
    clickhouse_check,
    crash_check,
    kafka_check,
    log_tail,
    program_check,
    stage_reason,
    wait_for,
)
from deploy.stack.kafka_broker import command
from deploy.stack.kafka_config import KafkaConfig
from deploy.stack.kafka_jars import default_directory, find_kafka
from deploy.stack.kafka_storage import prepare
from deploy.stack.layout import Layout, claim
from deploy.stack.lock import locked
from deploy.stack.ports import Wanted
from deploy.stack.positions import Positions
from deploy.stack.programs import REPOSITORY, STAGES, programs_of
from deploy.stack.record import ensure_secrets, read_record, write_private, write_record
from deploy.stack.supervisor import launch, prepare_socket_directory, socket_path
from deploy.stack.supervisor_config import render
from deploy.topics_admin import apply_topics
from schemas.errors import FatalError, KafkaUnavailableError, StoreUnavailableError
from schemas.topics import PARTITIONS
from sinks.migrate import ensure_database, migrate, migrations
from sinks.store import Store, connector

Say = Callable[[str], None]


@dataclass(frozen=True)
class Started:
    """A stack that is healthy. `was_running`: nothing had to be started."""

    stack: Stack
    was_running: bool


def start_stack(
    layout: Layout, environment: Mapping[str, str], wanted: Wanted, *, timeout_sec: float, say: Say
) -> Started:
    """The stack in this state directory is healthy; a part that did not run was started.

    `timeout_sec` bounds the wait for each part.

    Raises:
        SettingsError: the directory or a port cannot be used; nothing was started.
        FatalError: a part did not become healthy; what this call started was stopped again.
    """
    claim(layout)
    with locked(layout, say=say):
        record = read_record(layout)
        before = Stack(layout, record) if record is not None else None
        if before is not None and before.supervisor().answers():
            idle = [name for name, state in before.supervisor().processes().items() if state.state != "RUNNING"]
            _bring_up(before, timeout_sec, say)
            return Started(before, was_running=not idle)
        if before is not None:
            end_leftovers(before, say=say)
        stack = Stack(layout, configure(layout, record, environment, wanted))
        _write_files(stack)
        launch(layout, stack.environment(environment))
        try:
            _bring_up(stack, timeout_sec, say)
        except BaseException:  # also Ctrl-C: half a stack helps nobody
            say("stopping what was started")
            stop_locked(stack, drain_sec=0, say=lambda _text: None)
            raise
        return Started(stack, was_running=False)


def _write_files(stack: Stack) -> None:
    """Everything that the processes read at their start stands in the state directory."""
    layout, record = stack.layout, stack.record
    write_record(layout, record)
    ensure_secrets(layout)
    kafka: tuple[str, ...] = ()
    if record.kafka == "own":
        installation = find_kafka(default_directory(Path(sys.prefix)))
        config = KafkaConfig(client_port=record.kafka_port, controller_port=record.controller_port)
        prepare(layout.kafka, config, installation)
        kafka = tuple(command(installation, layout.kafka, config))
    socket = socket_path(layout, stack_id=record.stack_id)
    if socket.parent != layout.root:
        prepare_socket_directory(socket)
    text = render(
        programs_of(record, layout, kafka_command=kafka),
        layout,
        socket=socket,
        repository=REPOSITORY,
        running_as_root=os.getuid() == 0,
    )
    write_private(layout.supervisor_config, text)


def _bring_up(stack: Stack, timeout_sec: float, say: Say) -> None:
    """Kafka, its topics, ClickHouse, its tables, then the workers: each is healthy before the next is looked at."""
    supervisor = stack.supervisor()
    for name in ("kafka", "clickhouse"):
        if name in supervisor.processes():
            supervisor.start(name)
    _wait(stack, "kafka", kafka_check(stack.kafka()), timeout_sec, say)
    report = apply_topics(stack.kafka())
    for difference in report.differences:
        say(f"warning: {difference}")
    clickhouse = stack.clickhouse(role="writer")
    _wait(stack, "clickhouse", clickhouse_check(clickhouse), timeout_sec, say)
    store = Store(connector(clickhouse), clickhouse.database)
    _wait(stack, "the tables of clickhouse", _migration_check(stack, store), timeout_sec, say)
    for stage in STAGES:
        supervisor.start(stage)
    for stage in STAGES:
        _wait(stack, stage, program_check(supervisor, stage), timeout_sec, say)
    with Positions(stack.kafka()) as positions:
        for stage in STAGES:
            _wait(stack, stage, _stage_check(stack, positions, stage), timeout_sec, say)


def _migration_check(stack: Stack, store: Store) -> Check:
    clickhouse = stack.clickhouse(role="writer")

    def check() -> str | None:
        try:
            ensure_database(connector(clickhouse), clickhouse.database)
            migrate(store, migrations())
        except StoreUnavailableError as error:
            return str(error)
        return None

    return check


def _stage_check(stack: Stack, positions: Positions, stage: str) -> Check:
    supervisor = stack.supervisor()

    def check() -> str | None:
        try:
            said = positions.progress()
        except KafkaUnavailableError as error:
            return str(error)
        now_us = time.time_ns() // 1000
        return stage_reason(stage, supervisor.processes().get(stage), said, PARTITIONS, now_us=now_us)

    return check


def _wait(stack: Stack, what: str, check: Check, timeout_sec: float, say: Say) -> None:
    """As `wait_for`; the failure ends with the last lines of the log of the part, where it is ours."""
    name = "clickhouse" if "clickhouse" in what else what
    known = name in stack.supervisor().processes()
    dead = crash_check(stack.supervisor(), stack.layout, name) if known else lambda: None
    try:
        wait_for(what, check, timeout_sec=timeout_sec, dead=dead, said=say)
    except FatalError as error:
        if not known:
            raise
        log = stack.layout.log(name)
        lines = "".join(f"\n  | {line}" for line in log_tail(log))
        raise FatalError(f"{error}; the end of {log}:{lines or ' (it is empty)'}") from None
