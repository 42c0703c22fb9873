"""Budgets in burn equal the ledger, whatever the order of events, copies, policies, openings and readers."""

import os
import random
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.policies import Budget
from streams.burn import rings
from streams.burn.period_table import AMOUNTS, PeriodKey, spent_in
from streams.burn.stage import BurnLane
from streams.ports import SourceBatch
from tests.laws.small_ledger import exact_sums
from tests.laws.small_world import World, random_event, revised
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


def lived(dice: random.Random, *, moments: int = 90, copies: bool = True, odd: bool = True) -> World:
    """A world after a random life: whoever has something to do does it at any moment.

    `odd`: there are revisions, operators correct rows, and copies come in other partitions too.
    """
    policies = PolicyHistory(CHANGES[:1] if dice.random() < 0.5 else [])
    world = World(policies, dice, start_us=START, window_events=dice.randrange(1, 4))
    for number in range(moments):
        world.now_us += dice.choice([0, SEC // 3, 3 * SEC, MINUTE])
        happens = dice.random()
        if happens < 0.35:
            world.emit(random_event(dice, number, world.now_us), dice.randrange(2))
        elif happens < 0.5 and world.sent:
            again(world, dice, copies=copies, odd=odd, revises=happens >= 0.45)
        elif happens < 0.55 and policies.latest()[0] + 1 < len(CHANGES):
            policies.append(CHANGES[policies.latest()[0] + 1])
        elif happens < 0.6:
            worker = dice.choice(world.workers)
            worker.view.upto += int(dice.random() * (policies.latest()[0] - worker.view.upto + 1))
        elif happens < 0.85:
            world.rate(dice.choice(world.workers))
        elif happens < 0.93:
            world.store()
        elif happens < 0.96 and odd:
            world.correct()
        else:
            world.open()
    world.settle()
    for _ in range(4 if odd else 0):  # no later opening hides what burn is told of these
        world.correct()
    world.settle()
    return world


def again(world: World, dice: random.Random, *, copies: bool, odd: bool, revises: bool) -> None:
    """An earlier event comes once more, as it was or revised; the dice are thrown alike in any case."""
    partition, (home, value) = dice.choice([dice.randrange(2), None]), dice.choice(world.sent)
    where = home if partition is None or not odd else partition
    if revises and odd:
        world.emit(revised(dice, value), where)
    elif copies and not revises:
        world.events[where].arrive(value, world.now_us)


def spent(lane: BurnLane, budget: Budget) -> dict[tuple[str, int], tuple[int, int]]:
    """What burn holds of a budget, in whole units, and what of it is estimated; but for what came to nothing."""
    column, found = lane.state.periods.columns, {}
    for key, slot in lane.state.periods.slots.items():
        if key[:2] == (budget.org, budget.id):
            high, low, estimated_high, estimated_low = (int(column[name][slot]) for name in AMOUNTS)
            whole = high * 10**6 + low if budget.unit == "usd" else high
            found[key[2], key[3]] = (whole, estimated_high * 10**6 + estimated_low)
    return {key: both for key, both in found.items() if any(both)}


@settings(FEW)
@given(st.integers(0, 10**6))
def test_budgets_equal_the_ledger_in_any_order(seed: int) -> None:
    """Each period of each budget is the exact sum of the ledger's rows that match it.

    Copies beyond the window and in other partitions too, revisions and voids, before and after what they revise, and
    what operators undo or rate anew meanwhile.
    """
    world = lived(random.Random(seed))  # noqa: S311  a repeatable world, no secret
    lane = new_lane(world.policies)
    lane.step(SourceBatch("internal.deltas", 0, world.deltas))
    assert lane.state.opened == world.policies.latest()[0]
    in_force = [e.policy for e in world.policies.latest()[1].values() if isinstance(e.policy, Budget)]
    for budget in in_force:
        exact = {key: both for key, both in exact_sums(world.ledger, budget).items() if any(both)}
        assert exact == spent(lane, budget), budget.id


@settings(FEW)
@given(st.integers(0, 10**6))
def test_thresholds_fire_once_and_never_fall(seed: int) -> None:
    """In a budget's life `crossed` never falls and is never behind, no threshold fires twice, what is reached fired."""
    world = lived(random.Random(seed))  # noqa: S311  a repeatable world, no secret
    lane, said = new_lane(world.policies), set[tuple[object, ...]]()
    crossed: dict[tuple[object, ...], tuple[int, int]] = {}
    for record in world.deltas:
        outputs = lane.step(SourceBatch("internal.deltas", 0, [record])).outputs
        plans = lane.state.policies.plans if lane.state.policies is not None else {}
        for key, slot in lane.state.periods.slots.items():
            life = (*key, plans[key[:2]].matched_since)
            column = lane.state.periods.columns
            now = int(column["crossed"][slot])
            supposed = max(now, int(column["crossed_estimated"][slot]))
            before, held = crossed.get(life, (0, 0)), highest(lane, key)
            assert now >= max(before[0], held[0])
            assert supposed >= max(before[1], held[1])
            crossed[life] = (now, supposed)
        for alert in alerts(outputs):
            if alert.rule == "threshold" and alert.status == "firing":
                since = plans[alert.org, str(alert.budget_id)].matched_since
                fired = (alert.budget_id, alert.member or "", alert.period_start, alert.level, alert.basis, since)
                assert fired not in said
                assert alert.basis == "estimated" or (*fired[:-2], "estimated", since) not in said or alert.seq > 1
                said.add(fired)
    by_cost, with_estimates = reached(lane)
    assert by_cost <= {(one[0], one[1], one[3]) for one in said if one[4] == "actual"}
    assert with_estimates <= {(one[0], one[1], one[3]) for one in said}


def highest(lane: BurnLane, key: PeriodKey) -> tuple[int, int]:
    """The highest thresholds that a period has reached by cost and with estimates, in millionths; 0 where unopened."""
    state = lane.state
    plan = state.policies.plans[key[:2]] if state.policies is not None else None
    if plan is None or not state.is_open(plan):
        return 0, 0
    held = spent_in(state.periods, state.periods.slots[key])
    steps = (plan.highest(held.priced), plan.highest(held.with_estimates))
    by_cost, with_estimates = (0 if step is None else step.share_millionths for step in steps)
    return by_cost, with_estimates


def reached(lane: BurnLane) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    """The thresholds (budget, member, level) that open periods have reached in the end: by cost, and with estimates."""
    column, state = lane.state.periods.columns, lane.state
    by_cost, with_estimates = set[tuple[object, ...]](), set[tuple[object, ...]]()
    for key, slot in state.periods.slots.items():
        plan = state.policies.plans[key[:2]] if state.policies is not None else None
        if plan is None or column["end_us"][slot] <= state.clock.closed_us():
            continue
        held = spent_in(state.periods, slot)
        for amount, found in ((held.priced, by_cost), (held.with_estimates, with_estimates)):
            found |= {(key[1], key[2], str(step.share)) for step in plan.steps if amount >= step.need}
    return by_cost, with_estimates


@settings(FEW)
@given(st.integers(0, 10**6))
def test_windows_after_a_correction_are_those_without_the_copy(seed: int) -> None:
    """Every window of every entity and budget member: copies and their signed rows leave nothing behind."""
    with_copies, without = (
        lived(random.Random(seed), copies=copies, odd=False)  # noqa: S311  a repeatable world, no secret
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
