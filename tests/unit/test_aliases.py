"""A rotated key goes on under its first id: budgets, baselines and alerts see no rotation."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from deploy.policy_files import PolicyFile, read_policies
from deploy.policy_files.changes import Author, change_between
from schemas.aliases import Alias, Aliases
from schemas.errors import PolicyError
from schemas.keys import partition_for
from schemas.policies import AnyPolicy, Budget, InForce, Policies, key_of
from schemas.signals import Alert
from schemas.topics import PARTITIONS
from streams.burn.stage import BurnLane
from streams.checkpoints import STEP_BYTES
from streams.ports import SourceBatch, SourceRecord
from streams.rating.stage import RatingLane
from tests.laws.rating_events import FixedPolicies, batch, event, new_lane, raw, record, rows_of, step
from tests.scenarios.burn_log import HOUR, MINUTE, alerts, us

ROTATION = Alias(org="acme", credential="k1:old", becomes="k2:new")
AUTHOR = Author(actor="dana", at=datetime(2026, 11, 22, tzinfo=UTC), files=())
START = us("2026-11-21T06:00:00")
HOME = partition_for(b"acme", PARTITIONS)


def named(*events: dict[str, Any], policies: tuple[AnyPolicy, ...] = (ROTATION,)) -> list[tuple[Any, Any]]:
    """The credential of each row, and what was asserted."""
    rows = rows_of(step(new_lane(*policies), [raw(one) for one in events]))
    return [(row["credential"], dict(row["asserted"] or ())) for row in rows]


def test_the_new_key_counts_as_the_old_and_what_was_sent_is_kept() -> None:
    """Of the org that said so only; another claim that stood in `asserted` stays."""
    found = named(
        event("a", credential="k2:new"),
        event("b", credential="k1:old"),
        event("c", credential="k2:new", org="globex"),
        event("d", credential="k2:new", asserted={"user": "bo", "credential": "mine"}),
        event("e", credential=None, team="code"),
    )
    assert found == [
        ("k1:old", {"credential": "k2:new"}),
        ("k1:old", {}),
        ("k2:new", {}),
        ("k1:old", {"user": "bo", "credential": "mine"}),
        (None, {}),
    ]


def test_an_alias_holds_from_its_time_on() -> None:
    """Inclusive, in event time."""
    since = ROTATION.model_copy(update={"valid_from": datetime(2026, 11, 22, 9, tzinfo=UTC)})
    before = event("a", credential="k2:new", time="2026-11-22T08:59:59.999999Z")
    at = event("b", credential="k2:new", time="2026-11-22T09:00:00Z")
    assert [name for name, _ in named(before, at, policies=(since,))] == ["k2:new", "k1:old"]


def test_rotations_follow_each_other_to_the_first_key_and_rings_end() -> None:
    """A third key counts as the first; where aliases go in a ring, rating still ends."""
    third = Alias(org="acme", credential="k2:new", becomes="k3:newer")
    both = Aliases([ROTATION, third])
    assert both.first(org="acme", credential="k3:newer", event_us=0) == "k1:old"
    ring = Aliases([*(ROTATION, third), Alias(org="acme", credential="k3:newer", becomes="k1:old")])
    assert ring.first(org="acme", credential="k3:newer", event_us=0) == "k1:old"
    assert (both.rings(), ring.rings()) == ([], [("acme", "k1:old"), ("acme", "k2:new"), ("acme", "k3:newer")])


def test_apply_refuses_a_ring() -> None:
    """With what is in force already."""
    in_force: Policies = {key_of(ROTATION): InForce(policy=ROTATION, since=0, matched_since=0)}
    back = Alias(org="acme", credential="k2:new", becomes="k1:old")
    with pytest.raises(PolicyError, match=r"alias: acme/k1:old, acme/k2:new would take over from itself"):
        change_between(in_force, (back,), (), author=AUTHOR)
    change = change_between(in_force, (back,), (key_of(ROTATION),), author=AUTHOR)
    assert change is not None
    assert (change.sets, change.removes) == ((back,), (("alias", "acme", "k2:new"),))


def test_a_file_says_a_rotation() -> None:
    """With a date; a key itself, or one that becomes itself, is refused and not repeated."""
    text = b'[[alias]]\norg = "acme"\ncredential = "k1:old"\nbecomes = "k2:new"\nvalid_from = 2026-11-22\n'
    [alias] = read_policies([PolicyFile("keys.toml", text)])
    assert alias == ROTATION.model_copy(update={"valid_from": datetime(2026, 11, 22, tzinfo=UTC)})
    for wrong in (b'"k1:old"', b'"sk-proj-canary1234567890abcdef"'):
        with pytest.raises(PolicyError) as refused:
            read_policies([PolicyFile("keys.toml", text.replace(b'"k2:new"', wrong))])
        assert "canary" not in str(refused.value)
    with pytest.raises(ValidationError, match="say the offset"):
        Alias(org="acme", credential="a", becomes="b", valid_from=datetime(2026, 1, 1))  # noqa: DTZ001  that is the mistake


def concluded(*policies: AnyPolicy, rotated_at: int) -> list[Alert]:
    """What burn says of 30 hours of calls, four an hour at 0.5 USD each, whose key is another from `rotated_at` on."""
    log = FixedPolicies(*policies)
    rating, burn = new_lane(*policies), BurnLane(HOME, log, step_bytes=STEP_BYTES)
    burn.state.opened = 0  # the ledger had nothing of these budgets
    found: list[Alert] = []
    offset = 0
    for number in range(120):
        at_us = START + number * 15 * MINUTE
        key = "k2:new" if at_us >= rotated_at else "k1:old"
        for output in _rated(rating, number, at_us, key):
            told = SourceRecord(offset, at_us, output.key, output.value, output.headers)
            found += alerts(list(burn.step(SourceBatch("internal.deltas", HOME, [told])).outputs))
            offset += 1
    return found


def _rated(rating: RatingLane, number: int, at_us: int, key: str) -> list[Any]:
    time = datetime.fromtimestamp(at_us / 1e6, UTC).isoformat()
    said = event(f"e-{number}", time=time, credential=key, input_tokens=200_000, input_cache_read_tokens=None)
    result = rating.step(batch([record(raw(said), number, append_time_us=at_us + 1)]))
    return [out for out in result.outputs if out.topic == "internal.deltas" and out.partition == HOME]


def test_a_rotation_is_seen_by_no_alert_and_breaks_no_budget() -> None:
    """The alerts are those of a key that was never rotated; without the alias the budget loses the new key."""
    budget = Budget(id="key", org="acme", scope={"credential": "k1:old"}, limit=Decimal(60), burn_alerts=False)
    each = Budget(id="keys", org="acme", each="credential", limit=Decimal(60), burn_alerts=False)
    never = concluded(budget, each, ROTATION, rotated_at=START + 1000 * HOUR)
    rotated = concluded(budget, each, ROTATION, rotated_at=START + 20 * HOUR)
    assert {(alert.rule, alert.budget_id) for alert in never} == {("threshold", "key"), ("threshold", "keys")}
    assert rotated == never
    assert concluded(budget, each, rotated_at=START + 20 * HOUR) != never
