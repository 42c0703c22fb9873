"""What an alert says of the change of spend behind it: exact sums of twice a day, and who they are of, never people."""

from decimal import Decimal
from typing import Any

from schemas.periods import instant
from schemas.signals import Alert, AlertBridge
from tests.scenarios.burn_log import DAY, HOUR, SEC, BurnLog, PolicyHistory, Row, alerts, new_lane, run, us

AT = us("2026-11-22T09:30:00")
USD = 10**12


def budget(id_: str, **fields: Any) -> dict[str, Any]:
    """A budget without alerts but for its limit."""
    return {"kind": "budget", "id": id_, "org": "acme", "limit": "1000", "thresholds": ["1"], **fields}


def spent(log: BurnLog, at_us: int, usd: int, *, user: str = "ana", calls: int = 1) -> None:
    """A user's calls of an agent, in all budgets of `BUDGETS`: ana is in team code, others in team data."""
    team = "code" if user == "ana" else "data"
    keys: list[tuple[str, str, str | None]] = [
        ("org", "acme", None),
        ("team", team, None),
        ("user", user, None),
        ("agent", "bot", None),
    ]
    keys += [("budget", "whole", None), ("budget", "teams", team), ("budget", "users", user)]
    keys += [("budget", "code", None), ("budget", "code-chat", None)] if team == "code" else []
    log.say(
        at_us,
        [
            Row("acme", kind, name, at_us, cost_pico=usd * USD, tokens=100 * usd, requests=calls, member=member)
            for kind, name, member in keys
        ],
    )


BUDGETS = [
    budget("whole", limit="100"),
    budget("teams", each="team"),
    budget("users", each="user"),
    budget("code", scope={"team": "code"}, limit="60"),
    budget("code-chat", scope={"team": "code", "use_case": "chat"}),
]


def bridges(log: BurnLog) -> dict[str, AlertBridge]:
    """The bridges of the alerts of a log, by budget."""
    found: list[Alert] = alerts(run(new_lane(PolicyHistory([{"sets": BUDGETS}])), log.records))
    return {one.budget_id: one.bridge for one in found if one.budget_id is not None and one.bridge is not None}


def test_alert_says_what_changed_and_who_spent() -> None:
    """30 USD yesterday, 90 today: twice the calls, each half as long again; teams and agents by name."""
    log = BurnLog(policy_offset=0)
    spent(log, AT - DAY - HOUR, 20, calls=2)
    spent(log, AT - DAY, 10, user="bob")
    spent(log, AT, 50, calls=4)
    spent(log, AT + SEC, 40, user="bob", calls=2)
    found = bridges(log)
    whole = found["whole"]
    assert (whole.unit, whole.before, whole.after) == ("usd", Decimal(30), Decimal(90))
    assert whole.terms == {"calls": Decimal(30), "tokens_per_call": Decimal(30), "cost_per_token": Decimal(0)}
    said = [(one.entity_type, one.entity_id, one.after) for one in whole.contributors]
    assert said == [("agent", "bot", Decimal(90)), ("team", "code", Decimal(50)), ("team", "data", Decimal(40))]
    assert (whole.since, whole.baseline_since) == (
        instant(us("2026-11-21T10:00:00")),
        instant(us("2026-11-20T10:00:00")),
    )
    code = found["code"]
    assert [(one.entity_type, one.entity_id) for one in code.contributors] == [("use_case", "chat")]
    assert "ana" not in repr(found)
    assert "burnline explain" in code.left_open


def test_what_an_opening_brought_has_no_baseline() -> None:
    """Nobody knows in which hours it was spent: there are no terms, and that is said."""
    log = BurnLog(policy_offset=0, opens=False)
    log.tick(AT - 2 * HOUR)
    log.correct([Row("acme", "budget", "whole", us("2026-11-01"), cost_pico=90 * USD, live=False)], opened=0)
    spent(log, AT, 50)
    whole = bridges(log)["whole"]
    assert (whole.terms, whole.after) == (None, Decimal(50))
    assert whole.left_open.startswith("what was spent before the budget was applied")


def test_what_notifies_nobody_has_no_bridge() -> None:
    """The lower thresholds of a tick: the highest one says it."""
    log = BurnLog(policy_offset=0)
    spent(log, AT, 120)
    lane = new_lane(PolicyHistory([{"sets": [budget("whole", limit="100", thresholds=["0.5", "1"])]}]))
    found = [(one.level, one.bridge is None) for one in alerts(run(lane, log.records)) if one.rule == "threshold"]
    assert found == [("0.5", True), ("1", False)]
