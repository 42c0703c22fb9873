"""Whoever makes names up by the thousand changes nothing that another organisation is told, and silences nothing."""

import random
from collections.abc import Iterator

import pytest

from schemas.signals import Advice, Alert
from streams.patterns import state as remembering
from tests.scenarios.burn_log import MINUTE, SEC
from tests.scenarios.patterns_stories import classed, loop, refused, then_elsewhere
from tests.scenarios.steps_log import Step, StepLog, advice, alerts, call, new_lane, policies, run

BOUNDS = ("MOST_RUNS", "MOST_TEMPLATES", "MOST_KEYS", "MOST_FINDINGS", "MOST_MODELS", "MOST_NAMES")
RULES = tuple(
    {"kind": "governance_rule", "org": org, "approved_models": ("gpt-4o*",), "data_regions": {"pii": ("eu-*",)}}
    for org in ("acme", "globex")
)
HOURS_OF_USE = 206 * MINUTE


def quiet_org() -> Iterator[Step]:
    """A key is used for hours, then stolen, while a run goes round, a model refuses and data goes abroad."""
    yield from then_elsewhere(model="llama")
    for step in (*loop(lasts_sec=400), *refused(minutes=6), *classed("us-east-1")):
        yield {**step, "ts_us": step["ts_us"] + HOURS_OF_USE}


def flood(dice: random.Random, *, at_us: int) -> list[Step]:
    """Names that nobody knows, of everything that is remembered."""
    return [
        call(at_us + number, org="globex", usd=1, run=f"r{dice.random()}", tool="t", tool_call_hash="h",
             task_template=f"t{dice.random()}", credential=f"k{dice.random()}", model=f"m{dice.random()}",
             data_class="pii", region=f"mars-{dice.random()}", http_status=dice.choice([200, 429]))
        for number in range(60)
    ]  # fmt: skip


def said_of(org: str, *, flooded: bool) -> tuple[list[Alert], list[Advice]]:
    """What is said of an organisation, beside a flood or without one."""
    dice, log = random.Random(7), StepLog()  # noqa: S311  a seeded test
    by_time: dict[int, list[Step]] = {}
    for step in quiet_org():
        by_time.setdefault(step["ts_us"] // (30 * SEC), []).append(step)
    for at, steps in sorted(by_time.items()):
        others = flood(dice, at_us=at * 30 * SEC) if flooded and at % 8 < 2 else []
        log.say((at + 1) * 30 * SEC, [*others, *steps])
    for minute in range(40):
        log.tick(log.records[-1].append_time_us + minute * MINUTE)
    outputs = run(new_lane(policies(*RULES)), log.records)
    return [one for one in alerts(outputs) if one.org == org], [one for one in advice(outputs) if one.org == org]


def test_what_one_organisation_floods_changes_nothing_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alert by alert and advice by advice: each kind that patterns tells of single events is among them."""
    for name in BOUNDS:
        monkeypatch.setattr(remembering, name, 40)
    alone, beside = said_of("acme", flooded=False), said_of("acme", flooded=True)
    assert {one.rule for one in alone[0]} >= {"stolen_key", "runaway", "throttled", "sovereignty", "unapproved"}
    assert beside == alone


def test_what_can_be_followed_no_further_ends_with_that_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts whose subject was pushed out by its own organisation's names are neither over nor calm, and say so."""
    for name in BOUNDS:
        monkeypatch.setattr(remembering, name, 40)
    log = StepLog()
    abroad = ({**step, "region": "us", "data_class": "pii"} for step in loop(lasts_sec=200))
    log.tell([*abroad, *refused(minutes=6)], every_us=10 * SEC)
    last_us = log.records[-1].append_time_us
    for second in range(10, 130, 10):
        steps = flood(random.Random(second), at_us=last_us)  # noqa: S311  a seeded test
        log.say(last_us + second * SEC, [{**step, "org": "acme", "usd": 0} for step in steps])
    found = alerts(run(new_lane(policies(*RULES)), log.records))
    ended = {one.rule: one.message.split(":")[0] for one in found if one.status == "resolved"}
    assert ended == {
        "runaway": "resolved, too many runs go on at once to follow it further",
        "sovereignty": "resolved, more is found than can be remembered",
        "throttled": "resolved, too many models refuse calls",
        "unapproved": "resolved, more is found than can be remembered",
    }
