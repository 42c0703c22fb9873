"""What slim rows cost, in CPU microseconds: `python -m tests.scenarios.steps_cost`.

Rating: the rows and their messages out of a batch of 10,000 events that is rated already, the best of five. Patterns: a
message of 10,000 rows, the best of four, with a rule of governance. Numbers of a busy machine are upper bounds.
"""

import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pyarrow as pa

from schemas.internal import to_arrow_bytes
from streams.ports import SourceBatch
from streams.rating import stage, steps
from tests.laws.rating_events import event, new_lane, raw, step
from tests.scenarios.burn_log import SEC, us
from tests.scenarios.steps_log import StepLog, call, policies
from tests.scenarios.steps_log import new_lane as new_patterns

EVENTS = 10_000
AT = us("2026-11-22T09:00:00")
Names = dict[str, Callable[[int], str | None]]
KEY: Names = {"credential": lambda n: f"k{n % 300}"}
NOBODY: Names = {"credential": lambda _: None}
RUN: Names = {
    **KEY, "run": lambda n: f"r{n % 400}", "agent": lambda n: f"a{n % 9}", "tool": lambda _: "search",
    "tool_call_hash": lambda n: f"h{n}", "prompt_fingerprint": lambda n: f"p{n}", "task_template": lambda _: "fix",
}  # fmt: skip


def _of(names: Names, number: int) -> dict[str, Any]:
    return {name: make(number) for name, make in names.items()}


def rating_us(names: Names) -> float:
    """What an event adds in rating."""
    took: list[float] = []

    def timed(*arguments: Any, **keywords: Any) -> pa.RecordBatch | None:
        for _ in range(5):
            began = time.process_time()
            found = steps.steps_of(*arguments, **keywords)
            if found is not None:
                to_arrow_bytes(found)
            took.append(time.process_time() - began)
        return found

    some = [raw(event(f"e{n}", **_of(names, n))) for n in range(EVENTS)]
    with patch.object(stage, "steps_of", timed):
        step(new_lane(), some)
    return min(took) * 1e6 / EVENTS


def patterns_us(names: Names) -> float:
    """What a row takes in patterns."""
    log = StepLog()
    for second in range(4):
        rows = [{**call(AT + second * SEC + n), **_of(names, n)} for n in range(EVENTS)]
        log.say(AT + second * SEC, rows)
    lane, took = new_patterns(policies({"kind": "governance_rule", "approved_models": ("gpt*",)})), []
    for record in log.records:
        began = time.process_time()
        lane.step(SourceBatch("internal.steps", 0, [record]))
        took.append(time.process_time() - began)
    return min(took) * 1e6 / EVENTS


def main() -> None:
    """Prints the costs."""
    print("us per event     rating  patterns")  # noqa: T201  a command
    for what, names in (("names nothing", NOBODY), ("a key", KEY), ("a run", RUN)):
        patterns = "       -" if names is NOBODY else f"{patterns_us(names):8.2f}"
        print(f"{what:<15} {rating_us(names):7.2f}  {patterns}")  # noqa: T201  a command


if __name__ == "__main__":
    main()
