"""What a stack is before it starts: its own or external parts, its ports. Decided once, then remembered."""

import os
from collections.abc import Mapping

from deploy.stack.layout import Layout
from deploy.stack.ports import (
    CLICKHOUSE_PORT,
    COLLECTOR_PORT,
    KAFKA_PORT,
    LOOPBACK,
    Wanted,
    free_port,
    is_free,
    require_free,
)
from deploy.stack.programs import PAGED
from deploy.stack.record import (
    CLICKHOUSE_SETTING,
    KAFKA_SETTING,
    NOTIFIER_PREFIX,
    Part,
    StackRecord,
    connection_settings,
    new_stack_id,
    notifier_settings,
)
from schemas.errors import SettingsError

_OWN_KEEPS = {
    "BURNLINE_KAFKA_TOPIC_PREFIX",
    "BURNLINE_KAFKA_GROUP_PREFIX",
    "BURNLINE_KAFKA_MAVEN_REPOSITORY",
    "BURNLINE_CLICKHOUSE_DATABASE",
}
"""The settings that also mean something to parts that the stack runs itself."""


def configure(
    layout: Layout, before: StackRecord | None, environment: Mapping[str, str], wanted: Wanted
) -> StackRecord:
    """The stack to start: as it was, with what the user and the environment say now.

    Raises: SettingsError: a port is taken, or the state directory belongs to another kind of stack.
    """
    given = connection_settings(environment) | notifier_settings(environment)
    settings = {**(before.settings if before else {}), **_absolute(given)}
    kafka: Part = "external" if KAFKA_SETTING in settings else "own"
    clickhouse: Part = "external" if CLICKHOUSE_SETTING in settings else "own"
    if before is not None:
        _require_same(layout, before.kafka, kafka, KAFKA_SETTING)
        _require_same(layout, before.clickhouse, clickhouse, CLICKHOUSE_SETTING)
    settings = {
        name: value
        for name, value in settings.items()
        if name in _OWN_KEEPS
        or name.startswith(NOTIFIER_PREFIX)
        or (kafka if name.startswith("BURNLINE_KAFKA_") else clickhouse) == "external"
    }
    asked = {"kafka": _asked(wanted.kafka, KAFKA_PORT, wanted.offset)}
    asked["clickhouse"] = _asked(wanted.clickhouse, CLICKHOUSE_PORT, wanted.offset)
    collects = wanted.collects if wanted.collects is not None else bool(before and before.collector_port)
    if collects:
        asked["collector"] = _asked(wanted.collector, COLLECTOR_PORT, wanted.offset)
    free = (set(before.free_ports if before else ()) | {name for name, port in asked.items() if port == 0}) - {
        name for name, port in asked.items() if port
    }
    kafka_port = _port(asked["kafka"], before.kafka_port if before else None, KAFKA_PORT, "kafka" in free)
    clickhouse_port = _port(
        asked["clickhouse"], before.clickhouse_port if before else None, CLICKHOUSE_PORT, "clickhouse" in free
    )
    if kafka == "own":
        require_free(kafka_port, of="Kafka", flag="--kafka-port")
    if clickhouse == "own":
        require_free(clickhouse_port, of="ClickHouse", flag="--clickhouse-port")
    if kafka == clickhouse == "own" and kafka_port == clickhouse_port:
        raise SettingsError(f"port {kafka_port} is asked for twice; Kafka and ClickHouse need one each")
    collector_port = _collector_port(asked.get("collector"), before, free="collector" in free) if collects else 0
    metrics_port = _metrics_port(wanted, before)
    taken = [port for port, own in ((kafka_port, kafka), (clickhouse_port, clickhouse)) if own == "own"]
    for port, what in ((collector_port, "the collector"), (metrics_port, "the page of metrics")):
        if port in taken:
            raise SettingsError(f"port {port} is asked for twice; {what} needs one of its own")
        taken.append(port)
    controller_port = before.controller_port if before else 0
    last = before.numbers_ports if before else {}
    elsewhere = {
        name for name, is_ours in (("clickhouse", clickhouse == "own"), ("collector", collects)) if not is_ours
    }
    return StackRecord(
        stack_id=before.stack_id if before else new_stack_id(),
        kafka=kafka,
        clickhouse=clickhouse,
        kafka_port=kafka_port,
        clickhouse_port=clickhouse_port,
        controller_port=_again(controller_port),
        collector_port=collector_port,
        metrics_port=metrics_port,
        numbers_ports={name: _again(last.get(name, 0)) for name in PAGED if name not in elsewhere},
        free_ports=tuple(sorted(free)),
        kafka_bootstrap_servers=settings.get(KAFKA_SETTING, f"{LOOPBACK}:{kafka_port}"),
        clickhouse_url=settings.get(CLICKHOUSE_SETTING, f"http://{LOOPBACK}:{clickhouse_port}"),
        settings=settings,
    )


def _asked(port: int | None, usual: int, offset: int) -> int | None:
    """The port that the user asked for, by number or by offset; None where there was no wish."""
    return usual + offset if port is None and offset else port


def _port(asked: int | None, before: int | None, usual: int, free: bool) -> int:  # noqa: FBT001  named by its callers
    """The asked port, else the one of last time, else the usual one; any free one where that is asked."""
    if asked:
        return asked
    if before is not None and (not free or is_free(before)):
        return before
    return free_port() if free else usual


def _collector_port(asked: int | None, before: StackRecord | None, *, free: bool) -> int:
    """Raises: SettingsError: it is taken."""
    last = (before.collector_port if before else 0) or None
    port = _port(asked, last, COLLECTOR_PORT, free)
    require_free(port, of="the collector", flag="--collector-port")
    return port


def _metrics_port(wanted: Wanted, before: StackRecord | None) -> int:
    """The asked one, else the one of last time while it is free, else any. Raises: SettingsError: it is taken."""
    if wanted.metrics:
        require_free(wanted.metrics, of="metrics", flag="--metrics-port")
        return wanted.metrics
    return _again(before.metrics_port if before else 0)


def _again(last: int) -> int:
    """The port of last time while it is free, else any."""
    return last if last and is_free(last) else free_port()


def _absolute(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings with whole paths: the stack's processes run in another directory."""
    paths = ("_FILE", "_DIR")
    return {name: os.path.abspath(value) if name.endswith(paths) else value for name, value in settings.items()}  # noqa: PTH100  the value is text


def _require_same(layout: Layout, before: Part, now: Part, setting: str) -> None:
    if before == "own" and now == "external":
        what = "Kafka" if setting == KAFKA_SETTING else "ClickHouse"
        raise SettingsError(
            f"the stack in {layout.root} runs its own {what}; unset {setting}, or choose another --state-dir"
        )
