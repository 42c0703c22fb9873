"""Whom to ask: alerts about an entity name its owner, as the directory says."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from schemas.directory import Agent, BusinessUnit, CostCenter, Credential, Owners, Team, User
from schemas.keys import partition_for
from schemas.policies import Budget
from schemas.signals import Alert
from schemas.topics import PARTITIONS
from streams.burn.stage import BurnLane
from streams.checkpoints import STEP_BYTES
from streams.ports import SourceBatch, SourceRecord
from tests.laws.rating_events import NOW_US, FixedPolicies, batch, event, new_lane, raw, record
from tests.scenarios.burn_log import alerts

DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
DECEMBER_US = int(DECEMBER.timestamp()) * 1_000_000
HOME = partition_for(b"acme", PARTITIONS)
ACME = (
    CostCenter(org="acme", id="4711", owner="fay"),
    BusinessUnit(org="acme", id="lab", owner="eve"),
    Team(org="acme", id="code", business_unit="lab", owner="dan"),
    Team(org="acme", id="code", business_unit="lab", valid_from=DECEMBER),
    Team(org="acme", id="web", cost_center="4711"),
    Team(org="acme", id="ops"),
    User(org="acme", id="ana", team="code"),
    Agent(org="acme", id="bot", team="web", owner="cleo"),
    Credential(org="acme", id="key-1", user="ana"),
    Credential(org="acme", id="key-2", agent="bot"),
    Credential(org="acme", id="key-3", team="web", user="ana"),
)


def test_the_nearest_owner_is_asked_at_that_time() -> None:
    """Its own, else the team's, the unit's or the cost centre's; of a key without a team, of whom it was given to."""
    owners = Owners(ACME)
    asked = {
        ("team", "code"): "dan", ("user", "ana"): "dan", ("credential", "key-1"): "dan", ("agent", "bot"): "cleo",
        ("credential", "key-2"): "cleo", ("credential", "key-3"): "fay", ("business_unit", "lab"): "eve",
        ("team", "ops"): None, ("team", "nobody"): None,
    }  # fmt: skip
    assert {one: owners.of("acme", *one, at_us=DECEMBER_US - 1) for one in asked} == asked
    assert owners.of("acme", "user", "ana", at_us=DECEMBER_US) == "eve"
    assert owners.of("globex", "team", "code", at_us=0) is None


def owners_said(*policies: Any) -> dict[str, str | None]:
    """By rule whom burn's alerts name, of five users on one key that spend 12.5 USD."""
    log, found = FixedPolicies(*policies), list[Alert]()
    rating, burn = new_lane(*policies), BurnLane(HOME, log, step_bytes=STEP_BYTES)
    given: dict[str, Any] = {"credential": "key-3", "input_tokens": 1_000_000, "input_cache_read_tokens": None}
    some = [raw(event(f"e-{user}", user=f"user-{user}", **given)) for user in range(5)]
    result = rating.step(batch([record(one, at, append_time_us=NOW_US) for at, one in enumerate(some)]))
    told = [out for out in result.outputs if out.topic == "internal.deltas" and out.partition == HOME]
    for offset, output in enumerate(told):
        step = SourceRecord(offset, NOW_US, output.key, output.value, output.headers)
        found += alerts(list(burn.step(SourceBatch("internal.deltas", HOME, [step])).outputs))
    return {one.rule: one.owner for one in found}


def test_an_alert_about_a_key_names_its_owner() -> None:
    """Nobody, where there is no directory."""
    other = Budget(id="other", org="acme", scope={"credential": "key-1"}, limit=Decimal(1))
    assert owners_said(*ACME, other) == {"shared_credential": "fay", "uncapped": "fay"}
    assert owners_said(other) == {"shared_credential": None, "uncapped": None}
