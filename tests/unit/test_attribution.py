"""What rating makes of a directory: rows, sums and marks of events whose words and whose directory differ."""

from datetime import UTC, datetime
from typing import Any

from schemas.directory import BusinessUnit, CostCenter, Credential, Identity, Team, User
from schemas.keys import partition_for
from schemas.topics import PARTITIONS
from tests.laws.rating_events import deltas_of, event, new_lane, raw, rows_of, step

ACME = (
    CostCenter(org="acme", id="4711"),
    BusinessUnit(org="acme", id="lab", cost_center="4711"),
    Team(org="acme", id="code", business_unit="lab"),
    Team(org="acme", id="web"),
    User(org="acme", id="ana", team="code"),
    User(org="acme", id="ana", team="web", valid_from=datetime(2026, 12, 1, tzinfo=UTC)),
    User(org="acme", id="bo", team="web"),
    Identity(org="acme", id="ana@acme.example", user="ana"),
    Credential(org="acme", id="key-web", team="web"),
    Credential(org="acme", id="key-ana", user="ana"),
)
WHO = ("user", "team", "business_unit", "cost_center")


def rated(*events: dict[str, Any], policies: tuple[Any, ...] = ACME) -> list[dict[str, Any]]:
    """The rows of these events."""
    return rows_of(step(new_lane(*policies), [raw(one) for one in events]))


def whose(**data: Any) -> tuple[Any, ...]:
    """Who an event is that says this, and what it said otherwise."""
    [row] = rated(event(**({"user": None, "team": None, "credential": None} | data)))
    return *(row[name] for name in WHO), dict(row["asserted"] or ())


def test_an_event_is_whose_the_directory_says() -> None:
    """Up the levels; the key before the user; under one name; nobody's is `unattributed`."""
    assert whose(user="ana") == ("ana", "code", "lab", "4711", {})
    assert whose(user="ana", team="sales", business_unit="east") == (
        "ana", "code", "lab", "4711", {"team": "sales", "business_unit": "east"},
    )  # fmt: skip
    assert whose(user="ana@acme.example") == ("ana", "code", "lab", "4711", {"user": "ana@acme.example"})
    assert whose(user="ana", credential="key-web") == ("ana", "web", "unattributed", "unattributed", {})
    assert whose(credential="key-ana") == ("ana", "code", "lab", "4711", {})
    assert whose(user="bo", credential="key-ana") == ("ana", "code", "lab", "4711", {"user": "bo"})
    assert whose(user="cleo") == ("cleo", "unattributed", "unattributed", "unattributed", {})
    assert whose(user="cleo", team="sales", cost_center="8") == ("cleo", "sales", "unattributed", "8", {})


def test_a_claim_that_stood_in_asserted_stays() -> None:
    """What the caller claimed was there first; nothing is added where nothing differs."""
    assert whose(user="ana", team="sales", asserted={"team": "mine", "user": "me"})[-1] == {
        "team": "mine",
        "user": "me",
    }
    assert whose(user="ana", team="code", asserted={"user": "me"})[-1] == {"user": "me"}


def test_another_organisation_is_left_as_it_is() -> None:
    """To the byte, whatever others' directories say."""
    some = [event("a", org="globex", team=None), event("b", org="globex", user="ana@acme.example")]
    result, plain = (step(new_lane(*policies), [raw(one) for one in some]) for policies in (ACME, ()))
    without = [{**row, "policy_offset": -1} for row in rows_of(result)]
    assert without == rows_of(plain)
    assert deltas_of(result) == deltas_of(plain)


def hashes_of(*users: str, credential: str = "key-ana") -> int:
    """How many users are seen behind a key when events name these."""
    events = [event(f"e-{at}", user=user, credential=credential) for at, user in enumerate(users)]
    deltas = deltas_of(step(new_lane(*ACME), [raw(one) for one in events]))
    [delta] = [one for one in deltas if one["entity_type"] == "credential"]
    return len(delta["user_hashes"])


def test_a_key_is_shared_by_whom_its_events_name() -> None:
    """Whoever it was given to; but one person under two names is one."""
    assert hashes_of("bo", "cleo", "dan") == 3
    assert hashes_of("ana", "ana@acme.example") == 1


def test_an_event_is_astray_by_the_team_that_was_sent() -> None:
    """Its copies go where the sender's own rule sends them, whatever team it is attributed to."""
    for sent in ("web", "sales", "x", "y", "z"):
        [row] = rated(event(user="ana", team=sent, credential=None))
        assert row["team"] == "code"
        assert row["astray"] == (partition_for(sent.encode(), PARTITIONS) != 0)
