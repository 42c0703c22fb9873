"""Whom a charge belongs to: the directory's word at its first day, as for events."""

from datetime import UTC, datetime
from decimal import Decimal

from schemas.directory import CostCenter, Team, User
from schemas.policies import Budget
from tests.laws.charge_world import ChangingPolicies, Lane, message
from tests.unit.test_charges_lane import debited_usd, kept


def test_charge_belongs_to_whom_the_directory_says() -> None:
    """By who was where on its first day; its own word stands apart where it is wrong; a later move changes nothing."""
    moved = datetime(2026, 11, 15, tzinfo=UTC)
    policies = ChangingPolicies()
    policies.set(
        Budget(id="web", org="acme", scope={"team": "web"}, limit=Decimal(900)),
        Budget(id="rest", org="acme", scope={"team": "unattributed"}, limit=Decimal(900)),
        CostCenter(id="4711", org="acme"),
        Team(id="web", org="acme", cost_center="4711"),
        Team(id="code", org="acme"),
        User(id="ana", org="acme", team="web"),
        User(id="ana", org="acme", team="code", valid_from=moved),
    )
    lane = Lane(policies)
    result = lane.send([message("a", user="ana"), message("b", user="ana", team=None), message("c", team=None)])
    said = [(one.get("team"), one.get("cost_center"), one.get("asserted")) for one in kept(list(result.outputs))]
    web = ("web", "4711")
    assert said == [(*web, {"team": "code"}), (*web, None), ("unattributed", "unattributed", None)]
    assert (debited_usd(lane, "web"), debited_usd(lane, "rest")) == (440, 220)
    assert {output.topic for output in lane.send([message("a", user="ana")]).outputs} == {"internal.charges"}  # a copy
    revised = lane.send([message("b", user="ana", team=None, service_from="2026-11-16", revision=2)])
    assert [one.get("team") for one in kept(list(revised.outputs))] == ["code"]
