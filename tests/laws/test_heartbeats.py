"""A heartbeat goes through rating and burn and changes nothing; who sends it knows when it stays away."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.heartbeats import (
    OWN_ORG,
    Beat,
    beat_from_headers,
    beat_headers,
    beat_of,
    heartbeat_bytes,
    heartbeat_from_bytes,
)
from schemas.internal import batch_from_headers
from schemas.signals import Alert
from sinks.notifier.heart import alert_record
from sinks.notifier.pulse import MOST_GAP, Pulse, begun, came, is_due, looked, open_episode, sent
from sinks.notifier.settings import NotifierSettings
from sinks.signal_rows import signal_rows, tables
from streams.burn.stage import BurnStage
from streams.ports import Output, SourceRecord, StepResult
from tests.laws.rating_events import (
    NOW_US,
    batch,
    dead_letters_of,
    deltas_of,
    new_lane,
    raw,
    record,
    rows_of,
    usage_events,
)
from tests.laws.rating_events import sent as sent_to
from tests.notifier_world import NOW
from tests.scenarios.burn_log import PolicyHistory
from tests.scenarios.burn_log import new_lane as new_burn_lane

SENT_AT = datetime.fromtimestamp(NOW_US / 1e6, UTC) - timedelta(milliseconds=3)
EVERY = timedelta(seconds=60)


def beat_record(offset: int, *, beat_id: str = "life-1") -> SourceRecord:
    """A heartbeat as it stands in `usage.events`."""
    return record(b"{}", offset, headers=beat_headers(beat_id, sent_at=SENT_AT))


def said(result: StepResult) -> tuple[object, ...]:
    """What a step says of usage."""
    return rows_of(result), deltas_of(result), dead_letters_of(result)


def relayed_of(result: StepResult) -> list[Output]:
    """The heartbeats that go on to burn."""
    return [output for output in sent_to(result, "internal.deltas") if beat_from_headers(output.headers) is not None]


@given(st.lists(st.one_of(usage_events().map(raw), st.sampled_from([b"{", b"", None])), max_size=6), st.data())
def test_heartbeats_among_events_count_as_nothing(values: list[bytes | None], data: st.DataObject) -> None:
    """Rows, sums and dead letters are those of the batch without them, and one message goes on to burn's lane."""
    places = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    some = [record(value, 2 * at) for at, value in enumerate(values)]
    beats = [beat_record(2 * at + 1) for at, there in enumerate(places) if there]
    both = sorted([*some, *beats], key=lambda one: one.offset)
    if not some:
        return
    with_beats = new_lane().step(batch(both))
    assert said(with_beats) == said(new_lane().step(batch(some)))
    relayed = relayed_of(with_beats)
    assert [output.partition for output in relayed] == [0] * len(beats)
    assert {batch_from_headers(output.headers).clock for output in relayed} <= {False}


def test_no_heartbeat_was_sent_after_it_came() -> None:
    """Whose clock is ahead, or who says so, does not hide for as long that nothing comes any more."""
    for ahead_sec in (1, 86_399):
        headers = beat_headers("forged", sent_at=SENT_AT + timedelta(seconds=ahead_sec))
        beat = beat_of(headers, lane=0, append_time_us=NOW_US)
        assert beat is not None
        assert beat.sent_us == NOW_US


def test_a_heartbeat_keeps_its_times_on_the_whole_way() -> None:
    """Sent, received and rated, from the log alone; a replay that is silent for alerts gives the same bytes."""
    [relayed] = relayed_of(new_lane().step(batch([beat_record(7)])))
    arrived = SourceRecord(3, NOW_US + 900, None, relayed.value, list(relayed.headers))
    lane = new_burn_lane(PolicyHistory())
    [output] = lane.step(batch([arrived])).outputs
    found = heartbeat_from_bytes(output.value)
    sent_us = NOW_US - 3000
    assert output.topic == "internal.heartbeats"
    assert found == Beat(lane=0, beat_id="life-1", sent_us=sent_us, received_us=NOW_US, rated_us=NOW_US + 900)
    again = BurnStage(PolicyHistory()).lane("internal.deltas", 0).step(batch([arrived]))
    assert [one.value for one in again.outputs] == [output.value]


@pytest.mark.parametrize("name", ["ce_time", "ce_id", "ce_type"])
def test_what_only_looks_like_a_heartbeat_is_a_dead_letter(name: str) -> None:
    """Without its time, id or type it is an event that cannot be read; nothing passes in silence."""
    headers = [(one, b"x" * 70 if one == name else value) for one, value in beat_headers("b", sent_at=SENT_AT)]
    letters = dead_letters_of(new_lane().step(batch([record(b"{}", headers=headers)])))
    assert len(letters) == 1


def test_a_heartbeat_of_another_day_is_a_dead_letter() -> None:
    """Times that no store can keep do not get that far."""
    headers = beat_headers("b", sent_at=SENT_AT + timedelta(days=400_000))
    assert len(dead_letters_of(new_lane().step(batch([record(b"{}", headers=headers)])))) == 1


def test_a_heartbeat_is_a_row_of_its_own_table() -> None:
    """And of no other; its place on its topic says when it was published."""
    beat = Beat(lane=2, beat_id="b", sent_us=NOW_US, received_us=NOW_US + 1, rated_us=NOW_US + 2)
    rows = signal_rows(heartbeat_bytes(beat), partition=0, offset=5, append_time_us=NOW_US + 3)
    [(table, arrow)] = tables(rows)
    assert table == "heartbeats_store"
    times = [arrow.to_pylist()[0][name] for name in ("sent_at", "received_at", "rated_at", "published_at")]
    assert [(at - SENT_AT) // timedelta(microseconds=1) - 3000 for at in times] == [0, 1, 2, 3]


def beating(pulse: Pulse, *, seconds: Sequence[float], lanes: Sequence[int]) -> tuple[Pulse, list[Alert]]:
    """The pulse after looks at these seconds, a heartbeat coming back through the lanes right before each."""
    alerts = []
    for second in seconds:
        now = NOW + timedelta(seconds=second)
        for lane in lanes:
            pulse = came(pulse, lane, now=now)
        pulse, alert = looked(pulse, now=now)
        alerts += [alert] if alert is not None else []
    return pulse, alerts


def steps(start: float, end: float) -> list[float]:
    """Each second from a start to an end."""
    return [start + second for second in range(int(end - start) + 1)]


def test_a_silent_lane_is_an_alert_after_150_seconds_and_over_when_all_are_back() -> None:
    """At 150 s nothing is said, past it one alert for the episode; it ends when every lane has answered since."""
    pulse, alerts = beating(begun(lanes=4, every=EVERY, now=NOW), seconds=steps(0, 150), lanes=[0, 1, 3])
    assert alerts == []
    pulse, [alert] = beating(pulse, seconds=steps(151, 400), lanes=[0, 1, 3])
    assert (alert.org, alert.rule, alert.severity, alert.notify) == (OWN_ORG, "heartbeat_missing", "critical", True)
    assert (alert.labels, (alert.at - NOW).total_seconds()) == ({"partitions": "2"}, 151)
    pulse, [over] = beating(pulse, seconds=[401], lanes=[2])
    assert (over.alert_id, over.seq, over.status, over.reason) == (alert.alert_id, 2, "resolved", "heartbeat_back")
    _, none = beating(pulse, seconds=steps(402, 540), lanes=[])
    assert none == []


def test_time_in_which_nobody_looked_does_not_count() -> None:
    """Kafka was away for an hour: the wait begins anew."""
    pulse, _ = beating(begun(lanes=1, every=EVERY, now=NOW), seconds=steps(0, 100), lanes=[])
    pulse, alerts = beating(pulse, seconds=[3700, *steps(3701, 3850)], lanes=[])
    assert alerts == []
    _, alerts = beating(pulse, seconds=[3851], lanes=[])
    assert len(alerts) == 1


def test_an_episode_outlives_who_said_it() -> None:
    """The next life finds it on its topic, says nothing twice, and ends it."""
    _, [alert] = beating(begun(lanes=2, every=EVERY, now=NOW), seconds=steps(0, 151), lanes=[0])
    value = alert_record(alert)[2]
    found = open_episode([b"{}", value, b"heartbeat_missing"])
    assert found == alert
    later = NOW + timedelta(seconds=200)
    pulse, alerts = beating(begun(lanes=2, every=EVERY, now=later, episode=found), seconds=steps(200, 500), lanes=[0])
    assert alerts == []
    _, [over] = beating(pulse, seconds=[501], lanes=[1])
    assert (over.alert_id, over.seq) == (alert.alert_id, 2)
    assert open_episode([value, alert_record(over)[2]]) is None


def test_heartbeats_are_sent_in_their_time() -> None:
    """The first at once, the next one a minute later."""
    pulse = begun(lanes=1, every=EVERY, now=NOW)
    assert is_due(pulse, now=NOW)
    pulse = sent(pulse, now=NOW)
    assert [is_due(pulse, now=NOW + timedelta(seconds=after)) for after in (59, 60)] == [False, True]


def test_as_set_silence_is_told_within_three_minutes() -> None:
    """With the settings that a stack starts with: a heartbeat that is waited for, and a look that is late."""
    every = timedelta(seconds=NotifierSettings().heartbeat_sec)
    assert begun(lanes=1, every=every, now=NOW).patience + MOST_GAP < timedelta(minutes=3)
