"""Who is behind, who is healthy, and why: pure rules of drain and status."""

from dataclasses import replace

import msgspec

from deploy.stack.position_rules import (
    OPENED,
    READS,
    WAVES,
    Behind,
    Said,
    StagePlace,
    behind,
    not_in_force,
    silent_since,
)
from deploy.stack.status_rules import Seen, status_of
from deploy.stack.supervisor import ProcessState, restarts
from deploy.stack.telling import ALERTS, LOG
from schemas.progress import Progress
from schemas.topics import PARTITIONS

NOW_US = 1_795_338_904_000_000


def said(place: StagePlace, next_offset: int, *, ago_sec: float = 0, policy: int = 0) -> Said:
    """A stage's word on a partition, said some seconds before NOW_US."""
    stage, topic, partition = place
    at_us = NOW_US - int(ago_sec * 1e6)
    progress = Progress(
        stage=stage, topic=topic, partition=partition, next_offset=next_offset, policy_offset=policy, log_time_us=at_us
    )
    return Said(progress, at_us)


def healthy() -> Seen:
    """A stack in which every stage has done all ten records of each partition it reads."""
    names = ("kafka", "clickhouse", "rating", "burn", "patterns", "sink", "notifier")
    spoken = {("notifier", *place): said(("notifier", *place), 10) for place in (LOG, *ALERTS)}
    stages = (("rating", "usage.events"), ("burn", "internal.deltas"), ("patterns", "internal.steps"))
    for stage, topic in (*stages, ("sink", "internal.rated")):
        for partition in range(PARTITIONS):
            spoken[(stage, topic, partition)] = said((stage, topic, partition), 10)
    return Seen(
        now_us=NOW_US,
        external=(),
        processes={name: ProcessState(name, "RUNNING", 7, NOW_US // 1_000_000 - 60, "") for name in names},
        restarts={"rating": 2},
        kafka_reason=None,
        clickhouse_reason=None,
        said=spoken,
        ends={(topic, partition): 10 for (_stage, topic, partition) in spoken},
    )


def component(seen: Seen, name: str) -> tuple[str, str]:
    """Health of one part, and why."""
    return next((one.health, one.why) for one in status_of(seen).components if one.name == name)


def test_everything_done_is_healthy() -> None:
    """Running, speaking and up to the end: nothing is wrong."""
    assert status_of(healthy()).health == "ok"


def test_restarts_and_uptime_are_told() -> None:
    """A part that was restarted and runs is healthy, and says how often."""
    rating = next(one for one in status_of(healthy()).components if one.name == "rating")
    assert (rating.health, rating.restarts, rating.up_sec, rating.lag) == ("ok", 2, 60, 0)


def test_silent_stage_is_degraded() -> None:
    """Rating speaks every few seconds; 16 s of silence is named, 15 s is not."""
    seen = healthy()
    assert seen.said is not None
    place = ("rating", "usage.events", 2)
    quiet = replace(seen, said={**seen.said, place: said(place, 10, ago_sec=16)})
    assert component(quiet, "rating") == ("degraded", "has said nothing on usage.events/2 for 16 s")
    assert component(replace(seen, said={**seen.said, place: said(place, 10, ago_sec=15)}), "rating") == ("ok", "")


def test_stage_that_never_spoke_is_degraded() -> None:
    """A partition on which rating or burn said nothing is named."""
    assert component(replace(healthy(), said={}), "burn") == ("degraded", "has said nothing on internal.deltas/0 yet")


def test_idle_sink_is_healthy() -> None:
    """The sink speaks only when there is something to store."""
    assert component(replace(healthy(), said={}, ends={}), "sink") == ("ok", "")


def test_old_unprocessed_record_is_degraded() -> None:
    """Lag alone is work; a record that waits for more than 30 s is trouble, though the sink moves."""
    place = ("sink", "internal.rated", 1)
    seen = replace(healthy(), said={**(healthy().said or {}), place: said(place, 10, ago_sec=1)})
    lagging = replace(seen, ends={**(seen.ends or {}), ("internal.rated", 1): 25})
    assert component(replace(lagging, oldest_us={place: NOW_US - 30_000_000}), "sink") == ("ok", "")
    health, why = component(replace(lagging, oldest_us={place: NOW_US - 31_000_000}), "sink")
    assert (health, why) == ("degraded", "the oldest record that it has not done has waited for 31 s")


def test_who_stands_still_though_records_wait_is_degraded() -> None:
    """The sink has said nothing for 16 s and a record has waited as long; either one alone is ordinary."""
    place = ("sink", "internal.rated", 1)
    seen = replace(healthy(), ends={**(healthy().ends or {}), ("internal.rated", 1): 25})
    for waits_sec, silent_sec, health in ((16, 16, "degraded"), (16, 1, "ok"), (1, 16, "ok")):
        word = said(place, 10, ago_sec=silent_sec)
        now = replace(seen, said={**(seen.said or {}), place: word}, oldest_us={place: NOW_US - waits_sec * 1_000_000})
        assert component(now, "sink")[0] == health


def test_own_part_that_has_just_been_started_is_degraded() -> None:
    """Kafka that answers again was away a moment ago."""
    seen = healthy()
    young = ProcessState("kafka", "STARTING", 7, 0, "")
    assert component(replace(seen, processes={**(seen.processes or {}), "kafka": young}), "kafka")[0] == "degraded"


def test_dead_process_is_down() -> None:
    """A part that does not run is down, and so is the whole."""
    seen = healthy()
    dead = ProcessState("burn", "BACKOFF", None, 0, "Exited too quickly")
    broken = replace(seen, processes={**(seen.processes or {}), "burn": dead})
    assert component(broken, "burn") == ("down", "backoff: Exited too quickly")
    assert status_of(broken).health == "down"


def test_without_kafka_positions_are_unknown_not_zero() -> None:
    """Missing is not zero: no lag is told where Kafka does not answer."""
    gone = replace(healthy(), kafka_reason="no answer", said=None, ends=None)
    sink = next(one for one in status_of(gone).components if one.name == "sink")
    assert (sink.lag, sink.position, sink.health) == (None, None, "degraded")


def test_behind_names_each_partition_below_its_end() -> None:
    """At the end is done, one below is not; a stage that said nothing is at the start."""
    ends = {("usage.events", 0): 10, ("usage.events", 1): 10, ("usage.events", 2): 3, ("usage.events", 3): 0}
    spoken = {
        ("rating", "usage.events", 0): said(("rating", "usage.events", 0), 10),
        ("rating", "usage.events", 1): said(("rating", "usage.events", 1), 9),
    }
    assert behind("rating", ends, spoken) == [
        Behind("rating", "usage.events", 1, 9, 10),
        Behind("rating", "usage.events", 2, 0, 3),
    ]


def test_what_retention_took_is_not_waited_for() -> None:
    """A stage that said nothing starts at the first kept offset."""
    assert behind("sink", {("internal.rated", 0): 5}, {}, starts={("internal.rated", 0): 5}) == []


def test_waves_follow_the_way_of_an_event() -> None:
    """Each stage is waited for after the one whose output it reads."""
    assert [[stage for stage, _topics in wave] for wave in WAVES] == [
        ["rating", "sink"],
        ["rating"],
        ["sink"],
        ["rating"],
        ["burn", "patterns"],
        ["sink"],
    ]
    waited = {(stage, topic) for wave in WAVES for stage, topics in wave for topic in topics}
    assert waited == {(stage, topic) for stage, topics in READS.items() for topic in topics} | {("sink", OPENED)}


def test_a_partition_without_ticks_may_be_silent() -> None:
    """Rating says nothing on an empty `usage.adjustments`, which is no fault; a signed row that waits there is lag."""
    seen = healthy()
    places = {("usage.adjustments", partition): 0 for partition in range(PARTITIONS)}
    quiet = replace(seen, ends={**(seen.ends or {}), **places})
    assert component(quiet, "rating") == ("ok", "")
    waiting = replace(quiet, ends={**(quiet.ends or {}), ("usage.adjustments", 2): 5})
    assert next(one.lag for one in status_of(waiting).components if one.name == "rating") == 5


def test_the_policies_of_a_part_are_those_it_works_under() -> None:
    """Of rating those of its lanes of events, whatever an idle lane of adjustments said; of the sink what it opened."""
    seen = healthy()
    more = {
        **(seen.said or {}),
        ("rating", "usage.adjustments", 0): said(("rating", "usage.adjustments", 0), 1, policy=-1),
        ("sink", "usage.policies", 0): said(("sink", "usage.policies", 0), 3, policy=2),
    }
    shown = {one.name: (one.policy_offset, one.position) for one in status_of(replace(seen, said=more)).components}
    assert (shown["rating"], shown["sink"]) == ((0, 41), (2, 40))


def test_policies_are_in_force_when_every_lane_applied_them() -> None:
    """A lane at the offset has it; a lower one, or one that said nothing, is named."""
    lanes = {"rating": [("usage.events", 0), ("usage.events", 1), ("usage.events", 2)]}
    spoken = {
        ("rating", "usage.events", 0): said(("rating", "usage.events", 0), 1, policy=4),
        ("rating", "usage.events", 1): said(("rating", "usage.events", 1), 1, policy=3),
    }
    assert not_in_force(spoken, 4, lanes) == ["rating on usage.events/1", "rating on usage.events/2"]


def test_restarts_are_counted_since_the_supervisor_started() -> None:
    """The first start is no restart, and an earlier life of the supervisor does not count."""
    log = """\
2026-11-22 05:15:00,000 INFO supervisord started with pid 1
2026-11-22 05:15:01,000 INFO spawned: 'kafka' with pid 2
2026-11-22 05:15:02,000 INFO spawned: 'kafka' with pid 3
2026-11-22 06:00:00,000 INFO supervisord started with pid 9
2026-11-22 06:00:01,000 INFO spawned: 'kafka' with pid 10
2026-11-22 06:00:01,000 INFO spawned: 'sink' with pid 11
2026-11-22 06:00:05,000 WARN exited: sink (exit status 1; not expected)
2026-11-22 06:00:06,000 INFO spawned: 'sink' with pid 12
"""
    assert restarts(log) == {"kafka": 0, "sink": 1}


def test_old_words_do_not_count_after_a_restart() -> None:
    """A stage has come back when it has spoken on every partition since, not because an earlier life did."""
    places = [("usage.events", 0), ("usage.events", 1), ("usage.events", 2)]
    spoken = {
        ("rating", *places[0]): replace(said(("rating", *places[0]), 1), offset=99),
        ("rating", *places[1]): replace(said(("rating", *places[1]), 1), offset=100),
    }
    assert silent_since("rating", spoken, 100, places) == [places[0], places[2]]


def test_deaths_on_the_same_records_are_said() -> None:
    """The process that is at them now is none; one that died before is, though the stage speaks and is up to date."""
    place = ("burn", "internal.deltas", 2)
    for deaths, expected in (
        (1, ("ok", "")),
        (2, ("degraded", "1 processes died on what stands in internal.deltas/2 ")),
    ):
        seen = healthy()
        spoken = dict(seen.said or {})
        spoken[place] = replace(spoken[place], progress=msgspec.structs.replace(spoken[place].progress, deaths=deaths))
        health, why = component(replace(seen, said=spoken), "burn")
        assert (health, why.split("from")[0]) == expected


def test_lost_records_are_said_for_good() -> None:
    """What retention took before it was read is no fault of now, but never hidden either."""
    seen = healthy()
    spoken = dict(seen.said or {})
    for partition, lost in ((1, 4), (3, 1000)):
        place = ("rating", "usage.events", partition)
        spoken[place] = replace(
            spoken[place], progress=msgspec.structs.replace(spoken[place].progress, lost_records=lost)
        )
    assert component(replace(seen, said=spoken), "rating") == ("ok", "it has lost 1,004 records to retention")
