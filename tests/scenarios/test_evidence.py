"""Every kind of flag says what stands in `schemas/evidence.py`: the table is held against what the rules really say."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Literal

from deploy.evidence_words import lines
from deploy.policy_then import key_of_alert
from schemas.evidence import MEANING, REQUIRED
from schemas.money import plain
from schemas.periods import instant
from schemas.policies import SharedCredentialRule
from schemas.signals import Alert, CloudSignal
from sinks.notifier.pulse import begun, looked
from sinks.value_peers import of_peers
from sinks.value_verdicts import said_at_night
from streams.anomalies.flags import Flag
from streams.burn import anomaly_messages, messages
from streams.burn.anomaly_messages import Anomaly, Shared
from streams.patterns.drafts import RULES
from tests.scenarios.burn_log import MINUTE, SEC, us
from tests.scenarios.patterns_stories import FOUND, Story, in_places, refused
from tests.scenarios.steps_log import Step, StepLog, alerts, call, new_lane, policies, run

AT = instant(us("2026-11-22T09:15:00"))
KINDS: tuple[Literal["spike", "leak", "silence"], ...] = ("spike", "leak", "silence")
STORIES = (
    "a loop of one tool call", "a context that only grows, and nothing comes of it", "a run far dearer than its like",
    "a stolen key", "a key in two places at once", "a new region", "refused calls", "data abroad",
    "a model nobody approved", "an agent nobody approved", "a key that is in no directory", "spending of nobody",
    "calls without a price", "callers who claim",
)  # fmt: skip
"""One of each rule, and some that find the same by other means."""


def of_somebody(story: Story) -> Iterator[Step]:
    """The story's events; where they name no team or agent, one."""
    for step in story.steps():
        yield {**step, "team": step.get("team") or "code", "agent": step.get("agent") or "fixer",
               "model": step.get("model") or "gpt-4o"}  # fmt: skip


@cache
def of_story(name: str) -> Alert:
    """What a story leads to."""
    story, log = FOUND[name], StepLog()
    log.tell(of_somebody(story), every_us=story.every_us)
    log.tick(log.records[-1].append_time_us + MINUTE)
    return next(one for one in alerts(run(new_lane(policies(*story.policies)), log.records)) if one.seq == 1)


def of_burn() -> Iterator[Alert]:
    """What burn says, by its own drafts."""
    for kind in KINDS:
        flag = Flag(kind=kind, row=0, at_min=9, since_min=7, window_min=3, observed_usd_per_hour=62.4,
                    expected_usd_per_hour=2.2, score=6.5, threshold=1.4, p_value=None)  # fmt: skip
        found = Anomaly(key=("acme", "agent", "bot"), flag=flag, since=AT, again=False, risen=(), planned=None)
        yield anomaly_messages.anomaly_alert(found, at=AT, owner=None)
    rule = SharedCredentialRule(org="acme")
    yield anomaly_messages.shared_credential_alert(rule, "k", Shared(9, 11), at=AT, owner=None)
    yield messages.uncapped_alert(("acme", "team", "ops"), Decimal(12), Decimal(1), others=2, at=AT)
    yield messages.unpriced_alert(org="acme", model="own", requests=Decimal(3), ceiling_usd=Decimal(1), at=AT)


def of_sinks() -> Iterator[Alert]:
    """What a night says of peers, and the sender of heartbeats of silence."""
    row = {
        "org": "acme", "entity_type": "agent", "entity_id": "bot", "team": "code", "peer_group": "team code",
        "week": date(2026, 11, 16), "peers": 5, "usd": Decimal(160), "free_usd": Decimal(0),
        "median_usd": Decimal(40), "successes": 1, "peers_successes": 5, "peers_usd": Decimal(200), "reason": "",
    }  # fmt: skip
    for _, _, value in said_at_night({}, [of_peers(row, owner=None)], night=AT):
        said = CloudSignal.model_validate_json(value).data
        assert isinstance(said, Alert)
        yield said
    silent = begun(lanes=1, every=timedelta(minutes=1), now=AT)
    for second in range(0, 200, 5):
        silent, alert = looked(silent, now=AT + timedelta(seconds=second))
        if alert is not None:
            yield alert


@cache
def everything() -> list[Alert]:
    """A flag of each kind."""
    return [*map(of_story, STORIES), *of_burn(), *of_sinks()]


def test_every_kind_of_flag_has_an_entry_and_every_entry_a_flag() -> None:
    """A rule that sends alerts and says nowhere what they hold is found here."""
    assert {alert.rule for alert in everything()} | RULES == set(REQUIRED)


def test_a_flag_says_all_that_its_kind_says() -> None:
    """Each field of the table, but contributors of the kind that it is about; nothing empty, and never people."""
    for alert in everything():
        needed = {name for name in REQUIRED[alert.rule] if name != f"by_{alert.entity_type}"}
        assert (alert.rule, needed - alert.evidence.keys()) == (alert.rule, set())
        assert (alert.rule, [name for name, value in alert.evidence.items() if not value]) == (alert.rule, [])
        assert not {"by_user", "by_credential"} & alert.evidence.keys()
        assert 0 < float(alert.evidence.get("chance", 1)) <= 1
        for name in ("by_team", "by_agent", "by_model"):
            named = [one for one in alert.evidence.get(name, "").split(", ") if one]
            assert sum(int(one.rpartition(" ")[2].rstrip("%")) for one in named) <= 100


def test_a_flag_in_words_loses_no_number() -> None:
    """What `burnline explain` prints has every value of the evidence, and each common name in words of its own."""
    for alert in everything():
        said = list(lines(alert.evidence, alert.unit))
        others = {"since", "began", "until", "window_sec", "chance"}
        values = {name: value for name, value in alert.evidence.items() if name not in others}
        assert (alert.rule, [name for name in values if values[name] not in "\n".join(said)]) == (alert.rule, [])
        numbers = next((line for line in said if line.startswith("numbers")), "")
        assert (alert.rule, [name for name in MEANING if f"{name} " in numbers]) == (alert.rule, [])


def test_the_policy_of_every_rule_of_patterns_is_known() -> None:
    """`burnline explain` shows by which policy it was judged."""
    assert [rule for rule in RULES if key_of_alert(org="acme", rule=rule, budget_id="") is None] == []


def test_shares_are_of_all_of_it() -> None:
    """What nobody is named for is in the whole; three names at most; a stolen key says what it was known for."""
    stolen = of_story("a stolen key").evidence
    assert (stolen["known_models"], stolen["known_regions"]) == ("gpt-4o", "eu-west-1")
    assert stolen["by_agent"] == "fixer 100%"
    refused = of_story("refused calls").evidence
    assert (refused["crowding"], refused["crowded"], refused["crowded_share"]) == ("big", "small", "100%")
    assert int(refused["crowding_share"].rstrip("%")) >= 99
    dear = of_story("a run far dearer than its like").evidence
    assert (dear["chance"], dear["fires_at"]) == ("0.048", "4.00"), "none of twenty was as dear"


def test_a_key_in_two_places_has_all_calls_since_that_began() -> None:
    """Not those of the last message alone; and messages of a minute count as many minutes as shorter ones do."""
    for every_us, since, told in ((5 * SEC, "09:00:05", 116), (MINUTE, "09:00:00", 120)):
        log = StepLog()
        calls = (
            {**step, "ts_us": int(step["ts_us"]) + after} for step in in_places(places=2) for after in (0, 5 * SEC)
        )
        log.tell(calls, every_us=every_us)
        [alert] = alerts(run(new_lane(policies({"kind": "governance_rule"})), log.records))
        assert (alert.evidence["since"][11:19], alert.evidence["minutes_at_once"]) == (since, "30")
        assert alert.value == told
        assert f": {alert.value} calls for {alert.value / 100:.2f} USD since that began" in alert.message
        assert alert.evidence["cost_usd"] == plain(alert.value / 100)


def test_nobody_is_said_to_crowd_or_to_be_crowded_who_did_not() -> None:
    """Where no call names a key, or none of a named one used or was refused anything."""
    uses, suffers = "key big uses most of it", "key small is refused most often"
    for unnamed, words in (((), f"; {uses}, {suffers}"), (("big",), f"; {suffers}"), (("big", "small"), "")):
        log = StepLog()
        nothing = {"input_tokens": 0, "output_tokens": 0} if unnamed else {}
        log.tell(
            ({**step, **nothing, "credential": None if step["credential"] in unnamed else step["credential"]}
             for step in refused(minutes=6)),
            every_us=MINUTE,
        )  # fmt: skip
        [alert] = alerts(run(new_lane(policies()), log.records))
        assert alert.message.endswith(f"calls of gpt-4o (429){words}")
        assert {"crowding" in alert.evidence, "crowding_share" in alert.evidence} == {uses in words}
        assert {"crowded" in alert.evidence, "crowded_share" in alert.evidence} == {suffers in words}


def test_a_run_without_progress_says_so_in_words() -> None:
    """Nobody counted different answers, so none are said to be equal."""
    stalled = of_story("a context that only grows, and nothing comes of it")
    assert f"each of its last {stalled.evidence['of_last']} calls sent more than the one before" in stalled.message
    assert "distinct" not in stalled.message


def test_a_cost_that_nobody_knows_is_no_zero() -> None:
    """Calls without a known price are said as such: all of them, or some beside what is known."""
    model = {"credential": "k1", "model": "llama"}
    found = {
        "1 call without a known price": [True],
        "1 call for 0.0100 USD": [False],
        "5 calls without a known price": [True] * 5,
        "5 calls for 0.0400 USD, 1 of them without a known price": [True, False, False, False, False],
    }
    for words, unknown in found.items():
        log = StepLog()
        calls = [call(us("2026-11-22T09:00:00"), usd=0 if one else 0.01, unpriced=one, **model) for one in unknown]
        log.say(us("2026-11-22T09:00:01"), calls)
        [alert] = alerts(run(new_lane(policies({"kind": "governance_rule", "approved_models": ()})), log.records))
        assert alert.message == f"model llama is used and not approved: {words}; add it to approved_models"
        assert ("cost_usd" in alert.evidence, alert.evidence.get("unpriced_calls", "0")) == (
            not all(unknown),
            str(sum(unknown)),
        )
