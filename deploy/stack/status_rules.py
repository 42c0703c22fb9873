"""How a stack stands, from what was seen of it: pure, so that every degraded state has a test."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from deploy.stack.health import QUIET_SEC, silent_reason, stage_reason
from deploy.stack.position_rules import OPENED, READS, SPEAKS, Place, Said, StagePlace, position
from deploy.stack.supervisor import ProcessState
from deploy.stack.telling import ALERTS, LOG, NOTIFIER, DeadRoute
from schemas.topics import PARTITIONS

Health = Literal["ok", "degraded", "down"]
LATE_SEC = 30.0
_RUNNING = "RUNNING"
_POLICIES = {**SPEAKS, "sink": (OPENED,)}
"""Where a part's word says under which policies it works, or up to which it has opened the budgets."""


@dataclass(frozen=True)
class Seen:
    """What was seen of a stack at `now_us`. None where nobody answered; reasons say what was said instead."""

    now_us: int
    external: tuple[str, ...]
    processes: Mapping[str, ProcessState] | None
    restarts: Mapping[str, int]
    kafka_reason: str | None
    clickhouse_reason: str | None
    said: Mapping[StagePlace, Said] | None
    ends: Mapping[Place, int] | None
    oldest_us: Mapping[StagePlace, int] = field(default_factory=dict)
    dead_routes: Sequence[DeadRoute] = ()
    collector_reason: str | None = None
    collects: bool = False  # the stack has a collector


@dataclass(frozen=True)
class Component:
    """One part of a stack. `why` is empty where it is healthy; positions are sums over all partitions it reads."""

    name: str
    health: Health
    state: str
    pid: int | None
    restarts: int
    up_sec: int | None
    position: int | None
    lag: int | None
    oldest_unprocessed_sec: float | None
    policy_offset: int | None
    why: str
    lost_records: int = 0  # that retention took before they were read, ever
    dead_routes: int | None = None  # of the notifier: how many take nothing


@dataclass(frozen=True)
class Status:
    """A whole stack."""

    health: Health
    components: tuple[Component, ...]

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        return {"health": self.health, "components": [asdict(component) for component in self.components]}


def lagging(seen: Seen, stage: str) -> dict[StagePlace, int]:
    """How many records each partition holds that the stage has not done; only those with some."""
    if seen.ends is None or seen.said is None:
        return {}
    places = [(stage, topic, partition) for topic, partition in seen.ends if topic in READS[stage]]
    found = {place: seen.ends[place[1:]] - position(seen.said, place) for place in places}
    return {place: lag for place, lag in found.items() if lag > 0}


def status_of(seen: Seen) -> Status:
    """Each component and the whole: down when a component is, degraded when one is."""
    components = (
        _part("kafka", seen, seen.kafka_reason),
        _part("clickhouse", seen, seen.clickhouse_reason),
        *(_stage(stage, seen) for stage in READS),
        _notifier(seen),
        *([_part("collector", seen, seen.collector_reason)] if seen.collects else []),
    )
    worst: Health = "ok"
    if any(component.health == "down" for component in components):
        worst = "down"
    elif any(component.health == "degraded" for component in components):
        worst = "degraded"
    return Status(worst, components)


def _part(name: str, seen: Seen, reason: str | None) -> Component:
    """Kafka or ClickHouse: it answers, or not."""
    health: Health
    state = (seen.processes or {}).get(name)
    if reason is None and state is not None and state.state != _RUNNING:
        reason = "it has just been started" if state.state == "STARTING" else f"{_state(state)}: {state.reason}"
        health = "degraded"
    else:
        health = "ok" if reason is None else "down"
    shown = "external" if name in seen.external else _state(state)
    return Component(
        name, health, shown, state.pid if state else None, seen.restarts.get(name, 0), _up_sec(state, seen),
        None, None, None, None, reason or "",
    )  # fmt: skip


def _stage(stage: str, seen: Seen) -> Component:
    state = (seen.processes or {}).get(stage)
    lags = lagging(seen, stage)
    oldest = [seen.oldest_us[place] for place in lags if place in seen.oldest_us]
    oldest_sec = max(0.0, (seen.now_us - min(oldest)) / 1e6) if oldest else None
    said = seen.said or {}
    mine = [found.progress for place, found in said.items() if place[0] == stage and place[1] in READS[stage]]
    under = [found.progress for place, found in said.items() if place[0] == stage and place[1] in _POLICIES[stage]]
    health, why = _judge(stage, state, seen, oldest_sec)
    known = seen.said is not None and seen.ends is not None
    lost = sum(progress.lost_records for progress in mine)
    return Component(
        name=stage,
        health=health,
        state=_state(state),
        pid=state.pid if state else None,
        restarts=seen.restarts.get(stage, 0),
        up_sec=_up_sec(state, seen),
        position=sum(progress.next_offset for progress in mine) if known else None,
        lag=sum(lags.values()) if known else None,
        oldest_unprocessed_sec=oldest_sec,
        policy_offset=min((progress.policy_offset for progress in under), default=None),
        why="; ".join(filter(None, (why, f"it has lost {lost:,} records to retention" if lost else ""))),
        lost_records=lost,
    )


def _notifier(seen: Seen) -> Component:
    """What no route waits for is done; a route that takes nothing is a fault, though nobody else waits for it."""
    state = (seen.processes or {}).get(NOTIFIER)
    known = seen.said is not None and seen.ends is not None
    said = {place: found for place, found in (seen.said or {}).items() if place[0] == NOTIFIER}
    ends = {(NOTIFIER, *place): end for place, end in (seen.ends or {}).items() if place in ALERTS}
    health, why = _runs(state, seen) or _tells(seen)
    return Component(
        name=NOTIFIER,
        health=health,
        state=_state(state),
        pid=state.pid if state else None,
        restarts=seen.restarts.get(NOTIFIER, 0),
        up_sec=_up_sec(state, seen),
        position=sum(said[place].progress.next_offset for place in ends if place in said) if known else None,
        lag=sum(max(end - position(said, place), 0) for place, end in ends.items() if place in said) if known else None,
        oldest_unprocessed_sec=None,
        policy_offset=None,
        why=why,
        dead_routes=len(seen.dead_routes) if known else None,
    )


def _tells(seen: Seen) -> tuple[Health, str]:
    silent = silent_reason((seen.said or {}).get((NOTIFIER, *LOG)), LOG, now_us=seen.now_us)
    reasons = [silent] if silent is not None else [str(route) for route in seen.dead_routes]
    return ("degraded", "; ".join(reasons)) if reasons else ("ok", "")


def _judge(stage: str, state: ProcessState | None, seen: Seen, oldest_sec: float | None) -> tuple[Health, str]:
    if (stopped := _runs(state, seen)) is not None:
        return stopped
    if (died := _died(stage, seen.said or {})) is not None:
        return "degraded", died
    silent = stage_reason(stage, state, seen.said or {}, PARTITIONS, now_us=seen.now_us)
    if silent is not None:
        return "degraded", silent
    still = _stands_still(stage, seen)
    if still is not None:
        return "degraded", still
    if oldest_sec is not None and oldest_sec > LATE_SEC:
        return "degraded", f"the oldest record that it has not done has waited for {oldest_sec:.0f} s"
    return "ok", ""


def _runs(state: ProcessState | None, seen: Seen) -> tuple[Health, str] | None:
    """Why nothing more can be said of a process; None where it runs and positions are known."""
    if state is None or state.state != _RUNNING:
        reason = f": {state.reason}" if state is not None and state.reason else ""
        return ("degraded" if state is not None and state.state == "STARTING" else "down"), f"{_state(state)}{reason}"
    if seen.said is None:
        return "degraded", "its position is not known while Kafka does not answer"
    return None


def _stands_still(stage: str, seen: Seen) -> str | None:
    """Where a record has waited for long and the stage has said nothing meanwhile."""
    for place in sorted(lagging(seen, stage)):
        waits_us = seen.now_us - seen.oldest_us.get(place, seen.now_us)
        said = (seen.said or {}).get(place)
        silent_us = waits_us if said is None else min(waits_us, seen.now_us - said.said_at_us)
        if silent_us > QUIET_SEC * 1e6:
            return f"has not moved on {place[1]}/{place[2]} for {silent_us / 1e6:.0f} s, though records wait there"
    return None


def _died(stage: str, said: Mapping[StagePlace, Said]) -> str | None:
    """Where processes of a stage die again and again; the one that is at it now does not count."""
    for (of, topic, partition), found in sorted(said.items()):
        deaths = found.progress.deaths - 1
        if of == stage and deaths > 0:
            at = found.progress.next_offset
            return f"{deaths} processes died on what stands in {topic}/{partition} from {at:,} on"
    return None


def _state(state: ProcessState | None) -> str:
    return "not running" if state is None else state.state.lower()


def _up_sec(state: ProcessState | None, seen: Seen) -> int | None:
    if state is None or state.state != _RUNNING:
        return None
    return max(0, seen.now_us // 1_000_000 - state.since_unix_sec)
