"""Charges reach budgets through burn: thresholds fire in open periods, and no rate, spike or burn alert does."""

from decimal import Decimal
from typing import Any

import msgspec

from schemas.policies import Budget
from schemas.signals import BudgetState, BudgetStates, Rates
from streams.ports import Output, SourceRecord
from tests.laws.charge_world import HOUR_US, NOW_US, ChangingPolicies, Lane, message
from tests.scenarios.burn_log import SEC, BurnLog, PolicyHistory, Row, alerts, new_lane, run, signals

BUDGET = Budget(id="year", org="acme", limit=Decimal(400))


def change(budget: Budget) -> dict[str, Any]:
    """The change that sets a budget."""
    return {"sets": [budget.model_dump(mode="json")]}


def said_by_charges(*events: dict[str, Any], budget: Budget = BUDGET) -> list[SourceRecord]:
    """The messages of internal.deltas of org acme that the charges lead to, as burn reads them."""
    outputs = Lane(ChangingPolicies(budget)).send(events).outputs
    return [SourceRecord(0, NOW_US, None, one.value, one.headers) for one in outputs if one.topic == "internal.deltas"]


def burnt(records: list[SourceRecord], *, budget: Budget = BUDGET) -> list[Output]:
    """What burn says of them, with a live event beside and a look at its windows after them."""
    log = BurnLog(policy_offset=0)
    log.tick(NOW_US - 10 * SEC)
    log.records += records
    log.say(NOW_US, [Row("acme", "org", "acme", NOW_US - SEC, requests=1, tokens=10, cost_pico=10**12)])
    log.say(NOW_US, [Row("acme", "budget", "year", NOW_US - SEC, requests=1, tokens=10, cost_pico=10**12)])
    log.tick(NOW_US + 30 * SEC)
    numbered = [msgspec.structs.replace(record, offset=at) for at, record in enumerate(log.records)]
    return run(new_lane(PolicyHistory([change(budget)])), numbered)


def states_of(outputs: list[Output]) -> list[BudgetState]:
    """How each period of each budget stands at last."""
    said = [state for one in signals(outputs) if isinstance(one.data, BudgetStates) for state in one.data.states]
    return list({(state.budget_id, state.period_start): state for state in said}.values())


def test_charges_fire_the_thresholds_of_an_open_period() -> None:
    """220 of 400 USD by the 22nd, and one more by an event: past half of it."""
    outputs = burnt(said_by_charges(message()))
    assert [(a.rule, a.level, a.value, a.mode) for a in alerts(outputs)] == [("threshold", "0.5", Decimal(220), "live")]
    (state,) = states_of(outputs)
    assert (state.spent, state.requests) == (Decimal(221), 1)


def test_charges_are_no_burn_rate() -> None:
    """A lump at noon is no speed: rates hold the event alone, and nothing burns too fast."""
    lump = message(amount_usd="350", service_from="2026-11-22", service_until="2026-11-23")
    outputs = burnt(said_by_charges(lump))
    assert {alert.rule for alert in alerts(outputs)} == {"threshold"}
    rates = [rate for one in signals(outputs) if isinstance(one.data, Rates) for rate in one.data.rates]
    assert {window.cost_usd for rate in rates for window in rate.windows} <= {Decimal(0), Decimal(1)}
    assert rates


def test_a_credit_makes_room() -> None:
    """Seats of 220 USD so far, less a credit of 110: nothing of 400 USD is crossed."""
    outputs = burnt(said_by_charges(message(), message("c-2", kind="credit", amount_usd="-150")))
    assert alerts(outputs) == []


def test_sums_of_a_new_budget_are_judged_when_it_is_opened() -> None:
    """The lane sends what was before; the opening, which comes behind, judges it once."""
    policies = ChangingPolicies()
    lane = Lane(policies)
    lane.send([message()])
    policies.set(BUDGET)
    lane.tick(NOW_US + HOUR_US)
    (deltas,) = [output for output in lane.outputs if output.topic == "internal.deltas"]
    log = BurnLog(policy_offset=0, opens=False)
    log.tick(NOW_US)
    log.records.append(SourceRecord(0, NOW_US, None, deltas.value, deltas.headers))
    log.tick(NOW_US + SEC)
    before = len(log.records)
    log.correct(opened=0)
    log.tick(NOW_US + 2 * SEC)
    numbered = [msgspec.structs.replace(record, offset=at) for at, record in enumerate(log.records)]
    burn = new_lane(PolicyHistory([change(BUDGET)]))
    assert alerts(run(burn, numbered[:before])) == []
    assert [(a.level, a.value) for a in alerts(run(burn, numbered[before:]))] == [("0.5", Decimal(220))]


def test_one_annual_budget_holds_seats_credits_and_tokens() -> None:
    """A year's seats so far, a credit, and an event of 1 USD, in one period that begins with the year."""
    annual = BUDGET.model_copy(update={"period": "year", "limit": Decimal(1000)})
    seats = message(amount_usd="365", service_from="2026-01-01", service_until="2027-01-01")
    credit = message("c-2", kind="credit", amount_usd="-73", service_from="2026-01-01", service_until="2027-01-01")
    (state,) = states_of(burnt(said_by_charges(seats, credit, budget=annual), budget=annual))
    assert state.spent == Decimal(1 + 326) - Decimal("0.2") * 326
    assert (state.period_start.isoformat(), state.status) == ("2026-01-01T00:00:00+00:00", "ok")
