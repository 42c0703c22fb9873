"""Budgets in burn equal the ledger, whatever the order of events, copies, policies, openings and readers."""

import os
import random
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.policies import Budget
from streams.burn import rings
from streams.burn.budgets import PeriodKey
from streams.burn.limits import Pair
from streams.burn.stage import BurnLane
from streams.ports import SourceBatch
from tests.laws.small_ledger import exact_sums
from tests.laws.small_world import World, random_event
from tests.scenarios.burn_log import MINUTE, SEC, PolicyHistory, alerts, new_lane, us

FEW = settings(
    max_examples=int(os.environ.get("BURN_EXAMPLES", "6")),
    suppress_health_check=[HealthCheck.too_slow],
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
"""Each example is a whole world, so few by default; `BURN_EXAMPLES=200` looks harder."""

START = us("2026-11-22T19:10:00")  # a day begins in India meanwhile
MONTH = {"kind": "budget", "id": "month", "org": "acme", "limit": "2"}
HOUR = {"kind": "budget", "id": "hour", "org": "acme", "each": "user", "period": "hour", "limit": "0.4"}
INDIA = {"kind": "budget", "id": "india", "org": "acme", "period": "day", "timezone": "Asia/Kolkata", "limit": "1"}
CODE = {"kind": "budget", "id": "code", "org": "acme", "scope": {"team": "code"}, "unit": "tokens", "limit": "2000000"}
CHANGES: list[dict[str, Any]] = [
    {"sets": [MONTH, HOUR]},
    {"sets": [{**MONTH, "limit": "1"}, CODE]},
    {"sets": [INDIA, {**HOUR, "limit": "0.2"}], "removes": [("budget", "acme", "code")]},
    {"sets": [{**MONTH, "scope": {"team": "code"}}, CODE]},
]


def lived(dice: random.Random, *, moments: int = 90, copies: bool = True) -> World:
    """A world after a random life: whoever has something to do does it at any moment."""
    policies = PolicyHistory(CHANGES[:1] if dice.random() < 0.5 else [])
    world = World(policies, dice, start_us=START, window_events=dice.randrange(1, 4))
    for number in range(moments):
        world.now_us += dice.choice([0, SEC // 3, 3 * SEC, MINUTE])
        happens = dice.random()
        if happens < 0.35:
            world.emit(random_event(dice, number, world.now_us), dice.randrange(2))
        elif happens < 0.5 and world.sent:
            partition, value = dice.choice(world.sent)
            if copies:
                world.events[partition].arrive(value, world.now_us)
        elif happens < 0.55 and policies.latest()[0] + 1 < len(CHANGES):
            policies.append(CHANGES[policies.latest()[0] + 1])
        elif happens < 0.6:
            worker = dice.choice(world.workers)
            worker.view.upto += int(dice.random() * (policies.latest()[0] - worker.view.upto + 1))
        elif happens < 0.85:
            world.rate(dice.choice(world.workers))
        elif happens < 0.95:
            world.store()
        else:
            world.open()
    world.settle()
    return world


def spent(lane: BurnLane, budget: Budget) -> dict[tuple[str, int], int]:
    """What burn holds of a budget, in whole units, but for periods that came to nothing."""
    column, found = lane.state.periods.columns, {}
    for key, slot in lane.state.periods.slots.items():
        if key[:2] == (budget.org, budget.id):
            high, low = int(column["high"][slot]), int(column["low"][slot])
            found[key[2], key[3]] = high * 10**6 + low if budget.unit == "usd" else high
    return {key: amount for key, amount in found.items() if amount}


@settings(FEW)
@given(st.integers(0, 10**6))
def test_budgets_equal_the_ledger_in_any_order(seed: int) -> None:
    """Each period of each budget is the exact sum of the ledger's rows that match it; copies beyond the window too."""
    world = lived(random.Random(seed))  # noqa: S311  a repeatable world, no secret
    lane = new_lane(world.policies)
    lane.step(SourceBatch("internal.deltas", 0, world.deltas))
    assert lane.state.opened == world.policies.latest()[0]
    in_force = [e.policy for e in world.policies.latest()[1].values() if isinstance(e.policy, Budget)]
    for budget in in_force:
        exact = {key: amount for key, amount in exact_sums(world.ledger, budget).items() if amount}
        assert exact == spent(lane, budget), budget.id


@settings(FEW)
@given(st.integers(0, 10**6))
def test_thresholds_fire_once_and_never_fall(seed: int) -> None:
    """In a budget's life `crossed` never falls and is never behind, no threshold fires twice, what is reached fired."""
    world = lived(random.Random(seed))  # noqa: S311  a repeatable world, no secret
    lane, crossed, said = new_lane(world.policies), dict[tuple[object, ...], int](), set[tuple[object, ...]]()
    for record in world.deltas:
        outputs = lane.step(SourceBatch("internal.deltas", 0, [record])).outputs
        plans = lane.state.policies.plans if lane.state.policies is not None else {}
        for key, slot in lane.state.periods.slots.items():
            life = (*key, plans[key[:2]].matched_since)
            now = int(lane.state.periods.columns["crossed"][slot])
            assert now >= max(crossed.get(life, 0), highest(lane, key))
            crossed[life] = now
        for alert in alerts(outputs):
            if alert.rule == "threshold" and alert.status == "firing":
                since = plans[alert.org, str(alert.budget_id)].matched_since
                fired = (alert.budget_id, alert.member or "", alert.period_start, alert.level, since)
                assert fired not in said
                said.add(fired)
    assert reached(lane) <= {(one[0], one[1], one[3]) for one in said}


def highest(lane: BurnLane, key: PeriodKey) -> int:
    """The highest threshold that a period has reached, in millionths; 0 for a budget that is not open yet."""
    state, column = lane.state, lane.state.periods.columns
    plan = state.policies.plans[key[:2]] if state.policies is not None else None
    slot = state.periods.slots[key]
    step = plan.highest((int(column["high"][slot]), int(column["low"][slot]))) if plan is not None else None
    return step.share_millionths if plan is not None and step is not None and state.is_open(plan) else 0


def reached(lane: BurnLane) -> set[tuple[object, ...]]:
    """The thresholds (budget, member, level) that periods which are open in the end have reached."""
    column, state, found = lane.state.periods.columns, lane.state, set[tuple[object, ...]]()
    for key, slot in state.periods.slots.items():
        plan = state.policies.plans[key[:2]] if state.policies is not None else None
        if plan is None or column["end_us"][slot] <= state.clock.closed_us():
            continue
        amount: Pair = (int(column["high"][slot]), int(column["low"][slot]))
        found |= {(key[1], key[2], str(step.share)) for step in plan.steps if amount >= step.need}
    return found


@settings(FEW)
@given(st.integers(0, 10**6))
def test_windows_after_a_correction_are_those_without_the_copy(seed: int) -> None:
    """Every window of every entity and budget member: copies and their signed rows leave nothing behind."""
    with_copies, without = (
        lived(random.Random(seed), copies=copies)  # noqa: S311  a repeatable world, no secret
        for copies in (True, False)
    )
    assert windows(with_copies) == windows(without)


def windows(world: World) -> dict[tuple[str, ...], list[tuple[int, ...]]]:
    """What each window of each row holds at the lead, but for rows that hold nothing."""
    lane = new_lane(world.policies)
    lane.step(SourceBatch("internal.deltas", 0, world.deltas))
    found: dict[tuple[str, ...], list[tuple[int, ...]]] = {}
    for name, table in (("entities", lane.state.entities), ("members", lane.state.members)):
        for key, slot in table.slots.items():
            held = []
            for window_sec in rings.WINDOW_RING:
                at_us = lane.state.clock.lead_us
                sums = rings.sums(table.columns, np.array([slot]), window_sec=window_sec, at_us=at_us)
                held.append(tuple(int(part[0]) for part in (sums.requests, sums.tokens, sums.micro, sums.pico)))
            if any(any(window) for window in held):
                found[(name, *key)] = held
    return found
