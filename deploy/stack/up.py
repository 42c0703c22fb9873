"""Starting a stack: each part once, in order, and back only when all are healthy or one is named that is not."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.price_books import FOLDER, keep_book
from deploy.stack.bring_up import BringUp
from deploy.stack.configure import configure
from deploy.stack.down import end_leftovers, stop_locked
from deploy.stack.find import Stack
from deploy.stack.kafka_broker import command
from deploy.stack.kafka_config import KafkaConfig
from deploy.stack.kafka_jars import default_directory, find_kafka
from deploy.stack.kafka_storage import prepare
from deploy.stack.kafka_users import kafka_access
from deploy.stack.layout import Layout, claim, furnish
from deploy.stack.lock import locked
from deploy.stack.ports import Wanted
from deploy.stack.programs import REPOSITORY, programs_of, targets_of
from deploy.stack.record import ensure_secrets, ensure_tokens, read_record, write_private, write_record
from deploy.stack.supervisor import launch, prepare_socket_directory, socket_path
from deploy.stack.supervisor_config import render
from streams.rating.prices import PriceBook

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
            states = before.supervisor().processes()
            idle = [name for name, state in states.items() if state.state not in {"STARTING", "RUNNING"}]
            if wanted.collects is not None and wanted.collects != bool(before.record.collector_port):
                now = "without" if wanted.collects else "with"
                say(f"the stack runs {now} a collector; to change that: burnline down, then this again")
            BringUp(before, timeout_sec=timeout_sec, say=say).run()
            return Started(before, was_running=not idle)
        if before is not None:
            end_leftovers(before, say=say)
        stack = Stack(layout, configure(layout, record, environment, wanted))
        _write_files(stack)
        launch(layout, stack.environment(environment))
        try:
            BringUp(stack, timeout_sec=timeout_sec, say=say).run()
        except BaseException:  # also Ctrl-C: half a stack helps nobody
            say("stopping what was started")
            stop_locked(stack, drain_sec=0, say=lambda _text: None)
            raise
        return Started(stack, was_running=False)


def _write_files(stack: Stack) -> None:
    """Everything that the processes read at their start stands in the state directory."""
    layout, record = stack.layout, stack.record
    write_record(layout, record)  # first: a directory with it is known as ours, whatever happens next
    furnish(layout)
    keep_book(layout.root / FOLDER, PriceBook())
    ensure_secrets(layout)
    write_private(layout.prometheus_targets, json.dumps(targets_of(record), indent=2) + "\n")
    if record.collector_port:
        ensure_tokens(layout)
    kafka: tuple[str, ...] = ()
    if record.kafka == "own":
        installation = find_kafka(default_directory(Path(sys.prefix)))
        config = KafkaConfig(record.kafka_port, record.controller_port, kafka_access(layout))
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
