"""No flag of the rules over single calls changes when what comes later is cut off: each rule, in the code of backtests.

What is cut off are whole minutes, which is what a backtest gives its rules at once; the live stage reads one message
after the other, and its law is that of tests/laws/test_patterns_log.py.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import groupby

import pyarrow as pa
import pytest

from deploy.backtesting import GRACE_US, MINUTE_US, RulesNow, of_steps
from schemas.periods import micros
from schemas.signals import Alert
from schemas.steps import STEP_SCHEMA, without_empty
from streams.patterns.drafts import RULES
from tests.scenarios.patterns_stories import FOUND, Story
from tests.scenarios.steps_log import Step, policies

Minute = tuple[int, pa.RecordBatch]
BY_RULE = {story.found[0][0]: story for story in reversed(FOUND.values())}
"""The first story of each rule."""


def minutes_of(story: Story) -> list[Minute]:
    """The story's calls as the ledger has them, and the minutes in which they begin."""

    def minute(step: Step) -> int:
        return int((step["ts_us"] - GRACE_US) // MINUTE_US * MINUTE_US)

    steps = sorted(story.steps(), key=lambda step: int(step["ts_us"]))
    by_minute = [(at_us, list(some)) for at_us, some in groupby(steps, key=minute)]
    return [(at_us, without_empty(pa.RecordBatch.from_pylist(some, schema=STEP_SCHEMA))) for at_us, some in by_minute]


def told(minutes: Sequence[Minute], rules: RulesNow, *, until_us: int) -> Iterator[Alert]:
    """What is told of these minutes up to then; one minute after the other, so that nobody looks ahead in them."""
    yield from (alert for alert in of_steps(iter(minutes), rules) if micros(alert.at) <= until_us)


def cuts(minutes: Sequence[Minute], alerts: Sequence[Alert], seed: str) -> list[int]:
    """Before how many minutes is cut: somewhere, before the one of the first flag, and right after it."""
    first_us = micros(alerts[0].at)
    before = sum(at_us + MINUTE_US + GRACE_US < first_us for at_us, _ in minutes)
    return sorted({random.Random(seed).randrange(1, len(minutes)), before, before + 1})  # noqa: S311  a seeded test


@pytest.mark.parametrize("rule", sorted(RULES))
def test_what_is_cut_off_changes_no_flag_before_it(rule: str) -> None:
    """The rule fires; a prefix tells the same up to its end, to the last field, and nothing else."""
    story = BY_RULE[rule]
    rules, minutes = RulesNow([one.policy for one in policies(*story.policies).at(0).values()]), minutes_of(story)
    end_us = minutes[-1][0] + MINUTE_US + GRACE_US
    whole = list(told(minutes, rules, until_us=end_us))
    assert rule in {alert.rule for alert in whole if alert.status == "firing"}
    for cut in cuts(minutes, whole, rule):
        until_us = minutes[cut - 1][0] + MINUTE_US + GRACE_US if cut else 0
        expected = [alert for alert in whole if micros(alert.at) <= until_us]
        assert expected == list(told(minutes[:cut], rules, until_us=until_us))
