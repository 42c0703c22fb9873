"""Whether Kafka, ClickHouse and the stages do what they are for, and why not: each check says None or the reason."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.stack.layout import Layout
from deploy.stack.ports import LOOPBACK
from deploy.stack.position_rules import SPEAKS, Place, Said, StagePlace
from deploy.stack.supervisor import ProcessState, Supervisor, restarts
from schemas.connection import ClickHouseSettings, KafkaSettings
from schemas.errors import FatalError

Check = Callable[[], str | None]
"""None = healthy; else what is being waited for, as the end of a sentence."""

_EVERY_SEC = 0.2
_CRASHES = 4
_TAIL_LINES = 12
_TAIL_BYTES = 65_536
AWAY = "it answers, but has no Kafka"
QUIET_SEC = 15.0
"""Rating and burn speak every few seconds even on an empty log; longer silence means that they hang or are down."""


def wait_for(what: str, check: Check, *, timeout_sec: float, dead: Check, said: Callable[[str], None]) -> None:
    """The check is passed. `dead` is asked beside it and ends the wait at once; `said` gets each new reason.

    Raises: FatalError: it was not passed in time, or never will be; the message says what was missing.
    """
    deadline = time.monotonic() + timeout_sec
    last = ""
    while (reason := check()) is not None:
        if reason != last:
            said(f"{what}: {reason}")
            last = reason
        if (end := dead()) is not None:
            raise FatalError(f"{what} does not start: {end}")
        if time.monotonic() > deadline:
            raise FatalError(f"{what} was not healthy after {timeout_sec:g} s: {reason}")
        time.sleep(_EVERY_SEC)


def kafka_check(settings: KafkaSettings) -> Check:
    """A check that a broker answers."""

    def connect() -> AdminClient:
        return AdminClient({**settings.to_confluent(), "log_level": 0, "error_cb": lambda _error: None})

    admin = connect()

    def check() -> str | None:
        nonlocal admin
        try:
            return None if admin.list_topics(timeout=2).brokers else "waiting for a broker to register"
        except KafkaException:
            admin = connect()  # an old one was seen to get no answer for good while the broker answered others
            return f"waiting for {settings.bootstrap_servers} to answer"

    return check


def clickhouse_check(settings: ClickHouseSettings) -> Check:
    """A check that ClickHouse answers."""

    def check() -> str | None:
        try:
            with urllib.request.urlopen(f"{settings.url.rstrip('/')}/ping", timeout=2) as answer:  # noqa: S310  the settings allow http(s) only
                return None if answer.status == 200 else f"waiting for a good answer (got {answer.status})"
        except (OSError, urllib.error.URLError, http.client.HTTPException):
            return f"waiting for {settings.url} to answer"

    return check


def collector_check(port: int) -> Check:
    """A check that the collector on this port answers, and reaches Kafka."""

    def check() -> str | None:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
        try:
            connection.request("GET", "/health")
            return None if connection.getresponse().status == 200 else AWAY
        except (OSError, http.client.HTTPException):
            return f"waiting for {LOOPBACK}:{port} to answer"
        finally:
            connection.close()

    return check


def program_check(supervisor: Supervisor, name: str) -> Check:
    """A check that a program has been running for some seconds."""

    def check() -> str | None:
        state = supervisor.processes().get(name)
        return None if state is not None and state.state == "RUNNING" else "waiting to see that it stays up"

    return check


def crash_check(supervisor: Supervisor, layout: Layout, name: str) -> Check:
    """A check that a program is not dying again and again; its reason has the last lines of its log."""
    before = restart_counts(layout).get(name, 0)

    def check() -> str | None:
        state = supervisor.processes().get(name)
        if state is None or (state.state != "FATAL" and restart_counts(layout).get(name, 0) - before < _CRASHES):
            return None
        return "it ends again and again" + (f" ({state.reason})" if state.reason else "")

    return check


def stage_reason(
    stage: str, state: ProcessState | None, said: Mapping[StagePlace, Said], partitions: int, *, now_us: int
) -> str | None:
    """Why a stage is not healthy: it does not run, or it has said nothing for a while. Rating and burn must speak."""
    if state is None or state.state != "RUNNING":
        return f"is {'unknown to the supervisor' if state is None else state.state.lower()}"
    if stage == "sink":
        return None
    for topic in SPEAKS[stage]:
        for partition in range(partitions):
            silent = silent_reason(said.get((stage, topic, partition)), (topic, partition), now_us=now_us)
            if silent is not None:
                return silent
    return None


def silent_reason(found: Said | None, place: Place, *, now_us: int) -> str | None:
    """Why somebody who must speak at a place is not healthy: it has said nothing there for a while."""
    topic, partition = place
    if found is None:
        return f"has said nothing on {topic}/{partition} yet"
    silent_sec = (now_us - found.said_at_us) / 1e6
    return f"has said nothing on {topic}/{partition} for {silent_sec:.0f} s" if silent_sec > QUIET_SEC else None


def restart_counts(layout: Layout) -> dict[str, int]:
    """How often each program was started again since the supervisor started; {} before it wrote its log."""
    try:
        return restarts((layout.logs / "supervisord.log").read_text(errors="replace"))
    except FileNotFoundError:
        return {}


def log_tail(path: Path, *, after_bytes: int = 0) -> list[str]:
    """The last lines of a log that were written after its first `after_bytes`, printable."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            file.seek(max(0 if size < after_bytes else after_bytes, size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return ["".join(c if c.isprintable() else "?" for c in line)[:500] for line in lines[-_TAIL_LINES:]]


def log_sizes(layout: Layout) -> dict[str, int]:
    """How long each log is now."""
    return {path.stem: path.stat().st_size for path in layout.logs.glob("*.log")}
