"""The programs of a stack: what is run, in which order they start and stop."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deploy.stack.kafka_users import ROLES, login
from deploy.stack.layout import Layout
from deploy.stack.ports import LOOPBACK
from deploy.stack.record import StackRecord

REPOSITORY = Path(__file__).resolve().parents[2]
STAGES = ("rating", "burn", "patterns", "sink")
"""Workers, in the order in which events pass them."""
DRAINED = (*STAGES, "clickhouse", "kafka")
"""Who must run so that everything can be stored."""
PAGED = (*STAGES, "notifier", "clickhouse", "collector")
"""Who tells numbers of its own on a page of its own, where the stack has it."""
STOP_ORDER = ("watchdog", *STAGES, "notifier", "clickhouse", "kafka")
"""Nobody is stopped before those who send to it; a collector is stopped first of all, before the drain."""


@dataclass(frozen=True)
class Program:
    """One process that the supervisor keeps running. `first`: it starts with the supervisor, else when we say so.

    `environment` is what it has beside the stack's, or instead: who it is in Kafka, if not the operator.
    """

    name: str
    command: tuple[str, ...]
    stop_sec: int
    first: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


def programs_of(record: StackRecord, layout: Layout, *, kafka_command: tuple[str, ...]) -> tuple[Program, ...]:
    """The programs of the stack. `kafka_command` is used where Kafka is the stack's own."""
    python = (sys.executable, "-m")
    users = {role: login(layout, role) if record.kafka == "own" else {} for role in ROLES}
    found = [
        Program("watchdog", (*python, "deploy.stack.watchdog"), stop_sec=10),
        Program("rating", (*python, "streams", "rating", "--instance", "0"), stop_sec=30, environment=users["rating"]),
        Program("burn", (*python, "streams", "burn", "--instance", "0"), stop_sec=60, environment=users["burn"]),
        Program(
            "patterns", (*python, "streams", "patterns", "--instance", "0"), stop_sec=60, environment=users["patterns"]
        ),
        Program("sink", (*python, "sinks"), stop_sec=60, environment=users["sink"]),
        Program("notifier", (*python, "sinks.notifier"), stop_sec=30, environment=users["notifier"]),
    ]
    if record.collector_port:
        found.append(
            Program("collector", (*python, *collector_words(record, layout)), 30, environment=users["emitters"])
        )
    if record.clickhouse == "own":
        found.append(Program("clickhouse", clickhouse_command(record, layout), stop_sec=60, first=True))
    if record.kafka == "own":
        found.append(Program("kafka", kafka_command, stop_sec=60, first=True))
    return tuple(replace(one, environment={**one.environment, **_page(record, one.name)}) for one in found)


def _page(record: StackRecord, name: str) -> dict[str, str]:
    """What tells a process where its page of numbers is."""
    port = record.numbers_ports.get(name)
    return {"BURNLINE_METRICS_PORT": str(port)} if port else {}


def targets_of(record: StackRecord) -> list[dict[str, Any]]:
    """Every page of numbers of the stack, as Prometheus' service discovery by file has them.

    Source: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config
    """
    pages = {"watchdog": record.metrics_port, **record.numbers_ports}
    return [{"targets": [f"{LOOPBACK}:{port}"], "labels": {"process": name}} for name, port in pages.items() if port]


def collector_words(record: StackRecord, layout: Layout) -> tuple[str, ...]:
    """How the collector is started; who may send stands in its file of tokens."""
    listen = f"{LOOPBACK}:{record.collector_port}"
    return ("deploy", "collector", "--listen", listen, "--tokens", str(layout.collector_tokens))


def clickhouse_command(record: StackRecord, layout: Layout) -> tuple[str, ...]:
    """How the embedded ClickHouse is started; passwords are named by file, never written out."""
    return (
        *(sys.executable, "-m", "deploy.clickhouse"),
        *("--path", str(layout.clickhouse)),
        *("--port", str(record.clickhouse_port)),
        *("--database", record.settings.get("BURNLINE_CLICKHOUSE_DATABASE", "burnline")),
        *("--writer-password-file", str(layout.writer_password)),
        *("--analyst-password-file", str(layout.analyst_password)),
    )
