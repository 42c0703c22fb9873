"""What patterns says stands beside the contract: an example of an alert of each family, and of an advice."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import schemas
from streams.ports import Output
from tests.scenarios.burn_log import MINUTE
from tests.scenarios.patterns_stories import FOUND, Story
from tests.scenarios.steps_log import StepLog, new_lane, policies, run

EXAMPLES = Path(schemas.__file__).parent / "examples"
STORIES: dict[str, tuple[Callable[[], Story], str]] = {
    "alert.runaway": (lambda: FOUND["a loop of one tool call"], "alerts.anomalies"),
    "alert.dear_run": (lambda: FOUND["a run far dearer than its like"], "alerts.anomalies"),
    "alert.stolen_key": (lambda: FOUND["a stolen key"], "alerts.governance"),
    "alert.sovereignty": (lambda: FOUND["data abroad"], "alerts.governance"),
    "burnline.advice.v1": (lambda: FOUND["a loop of one tool call"], "control.advice"),
}


def said(story: Story, topic: str) -> Output:
    """The first word of a story on a topic."""
    log = StepLog()
    log.tell(story.steps(), every_us=story.every_us)
    log.tick(log.records[-1].append_time_us + MINUTE)
    return next(out for out in run(new_lane(policies(*story.policies)), log.records) if out.topic == topic)


@pytest.mark.parametrize("name", STORIES)
def test_what_is_said_is_the_example(name: str) -> None:
    """Every field, number and word of the checked-in example comes out of the rules."""
    story, topic = STORIES[name]
    assert json.loads((EXAMPLES / f"{name}.json").read_text()) == json.loads(said(story(), topic).value)
