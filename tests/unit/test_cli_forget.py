"""What `burnline forget` asks for, and what it says is left."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from deploy.forgetting import leftovers, request_for, rows_by_table
from deploy.policy_log import Logged
from schemas.errors import InputError
from schemas.policies import Budget, InForce, OnePolicy, PolicyChange, key_of
from schemas.topics import TOPICS

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def logged(offset: int, *sets: OnePolicy) -> Logged:
    """A change of policies."""
    change = PolicyChange(change_id="c", actor="dana", at="2026-11-22T09:00:00Z", files=(), sets=sets)
    return Logged(offset, NOW, change)


def budget(name: str, **more: object) -> Budget:
    """A budget of acme."""
    return Budget.model_validate({"id": name, "org": "acme", "limit": Decimal(1), **more})


def test_every_budget_that_ever_was_for_each_user_is_asked_about() -> None:
    """Of the organisation only, removed and changed ones too; the pseudonym is random and holds no name."""
    each = budget("each", each="user")
    log = [logged(0, each, budget("teams", each="team"), each.model_copy(update={"org": "globex", "id": "theirs"}))]
    log.append(logged(1, budget("each", each="team")))
    first, second = (request_for("ana", "acme", log, dry_run=False) for _ in range(2))
    assert (first.org, first.user, first.budgets, first.dry_run) == ("acme", "ana", ("each",), False)
    assert first.pseudonym.startswith("forgotten:")
    assert len(first.pseudonym) == 26
    assert first.pseudonym != second.pseudonym
    again = request_for("ana", "acme", log, dry_run=False, pseudonym=first.pseudonym)
    assert (again.pseudonym, again.request_id != first.request_id) == (first.pseudonym, True)
    with pytest.raises(InputError, match="what an earlier forget printed"):
        request_for("ana", "acme", log, dry_run=False, pseudonym="ana the first")


@pytest.mark.parametrize(("user", "org"), [("", "acme"), (" ", "acme"), ("ana", "")])
def test_nobody_is_not_forgotten(user: str, org: str) -> None:
    """An empty name, as of a variable that was not set, stands for every row that says no user."""
    with pytest.raises(InputError, match="names nobody"):
        request_for(user, org, [], dry_run=True)


def test_what_is_left_is_said_with_its_dates() -> None:
    """Policies that name the user anywhere; when nothing that runs says the id any more, and when Kafka lets it go."""
    policies = [
        budget("mine", scope={"user": "ana"}),
        budget("other", scope={"user": "anabel"}),
        budget("hers", owner="ana"),
    ]
    in_force = {key_of(one): InForce(policy=one, since=0, matched_since=0) for one in policies}
    left = leftovers("ana", "acme", in_force, ends=datetime(2026, 12, 1, tzinfo=UTC), now=NOW)
    assert left.policies == ("budget/acme/hers", "budget/acme/mine")
    assert left.again_after == datetime(2026, 12, 3, 1, tzinfo=UTC)
    longest = max(topic.retention_ms for topic in TOPICS if not topic.compacted)
    assert left.kafka_until == left.again_after + timedelta(milliseconds=longest)
    assert leftovers("ana", "acme", {}, ends=None, now=NOW).again_after == datetime(2026, 11, 25, 11, tzinfo=UTC)
    assert leftovers("ana", "globex", in_force, ends=None, now=NOW).policies == ()
    rolling = budget("last", each="user", period="rolling", days=30)
    of_days = {key_of(rolling): InForce(policy=rolling, since=0, matched_since=0)}
    assert leftovers("ana", "acme", of_days, ends=None, now=NOW).again_after == NOW + timedelta(days=32, hours=1)


def test_the_counts_of_a_run_are_read_from_its_message() -> None:
    """Rows by table."""
    assert rows_by_table({"message": '{"usage_events_store":3}'}) == {"usage_events_store": 3}
