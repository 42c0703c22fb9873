"""Names that an organisation never used: how many are told, and at which cost."""

from tests.scenarios.burn_log import HOUR
from tests.scenarios.patterns_stories import then_new
from tests.scenarios.steps_log import StepLog, alerts, new_lane, policies, run


def test_new_names_are_five_a_day() -> None:
    """Of thirty new models that cost something the first five are told, and nobody is notified of them."""
    log = StepLog()
    log.tell(then_new(names=30), every_us=HOUR)
    fired = alerts(run(new_lane(policies()), log.records))
    assert [(alert.entity_id, alert.severity, alert.notify) for alert in fired] == [
        (f"new{number}", "info", False) for number in range(5)
    ]


def test_what_a_new_name_cost_is_exact() -> None:
    """To the pico-dollar, as the ledger has it, whichever batches its calls came in."""
    log = StepLog()
    log.tell(({**step, "cost_pico_remainder": 999_999} for step in then_new()), every_us=HOUR)
    (fired,) = alerts(run(new_lane(policies()), log.records))
    assert fired.evidence["cost_usd"] == "12.000001999998"
