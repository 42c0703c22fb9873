"""What was seen of a stack, as families of numbers. Pure.

Labels are parts, stages, topics and lanes: a few dozen series, whoever uses the stack. What organisations, keys and
models spend is asked of ClickHouse.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deploy.stack.position_rules import READS
from deploy.stack.status_rules import Component, Seen, lagging, status_of
from schemas.heartbeats import COLLECTOR, Beat
from schemas.numbers import Family, Kind, Sample
from schemas.topics import BY_NAME

FAMILIES: Mapping[str, tuple[Kind, str]] = {
    "burnline_part_up": ("gauge", "1 while the part is not down"),
    "burnline_part_healthy": ("gauge", "1 while nothing is wrong with the part"),
    "burnline_part_restarts_total": ("counter", "starts after the first since the supervisor started"),
    "burnline_part_uptime_seconds": ("gauge", "since the part was started"),
    "burnline_part_memory_bytes": ("gauge", "resident memory of the part"),
    "burnline_part_cpu_seconds_total": ("counter", "processor time of the part's process"),
    "burnline_alerts_waiting": ("gauge", "records of alert topics that some route still waits for"),
    "burnline_dead_routes": ("gauge", "routes whose last attempt failed"),
    "burnline_records_done_total": ("counter", "positions of a stage on a topic, added up: its throughput"),
    "burnline_lag_records": ("gauge", "records that the stage has not done"),
    "burnline_oldest_waiting_seconds": ("gauge", "since the oldest record came that the stage has not done; 0: none"),
    "burnline_lost_records_total": ("counter", "records that retention took before they were read"),
    "burnline_policy_offset": ("gauge", "the policies that the stage works under"),
    "burnline_topic_records_total": (
        "counter",
        "ends of a topic's partitions, added up; markers of transactions count",
    ),
    "burnline_heartbeat_age_seconds": (
        "gauge",
        "since the newest heartbeat that went through the lane was sent; at least, where that is long ago",
    ),
    "burnline_heartbeat_delay_seconds": ("gauge", "from sending the newest heartbeat to burn's lane"),
    "burnline_heartbeat_stored_age_seconds": ("gauge", "since the newest heartbeat was sent that ClickHouse has"),
    "burnline_collector_heartbeat_age_seconds": (
        "gauge",
        "since the newest heartbeat was sent that the collector sent and that went through",
    ),
    "burnline_checkpoint_age_seconds": ("gauge", "since burn's lane last wrote a part of its state"),
    "burnline_look_timestamp_seconds": ("gauge", "when this was looked at; a look that hangs gets old"),
    "burnline_disk_free_bytes": ("gauge", "room where the state directory lies"),
}
"""Every number that a stack tells, its kind and its meaning."""
LANES = BY_NAME["usage.events"].partitions
_Samples = Sequence[Sample]


@dataclass(frozen=True)
class Vitals:
    """What the operating system and the log say beside the status; what is not known is not in it."""

    memory_bytes: Mapping[str, int] = field(default_factory=dict)  # by part
    cpu_sec: Mapping[str, float] = field(default_factory=dict)
    beats: Sequence[Beat] = ()  # the newest ones, in order
    checkpoints_us: Mapping[int, int] = field(default_factory=dict)  # newest append time by partition
    disk_free_bytes: int | None = None
    stored_us: int | None = None  # when the newest heartbeat was sent that ClickHouse has


def families_of(seen: Seen, vitals: Vitals) -> tuple[Family, ...]:
    """Every family, those without a sample included."""
    parts = status_of(seen).components
    found: dict[str, _Samples] = {
        **_of_parts(parts, vitals),
        **_of_stages(seen, [part for part in parts if part.name in READS]),
        **_of_lanes(seen, vitals),
        "burnline_look_timestamp_seconds": _plain([seen.now_us / 1e6]),
        "burnline_disk_free_bytes": _plain([vitals.disk_free_bytes]),
    }
    return tuple(Family(name, *FAMILIES[name], tuple(samples)) for name, samples in found.items())


def _each(label: str, values: Mapping[str, float | None]) -> list[Sample]:
    return [Sample(value, {label: name}) for name, value in values.items() if value is not None]


def _plain(values: Sequence[float | None]) -> list[Sample]:
    return [Sample(value, {}) for value in values if value is not None]


def _of_parts(parts: Sequence[Component], vitals: Vitals) -> dict[str, _Samples]:
    notifier = [part for part in parts if part.name == "notifier"]
    return {
        "burnline_part_up": _each("part", {part.name: float(part.health != "down") for part in parts}),
        "burnline_part_healthy": _each("part", {part.name: float(part.health == "ok") for part in parts}),
        "burnline_part_restarts_total": _each("part", {part.name: part.restarts for part in parts}),
        "burnline_part_uptime_seconds": _each("part", {part.name: part.up_sec for part in parts}),
        "burnline_part_memory_bytes": _each("part", dict(vitals.memory_bytes)),
        "burnline_part_cpu_seconds_total": _each("part", dict(vitals.cpu_sec)),
        "burnline_alerts_waiting": _plain([part.lag for part in notifier]),
        "burnline_dead_routes": _plain([part.dead_routes for part in notifier]),
    }


def _of_stages(seen: Seen, stages: Sequence[Component]) -> dict[str, _Samples]:
    known = [part for part in stages if part.lag is not None]
    done: list[Sample] = []
    lag: list[Sample] = []
    for stage in [part.name for part in known]:
        behind = lagging(seen, stage)
        for topic in READS[stage]:
            labels = {"stage": stage, "topic": topic}
            said = [found.progress for place, found in (seen.said or {}).items() if place[:2] == (stage, topic)]
            done.append(Sample(sum(progress.next_offset for progress in said), labels))
            lag.append(Sample(sum(count for place, count in behind.items() if place[1] == topic), labels))
    ends: dict[str, float | None] = {}
    for (topic, _), end in sorted((seen.ends or {}).items()):
        ends[topic] = (ends.get(topic) or 0) + end
    return {
        "burnline_records_done_total": done,
        "burnline_lag_records": lag,
        "burnline_oldest_waiting_seconds": _each(
            "stage", {part.name: part.oldest_unprocessed_sec or 0.0 for part in known}
        ),
        "burnline_lost_records_total": _each("stage", {part.name: part.lost_records for part in known}),
        "burnline_policy_offset": _each("stage", {part.name: part.policy_offset for part in stages}),
        "burnline_topic_records_total": _each("topic", ends),
    }


def _of_lanes(seen: Seen, vitals: Vitals) -> dict[str, _Samples]:
    newest = sorted({beat.lane: beat for beat in vitals.beats}.items())
    # A lane that has been silent for so long that none of the newest ones is its own is older than all of them: while
    # others beat, its age must not vanish.
    sent_us = dict.fromkeys(range(LANES), vitals.beats[0].sent_us) if vitals.beats else {}
    sent_us |= {lane: beat.sent_us for lane, beat in newest}
    collectors = [beat.sent_us for beat in vitals.beats if beat.beat_id.startswith(COLLECTOR)]
    checkpoints = sorted(vitals.checkpoints_us.items())
    return {
        "burnline_heartbeat_age_seconds": _each(
            "lane", {str(lane): _sec(seen.now_us - at_us) for lane, at_us in sorted(sent_us.items())}
        ),
        "burnline_heartbeat_delay_seconds": _each(
            "lane", {str(lane): _sec(beat.rated_us - beat.sent_us) for lane, beat in newest}
        ),
        "burnline_heartbeat_stored_age_seconds": _plain(
            [None if vitals.stored_us is None else _sec(seen.now_us - vitals.stored_us)]
        ),
        "burnline_collector_heartbeat_age_seconds": _plain([_sec(seen.now_us - at_us) for at_us in collectors[-1:]]),
        "burnline_checkpoint_age_seconds": _each(
            "lane", {str(lane): _sec(seen.now_us - at_us) for lane, at_us in checkpoints}
        ),
    }


def _sec(us: int) -> float:
    return max(0, us) / 1e6
