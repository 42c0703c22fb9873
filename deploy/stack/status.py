"""Looking at a stack: the supervisor, the broker, the store and the stages' progress, as one status."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from deploy.stack.find import Stack
from deploy.stack.health import clickhouse_check, collector_check, kafka_check, restart_counts
from deploy.stack.position_rules import READS, position
from deploy.stack.positions import Positions
from deploy.stack.processes import lives
from deploy.stack.status_rules import Seen, Status, lagging, status_of
from deploy.stack.supervisor import ProcessState, Supervisor
from deploy.stack.telling import ALERTS, LOG, MOST_SAID, NOTIFIER, DeadRoute, dead_routes
from schemas.errors import FatalError, KafkaUnavailableError


def look(stack: Stack) -> Status:
    """How the stack stands now; takes some seconds where Kafka does not answer."""
    return status_of(see(stack))


def see(stack: Stack) -> Seen:
    """What can be seen of the stack now: the processes last, since all else takes time and they die meanwhile."""
    record = stack.record
    supervisor = stack.supervisor()
    running = supervisor.answers()
    seen = Seen(
        now_us=time.time_ns() // 1000,
        external=tuple(name for name in ("kafka", "clickhouse") if getattr(record, name) == "external"),
        processes=None,
        restarts=restart_counts(stack.layout) if running else {},
        kafka_reason=_reason(kafka_check(stack.kafka())(), running=running or record.kafka == "external"),
        clickhouse_reason=_reason(
            clickhouse_check(stack.clickhouse())(), running=running or record.clickhouse == "external"
        ),
        said=None,
        ends=None,
        collects=bool(record.collector_port),
        collector_reason=_reason(collector_check(record.collector_port)(), running=running)
        if record.collector_port
        else None,
    )
    found = seen if seen.kafka_reason else _with_positions(stack, seen)
    return replace(found, processes=_processes(supervisor))


def _processes(supervisor: Supervisor) -> dict[str, ProcessState] | None:
    try:
        return _as_they_are(supervisor.processes())
    except FatalError:
        return None


def _as_they_are(processes: Mapping[str, ProcessState]) -> dict[str, ProcessState]:
    """As the supervisor says; but who has died, and it has not seen that yet, does not run."""
    return {
        name: replace(state, state="EXITED", pid=None, reason="it has just died")
        if state.pid is not None and not lives(state.pid)
        else state
        for name, state in processes.items()
    }


def _reason(reason: str | None, *, running: bool) -> str | None:
    """A check's reason in a sentence about now, not about waiting."""
    if reason is None:
        return None
    return reason.replace("waiting for ", "no answer from ").removesuffix(" to answer") if running else "not running"


def _with_positions(stack: Stack, seen: Seen) -> Seen:
    try:
        with Positions(stack.kafka()) as positions:
            said = positions.progress()
            topics = {topic for topics in READS.values() for topic in topics}
            ends = positions.ends(topics | {topic for topic, _ in (*ALERTS, LOG)})
            found = replace(seen, said=said, ends=ends, now_us=time.time_ns() // 1000)
            behind = [place for stage in READS for place in lagging(found, stage)]
            first = {place: (place[1:], position(said, place)) for place in behind}
            appended_us = positions.append_times_us(first.values())
            oldest = {place: at_us for place in behind if (at_us := appended_us[first[place]]) is not None}
            return replace(found, oldest_us=oldest, dead_routes=_dead_routes(positions, found))
    except KafkaUnavailableError as error:
        return replace(seen, kafka_reason=str(error))


def _dead_routes(positions: Positions, seen: Seen) -> list[DeadRoute]:
    """The routes that take nothing; what the notifier said before its position is no news."""
    word, end = (seen.said or {}).get((NOTIFIER, *LOG)), (seen.ends or {}).get(LOG, 0)
    if word is None or word.progress.next_offset >= end:
        return []
    values = positions.values(LOG, max(word.progress.next_offset, end - MOST_SAID), end)
    return dead_routes(values, now=datetime.fromtimestamp(seen.now_us / 1e6, UTC))
