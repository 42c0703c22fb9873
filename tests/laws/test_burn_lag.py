"""A lane that lags or dies only delays: nothing resolves or fires for a silence that nobody can know of yet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hypothesis import example, given
from hypothesis import strategies as st

from schemas.signals import Alert
from tests.laws.test_burn_log import FEW
from tests.scenarios.burn_log import MINUTE, SEC, BurnLog, PolicyHistory, Row, alerts, new_lane, run, us

START = us("2026-11-22T09:00:00")
LANES, SLOW, STEP, BACKLOG = 3, 2, 30 * SEC, 10 * MINUTE
LENGTH = 34 * MINUTE
BUDGET = {"kind": "budget", "id": "code", "org": "acme", "limit": "1000", "thresholds": ["0.02", "1"]}
RULE = {"kind": "shared_credential_rule", "org": "acme", "min_distinct_users": 4}


@dataclass(frozen=True)
class Message:
    """What one lane of rating says at one log time."""

    at_us: int
    lane: int
    rows: Sequence[Row]


def day(*, burst_us: int, long_us: int) -> Iterator[Message]:
    """All lanes speak each 30 s; in the slow one team code burns 6 USD each time during a burst, with a shared key."""
    for at_us in range(START, START + LENGTH, STEP):
        for lane in range(LANES):
            rows = [Row("acme", "team", "data", at_us, cost_pico=10**9)] if lane == 0 else []
            if lane == SLOW and burst_us <= at_us - START < burst_us + long_us:
                users = tuple(range(1, 7))
                rows = [Row("acme", "budget", "code", at_us, cost_pico=6 * 10**12)]
                rows += [Row("acme", "credential", "key", at_us, cost_pico=6 * 10**12, users=users)]
            yield Message(at_us, lane, rows)


def late(messages: Sequence[Message], *, lag_us: int) -> list[Message]:
    """The same messages, those of the slow lane held back for ten minutes from `lag_us` on, then all at once."""
    until_us = START + lag_us + BACKLOG

    def arrives_us(message: Message) -> int:
        held = message.lane == SLOW and START + lag_us <= message.at_us < until_us
        return until_us if held else message.at_us

    return sorted(messages, key=arrives_us)


def said(messages: Sequence[Message], changes: Sequence[object] = (BUDGET, RULE)) -> list[tuple[int, list[Alert]]]:
    """The alerts of each message, with the log time that its lane had."""
    lane, found = new_lane(PolicyHistory([{"sets": changes}])), []
    log = BurnLog(lanes=LANES, policy_offset=0)
    for message in messages:
        log.say(message.at_us, message.rows, lane=message.lane)
        found.append((message.at_us, alerts(run(lane, log.records[-1:]))))
    return found


def told(found: Sequence[tuple[int, list[Alert]]]) -> set[tuple[str, str, str, str]]:
    """What was said, whenever."""
    return {(one.rule, one.entity_id, one.level, one.status) for _, some in found for one in some}


@FEW
@example(lag_min=6, long_min=3, burst_min=7)  # the burst comes and goes within the backlog
@given(st.integers(6, 18), st.integers(3, 6), st.integers(1, 12))
def test_a_backlog_of_ten_minutes_only_delays(lag_min: int, long_min: int, burst_min: int) -> None:
    """While a lane lags nothing resolves; when it has caught up, the same has been said as if it had never lagged."""
    messages = list(day(burst_us=burst_min * MINUTE, long_us=long_min * MINUTE))
    in_time = said(messages)
    delayed = late(messages, lag_us=lag_min * MINUTE)
    lagging = said(delayed)
    assert told(in_time) == told(lagging)
    assert {rule for rule, *_ in told(lagging)} == {"burn_rate", "threshold", "shared_credential"}
    begins = next(number for number, message in enumerate(delayed) if message.at_us >= START + lag_min * MINUTE)
    ends = next(number for number in range(begins, len(delayed)) if delayed[number].lane == SLOW)
    assert ends - begins >= (LANES - 1) * BACKLOG // STEP
    assert {status for *_, status in told(lagging[begins:ends])} <= {"firing"}


@FEW
@given(st.integers(3, 6))
def test_a_dead_lane_only_delays(long_min: int) -> None:
    """While one lane says nothing at all, whatever fired stays; only from its first word on does it calm down.

    That takes as long as the longest window that fired, six hours.
    """
    messages = list(day(burst_us=MINUTE, long_us=long_min * MINUTE))
    dies_us = START + (2 + long_min) * MINUTE
    alive = [message for message in messages if message.lane != 1 or message.at_us < dies_us]
    back_us = START + LENGTH + 70 * MINUTE
    steps_us = [step * MINUTE for step in (0, 1, 2, 3, 4, 60, 61, 365, 366)]
    back = [Message(back_us + step_us, lane, ()) for step_us in steps_us for lane in range(LANES)]
    found = said([*alive, *back])
    dead, calm = told(found[: len(alive)]), told(found[len(alive) :])
    assert {(rule, status) for rule, *_, status in dead} == {
        (rule, "firing") for rule in ("burn_rate", "threshold", "shared_credential")
    }
    assert {one[:3] for one in calm} == {one[:3] for one in dead if one[0] != "threshold"}
    assert {status for *_, status in calm} == {"resolved"}
