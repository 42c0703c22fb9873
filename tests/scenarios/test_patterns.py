"""Stories of runs and governance: each finds what it must, those that look alike find nothing."""

from itertools import pairwise

import pytest

from burnline_client.advice import AdviceBook
from schemas.periods import instant
from schemas.signals import Alert
from tests.scenarios.burn_log import HOUR, MINUTE, SEC
from tests.scenarios.patterns_stories import (
    APPROVED,
    AT,
    FOUND,
    LOOK_ALIKES,
    Story,
    key_use,
    loop,
    templated,
    then_elsewhere,
)
from tests.scenarios.steps_log import Step, StepLog, advice, alerts, call, new_lane, policies, run


def told(story: Story, *, quiet_us: int = 0) -> list[Alert]:
    """The alerts of a story, in order, and of so much silence after it."""
    log = StepLog()
    log.tell(story.steps(), every_us=story.every_us)
    end = log.records[-1].append_time_us
    for after in range(0, quiet_us + 1, 10 * MINUTE):
        log.tick(end + after + MINUTE)
    return alerts(run(new_lane(policies(*story.policies)), log.records))


@pytest.mark.parametrize("name", FOUND)
def test_what_must_be_found_is_found_once_and_ends(name: str) -> None:
    """One episode each, told once, and resolved when it is over for a day."""
    story = FOUND[name]
    found = told(story, quiet_us=26 * HOUR)
    fired = [alert for alert in found if alert.status == "firing"]
    assert tuple((alert.rule, alert.entity_type, alert.entity_id) for alert in fired) == story.found
    assert [(alert.alert_id, alert.seq, alert.status) for alert in found if alert not in fired] == [
        (alert.alert_id, 2, "resolved") for alert in fired
    ]


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_what_only_looks_alike_is_not_told(name: str) -> None:
    """Neither while it happens nor in the hours after it."""
    assert told(LOOK_ALIKES[name], quiet_us=2 * HOUR) == []


def test_a_loop_is_found_within_three_minutes_and_a_stop_advised() -> None:
    """The alert and the advice are in one message, and the advice ends by itself."""
    log = StepLog()
    log.tell(loop(lasts_sec=300), every_us=SEC)
    outputs = run(new_lane(policies()), log.records)
    (alert,) = alerts(outputs)
    (said,) = advice(outputs)
    assert (alert.at.timestamp() * SEC - AT) / MINUTE <= 3
    assert (said.advice, said.rule, said.alert_id, said.at) == ("stop", "runaway", alert.alert_id, alert.at)
    assert (said.valid_until - said.at).total_seconds() == 600
    assert (alert.evidence["different"], alert.evidence["repeats"], alert.labels["agent"]) == (
        "1", "tool calls", "fixer",
    )  # fmt: skip


@pytest.mark.parametrize("stopped_after_sec", [25 * 60, 4 * 60], ids=["it goes on", "the gateway refuses its calls"])
def test_a_loop_is_stopped_for_as_long_as_it_lasts(stopped_after_sec: int) -> None:
    """What the client's book hears of a loop is stop, each minute of 25, at one word in five minutes; then it ends."""
    log, book = StepLog(), AdviceBook()
    log.tell(loop(lasts_sec=stopped_after_sec), every_us=10 * SEC)
    for at_us in range(log.records[-1].append_time_us + 10 * SEC, AT + 90 * MINUTE, 10 * SEC):
        log.tick(at_us)
    said = [output for output in run(new_lane(policies()), log.records) if output.topic == "control.advice"]
    times = [one.at for one in advice(said)]
    ends = AT + stopped_after_sec * SEC + 41 * MINUTE
    heard = {}
    for minute in range(90):
        now = instant(AT + minute * MINUTE)
        while times and times[0] <= now:
            times.pop(0)
            book.take(said.pop(0).value)
        heard[minute] = book.about("acme", "r", now=now)
    assert [minute for minute in range(3, 25) if (found := heard[minute]) is None or found.advice != "stop"] == []
    assert all(heard[minute] is None for minute in heard if AT + minute * MINUTE >= ends)


def test_advice_that_holds_is_said_once_in_five_minutes() -> None:
    """However many events come: the volume is bounded by time."""
    log = StepLog()
    log.tell(loop(lasts_sec=25 * 60), every_us=SEC)
    times = [one.at for one in advice(run(new_lane(policies()), log.records))]
    assert {(later - earlier).total_seconds() // 10 for earlier, later in pairwise(times)} == {30}


def test_a_run_that_goes_on_otherwise_may_continue() -> None:
    """When it goes round no more the alert is resolved, and the advice taken back."""
    log = StepLog()
    after = (
        call(AT + 300 * SEC + n * 2 * SEC, run="r", tool="edit", tool_call_hash=f"new{n}", usd=0.02) for n in range(60)
    )
    log.tell([*loop(lasts_sec=300), *after], every_us=SEC)
    outputs = run(new_lane(policies()), log.records)
    assert [alert.status for alert in alerts(outputs)] == ["firing", "resolved"]
    assert [said.advice for said in advice(outputs)] == ["stop", "continue"]


def test_the_end_of_a_run_is_foretold_from_its_like() -> None:
    """At 4, 8, 16 ... calls, once eight runs of the template are known; a dear one is asked about."""
    said = {}
    for usd in (1.3, 9):
        log = StepLog()
        log.tell(templated(last_usd=usd), every_us=20 * SEC)
        outputs = run(new_lane(policies()), log.records)
        said[usd] = [one for one in advice(outputs) if one.entity_id == "last"]
    assert [one.advice for one in said[1.3]] == ["continue", "continue"]
    assert [one.advice for one in said[9]][-1] == "ask_owner"
    first = said[1.3][0]
    assert first.like_runs == 20
    assert first.expected_usd is not None
    assert 0.9 <= first.expected_usd <= 1.3


def test_a_rule_that_is_switched_off_is_silent() -> None:
    """No loop, no advice, no finding where the organisation wants none."""
    for story in (
        Story(steps=lambda: loop(lasts_sec=300), policies=({"kind": "run_rule", "enabled": False},)),
        Story(
            steps=FOUND["refused calls"].steps,
            policies=({"kind": "governance_rule", "enabled": False},),
        ),
        Story(
            steps=FOUND["a stolen key"].steps,
            policies=({"kind": "governance_rule", "stolen_keys": False},),
            every_us=MINUTE,
        ),
    ):
        assert told(story) == []


@pytest.mark.parametrize("name", FOUND)
def test_what_policy_asks_for_no_more_is_over(name: str) -> None:
    """Switched off, every alert ends with that reason, at once, and a run may continue."""
    story, log = FOUND[name], StepLog()
    log.tell(story.steps(), every_us=story.every_us)
    off = [{"org": "acme", "kind": kind, "enabled": False} for kind in ("governance_rule", "run_rule")]
    history = policies(*story.policies)
    log.policy_offset = history.append({"sets": off})
    log.tick(log.records[-1].append_time_us + SEC)
    outputs = run(new_lane(history), log.records)
    told = alerts(outputs)
    assert [alert.status for alert in told] == ["firing", "resolved"]
    assert (told[1].reason, told[1].message.split(":")[0]) == (
        "limit_changed", "resolved, policy has nothing against it any more",
    )  # fmt: skip
    assert [one.advice for one in advice(outputs)][-1:] in ([], ["continue"])


def test_a_rule_that_is_taken_out_and_comes_back_tells_again() -> None:
    """Shares without a rule end; a model that is approved is no finding, and one when it is approved no more."""
    for story, gone in (
        (FOUND["spending of nobody"], {"removes": [("governance_rule", "acme", "governance")]}),
        (FOUND["a model nobody approved"], {"sets": [{**APPROVED[0], "org": "acme", "approved_models": ("ll*",)}]}),
    ):
        log = StepLog()
        log.tell(story.steps(), every_us=story.every_us)
        history = policies(*story.policies)
        log.policy_offset = history.append(gone)
        log.tick(log.records[-1].append_time_us + SEC)
        log.policy_offset = history.append({"sets": [{**table, "org": "acme"} for table in story.policies]})
        log.say(log.records[-1].append_time_us + MINUTE, list(story.steps())[-1:])
        told = alerts(run(new_lane(history), log.records))
        assert [alert.status for alert in told] == ["firing", "resolved", "firing"]


def test_who_crowds_out_whom_is_named() -> None:
    """The key that uses most, and the one that is refused most often."""
    fired = told(FOUND["refused calls"])[0]
    assert (fired.evidence["crowding"], fired.evidence["crowded"]) == ("big", "small")


def test_made_up_names_flood_nobody() -> None:
    """Of a thousand models that nobody approved twenty are told; the others are told when those are over."""
    log = StepLog()
    log.tell((call(AT + n * SEC // 10, credential="k", model=f"made-up-{n}") for n in range(1000)), every_us=10 * SEC)
    for hour in range(30):
        log.say(AT + (hour + 1) * HOUR, [call(AT + hour * HOUR, credential="k", model="made-up-999")])
    found = alerts(run(new_lane(policies(*APPROVED)), log.records))
    fired = [alert.entity_id for alert in found if alert.status == "firing"]
    assert fired == [*(f"made-up-{n}" for n in range(20)), "made-up-999"]


def test_a_thousand_runs_that_go_round_wake_somebody_twenty_times() -> None:
    """The others are alerts that notify nobody; every run is advised to stop, and the alert of each is closed."""
    log, number = StepLog(), 60
    for at in range(0, 180, 10):
        steps = [
            call(AT + (at + second) * SEC, usd=0.05, run=f"r{n}", tool="search", tool_call_hash="h")
            for n in range(number)
            for second in (0, 5)
        ]
        log.say(AT + (at + 10) * SEC, steps)
    log.say(AT + HOUR)
    told = run(new_lane(policies()), log.records)
    fired = [alert for alert in alerts(told) if alert.status == "firing"]
    assert len({alert.entity_id for alert in fired}) == len(fired) == number
    assert sum(alert.notify for alert in fired) == 20
    assert {one.entity_id for one in advice(told) if one.advice == "stop"} == {alert.entity_id for alert in fired}
    assert sum(alert.status == "resolved" for alert in alerts(told)) == number


def test_stolen_keys_wake_somebody_twenty_times() -> None:
    """Of thirty keys that are stolen at once twenty are told; the others when those are over, if it goes on."""
    log = StepLog()
    keys = [f"k{number}" for number in range(30)]
    log.tell(({**step, "credential": key} for step in then_elsewhere() for key in keys), every_us=MINUTE)
    end = log.records[-1].append_time_us
    for hour in (12, 25):
        log.tick(end + hour * HOUR)
    again = key_use(minutes=5, model="gpt-4.5", region="ap-south-1", at_us=end + 25 * HOUR, usd=0.1)
    log.tell(({**step, "credential": key} for step in again for key in keys), every_us=MINUTE)
    fired = [alert for alert in alerts(run(new_lane(policies()), log.records)) if alert.status == "firing"]
    assert [alert.entity_id for alert in fired if alert.at < instant(end + HOUR)] == keys[:20]
    assert [alert.entity_id for alert in fired if alert.at > instant(end + HOUR)] == keys[20:]


def test_costs_beyond_64_bits_are_kept() -> None:
    """Sums of a run stay exact however large, and survive a checkpoint."""
    steps: list[Step] = [call(AT + n * SEC, usd=999_999, run="r") for n in range(100)]
    log = StepLog()
    log.tell(steps)
    lane = new_lane(policies())
    run(lane, log.records)
    held = lane.state.runs["acme", "r"]
    assert held.cost_pico() == 100 * 999_999 * 10**12
    assert lane.state.cross()
