"""Burn's watch over spenders: minutes of the log, what comes late, what is history, what is planned, what survives."""

from typing import Any

import pytest

from streams.burn.spenders import start_us
from streams.checkpoints import digest
from streams.ports import SourceRecord
from tests.scenarios.burn_log import (
    MINUTE,
    SEC,
    BurnLog,
    MemoryReader,
    PolicyHistory,
    Row,
    alerts,
    new_lane,
    public,
    recovered,
    run,
    us,
)

START = us("2026-11-23T00:00:00")
CENT = 10**10
USUAL_MIN = 210
Said = list[tuple[str, str, str]]


def spending(at_us: int, cents: int, *, live: bool = True) -> list[Row]:
    """A minute of an agent and its team."""
    who = (("agent", "bot"), ("team", "code"))
    return [Row("acme", kind, name, at_us, cost_pico=cents * CENT, live=live) for kind, name in who]


def story(*, behind_min: int = 0, hot_cents: int = 100) -> BurnLog:
    """Some hours of 3 or 4 cents a minute, then ten minutes of a dollar; all of it comes `behind_min` late."""
    log = BurnLog(policy_offset=0)
    for minute in range(-2, USUAL_MIN + 30):
        at_us = START + minute * MINUTE
        of = minute - behind_min
        cents = 3 + of % 2 if of < USUAL_MIN else hot_cents
        log.say(at_us + 15 * SEC, spending(at_us - behind_min * MINUTE, cents) if 0 <= of < USUAL_MIN + 10 else ())
    return log


def policies(*more: dict[str, Any]) -> PolicyHistory:
    """These policies."""
    return PolicyHistory([{"sets": list(more)}])


def said(log: BurnLog, history: PolicyHistory) -> Said:
    """Status, rule and entity of every alert."""
    return [(one.status, one.rule, one.entity_id) for one in alerts(run(new_lane(history), log.records))]


def test_a_spike_is_told_in_its_second_minute_with_its_numbers() -> None:
    """The second dear minute is over when the log has passed it; the alert says what was usual and since when."""
    found = alerts(run(new_lane(policies()), story().records))
    first, team = found[:2]
    assert (first.at.hour, first.at.minute, first.entity_id, team.entity_id) == (3, 32, "bot", "code")
    assert (first.evidence["since"], first.evidence["window_sec"]) == ("2026-11-23T03:29:00.000000Z", "180")
    assert 1.8 < float(first.evidence["expected"]) < 2.4
    assert float(first.evidence["score"]) >= float(first.evidence["fires_at"])
    assert float(first.evidence["chance"]) < 0.1
    assert [one.status for one in found] == ["firing", "firing", "resolved", "resolved"]


def test_who_comes_late_is_told_all_the_same() -> None:
    """Spending that is known seven minutes after it happened leads to the same alerts, seven minutes later."""
    on_time = alerts(run(new_lane(policies()), story().records))
    late = alerts(run(new_lane(policies()), story(behind_min=7).records))
    assert [(one.entity_id, one.evidence["since"]) for one in on_time[:2]] == [
        (one.entity_id, one.evidence["since"]) for one in late[:2]
    ]
    scores = [float(one.evidence["score"]) for one in (on_time[0], late[0])]
    assert scores[1] == pytest.approx(scores[0], rel=0.05)  # the hour of the day is learnt minutes later
    assert 7 * 60 - 60 <= (late[0].at - on_time[0].at).total_seconds() <= 8 * 60


def history(*, hot_live: bool) -> BurnLog:
    """The same hours and ten dear minutes, said within a second right after them, as history or live."""
    log = BurnLog(policy_offset=0)
    end = START + (USUAL_MIN + 10) * MINUTE
    log.tick(end)
    rows = [row for minute in range(USUAL_MIN) for row in spending(START + minute * MINUTE, 3 + minute % 2, live=False)]
    log.say(end + SEC, rows)
    for minute in range(10):
        log.say(end + SEC, spending(START + (USUAL_MIN + minute) * MINUTE, 100, live=hot_live))
    log.tick(end + 2 * SEC)
    log.tick(end + 4 * SEC)
    return log


def test_history_teaches_and_says_nothing() -> None:
    """What is backfill fires nothing, however wild; the same minutes, live, are told against that history."""
    assert said(history(hot_live=False), policies()) == []
    assert said(history(hot_live=True), policies()) == [("firing", "spike", "bot"), ("firing", "spike", "code")]


def test_three_times_worse_is_said_once_more_and_critical() -> None:
    """An open spike that triples after a quarter of an hour is its second transition."""
    log = BurnLog(policy_offset=0)
    for minute in range(USUAL_MIN + 30):
        cents = 3 + minute % 2 if minute < USUAL_MIN else 100 if minute < USUAL_MIN + 20 else 1000
        log.say(START + minute * MINUTE + 15 * SEC, spending(START + minute * MINUTE, cents)[:1])
    found = [(one.seq, one.status, one.severity) for one in alerts(run(new_lane(policies()), log.records))]
    assert found[:2] == [(1, "firing", "warning"), (2, "firing", "critical")]


PLANNED = {
    "kind": "planned", "id": "launch", "org": "acme", "note": "launch of v2",
    "starts": "2026-11-23T03:00:00Z", "ends": "2026-11-23T06:00:00Z",
}  # fmt: skip


@pytest.mark.parametrize(
    ("over", "notified"),
    [({}, []), ({"entity": "team/code"}, []), ({"entity": "agent/bot"}, ["code"]),
     ({"ends": "2026-11-23T03:31:00Z"}, ["bot", "code"])],
)  # fmt: skip
def test_what_was_announced_notifies_nobody_and_says_so(over: dict[str, str], notified: list[str]) -> None:
    """The alert stands, with the note; of a team it covers those whom the directory counts to it. Not after its end."""
    people = [{"kind": "team", "id": "code", "org": "acme"}, {"kind": "agent", "id": "bot", "org": "acme"}]
    people[1]["team"] = "code"
    found = alerts(run(new_lane(policies(*people, {**PLANNED, **over})), story().records))
    fired = [one for one in found if one.status == "firing"]
    assert [one.entity_id for one in fired if one.notify] == notified
    assert {one.evidence.get("planned") for one in fired if not one.notify} <= {"launch of v2"}
    assert len(fired) == 2


def test_rules_say_who_is_watched_and_from_what_on() -> None:
    """A gate above the excess, a kind left out: each keeps the watch quiet in its way."""
    rule = {"kind": "spike_rule", "org": "acme"}
    assert said(story(), policies({**rule, "min_excess_usd_per_hour": "70"})) == []
    assert {one[2] for one in said(story(), policies({**rule, "entity_types": ["team"]}))} == {"code"}


@pytest.mark.parametrize("behind_min", [0, 7])
def test_killed_anywhere_it_says_what_it_would_have_said(behind_min: int) -> None:
    """From a checkpoint at any moment, also while late minutes wait, the rest and the state are the same."""
    records = story(behind_min=behind_min).records
    whole, readers = new_lane(policies()), {}
    told = []
    for offset, record in enumerate(records):
        told.append(public(run(whole, [record])))
        if offset in range(len(records) - 35, len(records), 7):
            readers[offset + 1] = MemoryReader()
            readers[offset + 1].keep(whole.checkpoint())
    for cut, reader in readers.items():
        again, start = recovered(policies(), reader, next_offset=cut)
        assert start == cut
        assert [public(run(again, [record])) for record in records[start:]] == told[start:]
        assert digest(again.state) == digest(whole.state)
    assert len(readers) == 5


def test_a_lane_that_is_behind_delays_and_a_dead_one_is_not_waited_for() -> None:
    """Nothing is judged before the slowest lane has passed it, but at most 20 min later."""
    log = BurnLog(lanes=2, policy_offset=0)
    log.tick(START)
    moments = [START + MINUTE, START + 15 * MINUTE, START + 40 * MINUTE]
    records: list[SourceRecord] = []
    judged = []
    lane = new_lane(policies())
    for at_us in moments:
        log.say(at_us, spending(START, 5), lane=0)
        run(lane, log.records[len(records) :])
        records = list(log.records)
        judged.append((start_us(lane.state.watch.next_min) - START) // MINUTE)
    assert judged == [-1, -1, 19]
